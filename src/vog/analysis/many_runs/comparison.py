"""Whether several runs rank the same examples alike, and which examples moved."""

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
from vog.progress import progress
from vog.result import Run
from vog.result.derived_columns import rank

HARDEST_SHARES = (0.01, 0.05, 0.1)
_SMALL = 4_000_000  # values that take about two seconds


@dataclass(frozen=True)
class Agreement:
    """One column in two runs, or the mean over every two of several.

    Attributes:
        column: stored or derived.
        pair: the names of the two runs; None for the mean.
        examples: that have a value in both; for the mean the fewest of a pair.
        spearman: correlation of the hardness in [-1, 1]; NaN where a run has one value only.
        kendall: tau-b of the same, in [-1, 1].
        overlaps: at the hard end, for 1 %, 5 % and 10 % of the examples.
    """

    column: str
    pair: tuple[str, str] | None
    examples: int
    spearman: float
    kendall: float
    overlaps: tuple[Overlap, ...]

    def row(self) -> dict[str, Any]:
        """The same, flat."""
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
        id: its name.
        label: its class in the first run, where known.
        label_name: the name of that, where there is one.
        ranks: its hardness by run, in [0, 1], 1 the hardest.
        difference: of the largest and the smallest of these.
    """

    id: str
    label: int | None
    label_name: str | None
    ranks: tuple[float, ...]
    difference: float


@dataclass(frozen=True)
class Comparison:
    """What several runs have in common. Whatever is by run is in the order they were given.

    Attributes:
        runs: their names.
        shared: how many examples all of them have.
        only: by run, how many of its examples another run lacks.
        relabelled: how many shared examples have not the same label everywhere.
        by: the column whose largest changes are in `moved`.
        agreements: by column and then by pair of runs, `by` first.
        means: of these over the pairs, by column.
        moved: the examples whose rank differs most.
        differences: of what was asked, apart from where things were found.
    """

    runs: tuple[str, ...]
    shared: int
    only: tuple[int, ...]
    relabelled: int
    by: str
    agreements: tuple[Agreement, ...]
    means: tuple[Agreement, ...]
    moved: tuple[MovedExample, ...]
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    @property
    def said(self) -> str:
        """What the column that examples are sorted by says, in a sentence or two."""
        mean = next(agreement for agreement in self.means if agreement.column == self.by)
        if np.isnan(mean.spearman):
            return f"{self.by} cannot be compared by rank: a run has one value, or too few, of it."
        phrases = {0.9: "nearly alike", 0.6: "much alike", 0.3: "somewhat alike"}
        phrases |= {-0.3: "independently of each other", -2.0: "against each other"}
        correlation = round(mean.spearman, 2)  # as it is printed
        alike = next(word for threshold, word in phrases.items() if correlation >= threshold)
        top, pairs = mean.overlaps[1], len(self.agreements) // len(self.means)
        over = f" on average over {pairs} pairs" if pairs > 1 else ""
        return (
            f"By {self.by} the runs rank {mean.examples:,} examples {alike} (Spearman "
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
    """How alike runs rank the examples they share, score by score and stage by stage.

    Hardness is compared, over the examples that have a value in both runs; infinities are the
    hardest or the easiest. Columns within the class were standardised over all rows of their run.

    Args:
        runs: two or more.
        scores: names, as `vog` for all its stages, or columns, as `vog@late:class`; by default
            every stored score that all runs have.
        by: the column of the examples that moved; by default a usual one that all have.
        count: how many of these at most.
        quiet: no progress.

    Raises:
        ResultError: fewer than two runs, one twice, nothing in common, or no such column.
    """
    aligned = align_runs(runs)
    columns = resolve_columns(aligned, scores)
    by = by or aligned.usual_column(columns)
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
        aligned.only,
        int(aligned.labels_differ.sum()),
        by,
        tuple(itertools.chain(*agreements)),
        tuple(map(_mean_agreement, agreements)),
        _moved_examples(aligned, by, count),
        question_differences([run.question for run in runs]),
    )


def _pair_agreements(aligned: AlignedRuns, column: str) -> tuple[Agreement, ...]:
    """Every two runs by one column."""
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
    # Of ranks, for older versions of SciPy have none where a value is infinite.
    test: Any = kendalltau(rank(first), rank(second)) if len(first) > 1 else None
    tau = float("nan") if test is None else float(test.statistic)
    overlaps = tuple(overlap(first, second, share) for share in HARDEST_SHARES)
    return Agreement(column, pair, len(first), spearman(first, second), tau, overlaps)


def _mean_agreement(agreements: Sequence[Agreement]) -> Agreement:
    """Over pairs; NaN where one of them is."""
    overlaps = tuple(
        Overlap(
            share_overlaps[0].share,
            min(agreement.count for agreement in share_overlaps),
            float(np.mean([agreement.overlap for agreement in share_overlaps])),
            float(np.mean([agreement.chance for agreement in share_overlaps])),
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
    """The largest changes first, those that are equal by their ids."""
    values = np.stack([aligned.hardness(number, by) for number in range(len(aligned.runs))])
    complete_rows = np.flatnonzero(~np.isnan(values).any(axis=0))
    ranks = np.stack([rank(run_values) for run_values in values[:, complete_rows]])
    # Rounded: equal changes must not be told apart by their last bit.
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
