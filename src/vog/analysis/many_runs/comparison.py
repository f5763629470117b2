"""Agreement of several runs on the ranking of the same examples, and the largest changes."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from scipy.stats import kendalltau

from vog.analysis.many_runs.alignment import AlignedRuns, align_runs, resolve_columns
from vog.analysis.many_runs.question_diff import Difference, question_differences
from vog.analysis.many_runs.top_overlap import Overlap, overlap
from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.row_facts import class_name
from vog.former_names import FormerAttribute
from vog.progress import progress
from vog.result import Run
from vog.result.derived_columns import rank

HARDEST_SHARES = (0.01, 0.05, 0.1)
_SMALL = 4_000_000  # values, compared in about two seconds: no progress is shown
# The keys of fields that have another name in JSON; programs of users read them.
_JSON_KEYS = {
    "unshared": "only",
    "differing_labels": "relabelled",
    "main_column": "by",
    "mean_agreements": "means",
    "moved_examples": "moved",
}


@dataclass(frozen=True)
class Agreement:
    """Agreement of two runs on one column, or the mean over all pairs of runs.

    Attributes:
        column: a stored or derived column.
        pair: the names of the two runs; None for the mean.
        examples: number with a value in both runs; for the mean, the smallest over the pairs.
        spearman: correlation of the hardness in [-1, 1]; NaN if a run has only one value.
        kendall: Kendall's tau-b of the hardness, in [-1, 1].
        overlaps: overlaps of the hardest 1 %, 5 % and 10 % of the examples.
    """

    column: str
    pair: tuple[str, str] | None
    examples: int
    spearman: float
    kendall: float
    overlaps: tuple[Overlap, ...]

    def row(self) -> dict[str, Any]:
        """Return the agreement as one flat row."""
        return {
            "column": self.column,
            "runs": "mean" if self.pair is None else " ".join(self.pair),
            "examples": self.examples,
            "spearman": self.spearman,
            "kendall": self.kendall,
            **{f"hardest {top.share:.0%}": top.overlap for top in self.overlaps},
        }


@dataclass(frozen=True)
class MovedExample:
    """An example that is hard in one run and easier in another.

    Attributes:
        id: its id.
        label: its class in the first run; None if it is not known.
        label_name: the name of that class; None if it has none.
        ranks: its hardness rank in each run, in [0, 1]; 1 is the hardest.
        difference: the largest of these ranks minus the smallest.
    """

    id: str
    label: int | None
    label_name: str | None
    ranks: tuple[float, ...]
    difference: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of several runs. Values for each run are in the order of the arguments.

    Attributes:
        runs: names of the runs.
        shared: number of examples that all runs have.
        unshared: for each run, the number of its examples that another run lacks.
        differing_labels: number of shared examples whose labels are not the same in all runs.
        main_column: the column whose largest changes are in `moved_examples`.
        agreements: one for each column and pair of runs, sorted by column; the main column comes
            first.
        mean_agreements: for each column, the mean of its agreements over the pairs.
        moved_examples: the examples whose ranks by the main column differ most.
        differences: entries of the questions that differ, except for locations of files.
    """

    runs: tuple[str, ...]
    shared: int
    unshared: tuple[int, ...]
    differing_labels: int
    main_column: str
    agreements: tuple[Agreement, ...]
    mean_agreements: tuple[Agreement, ...]
    moved_examples: tuple[MovedExample, ...]
    differences: tuple[Difference, ...]

    by = FormerAttribute("main_column")
    means = FormerAttribute("mean_agreements")
    moved = FormerAttribute("moved_examples")
    only = FormerAttribute("unshared")
    relabelled = FormerAttribute("differing_labels")
    said = FormerAttribute("summary")

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values, for JSON."""
        return {_JSON_KEYS.get(name, name): value for name, value in asdict(self).items()}

    @property
    def summary(self) -> str:
        """The result for the main column, in one or two sentences."""
        mean = next(mean for mean in self.mean_agreements if mean.column == self.main_column)
        if np.isnan(mean.spearman):
            return (
                f"{self.main_column} cannot be compared by rank: a run has one value of it, or too "
                f"few."
            )
        phrases = {0.9: "nearly alike", 0.6: "much alike", 0.3: "somewhat alike"}
        phrases |= {-0.3: "independently of each other", -2.0: "against each other"}
        correlation = round(mean.spearman, 2)  # as printed, so that word and number agree
        alike = next(word for threshold, word in phrases.items() if correlation >= threshold)
        top, pairs = mean.overlaps[1], len(self.agreements) // len(self.mean_agreements)
        over = f" on average over {pairs} pairs" if pairs > 1 else ""
        return (
            f"By {self.main_column} the runs rank {mean.examples:,} examples {alike} (Spearman "
            f"{correlation:.2f}{over}). Of the {top.count:,} hardest ({top.share:.0%}), "
            f"{top.overlap:.0%} are the same; by chance it would be {top.chance:.0%}."
        )


def compare(
    runs: Sequence[Run],
    scores: Sequence[str] | None = None,
    by: str | None = None,
    count: int = 10,
    quiet: bool = True,
) -> Comparison:
    """Return how similarly runs rank the examples they share, for each score and stage.

    The hardness is compared over the examples that have a value in both runs; infinities are the
    hardest or the easiest. Columns within the class are standardised over all rows of their run.

    Args:
        runs: two or more.
        scores: names, such as `vog` for all its stages, or columns, such as `vog@late:class`; by
            default every stored score that all runs have.
        by: the column for the examples that moved most; by default one that all runs have.
        count: largest number of these examples.
        quiet: show no progress.

    Raises:
        ResultError: fewer than two runs, a run given twice, nothing in common, or no such column.
    """
    aligned = align_runs(runs)
    columns = resolve_columns(aligned, scores)
    by = aligned.usual_column(columns) if by is None else aligned.runs[0].sort_column(by)
    for run in runs:
        run.score_column(by)
    columns = tuple(dict.fromkeys([by, *columns]))
    pairs = len(runs) * (len(runs) - 1) // 2
    quiet = quiet or len(columns) * pairs * len(aligned.ids) < _SMALL
    agreements: list[tuple[Agreement, ...]] = []
    with progress("comparing columns", len(columns), quiet=quiet) as advance:
        for column in columns:
            agreements.append(_pair_agreements(aligned, column))
            advance(1)
    return Comparison(
        aligned.names,
        len(aligned.ids),
        aligned.unshared,
        int(aligned.labels_differ.sum()),
        by,
        tuple(itertools.chain(*agreements)),
        tuple(map(_mean_agreement, agreements)),
        _moved_examples(aligned, by, count),
        question_differences([run.question for run in runs]),
    )


def _pair_agreements(aligned: AlignedRuns, column: str) -> tuple[Agreement, ...]:
    """Return the agreement of every two runs on one column."""
    values = {name: aligned.hardness(number, column) for number, name in enumerate(aligned.names)}
    return tuple(
        _agreement(column, pair, values[pair[0]], values[pair[1]])
        for pair in itertools.combinations(aligned.names, 2)
    )


def _agreement(
    column: str,
    pair: tuple[str, str],
    first: Float[np.ndarray, "n"],
    second: Float[np.ndarray, "n"],
) -> Agreement:
    has_both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[has_both], second[has_both]
    # Ranks, because older versions of SciPy return NaN if a value is infinite.
    test: Any = kendalltau(rank(first), rank(second)) if len(first) > 1 else None
    tau = float("nan") if test is None else float(test.statistic)
    overlaps = tuple(overlap(first, second, share) for share in HARDEST_SHARES)
    return Agreement(column, pair, len(first), spearman(first, second), tau, overlaps)


def _mean_agreement(agreements: Sequence[Agreement]) -> Agreement:
    """Return the mean over pairs of runs; NaN if the value of a pair is NaN."""
    overlaps = tuple(
        Overlap(
            share_overlaps[0].share,
            min(top.count for top in share_overlaps),
            float(np.mean([top.overlap for top in share_overlaps])),
            float(np.mean([top.chance for top in share_overlaps])),
        )
        for share_overlaps in zip(*(agreement.overlaps for agreement in agreements), strict=True)
    )
    return Agreement(
        agreements[0].column,
        None,
        min(agreement.examples for agreement in agreements),
        float(np.mean([agreement.spearman for agreement in agreements])),
        float(np.mean([agreement.kendall for agreement in agreements])),
        overlaps,
    )


def _moved_examples(aligned: AlignedRuns, by: str, count: int) -> tuple[MovedExample, ...]:
    """Return the examples with the largest changes first, sorted by id where changes are equal."""
    values = np.stack([aligned.hardness(number, by) for number in range(len(aligned.runs))])
    complete_rows = np.flatnonzero(~np.isnan(values).any(axis=0))
    ranks = np.stack([rank(run_values) for run_values in values[:, complete_rows]])
    # Rounded, so that equal changes do not differ in the last bit.
    shift = (ranks.max(axis=0) - ranks.min(axis=0)).round(12)
    order = np.argsort(-shift, kind="stable")[:count]
    least = shift[order].min(initial=1.0)
    largest = np.flatnonzero((shift > 0) & (shift >= least))
    ids = aligned.ids.take(pa.array(complete_rows[largest])).to_pylist()
    moved = sorted(zip((-shift[largest]).tolist(), ids, largest.tolist(), strict=True))[:count]
    labels = aligned.classes(0, "label")[complete_rows]
    return tuple(
        MovedExample(
            example_id,
            int(labels[position]) if labels[position] >= 0 else None,
            class_name(aligned.runs[0], int(labels[position])),
            tuple(ranks[:, position].tolist()),
            -difference,
        )
        for difference, example_id, position in moved
    )
