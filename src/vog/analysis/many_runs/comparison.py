"""Whether several runs rank the same examples alike, and which examples moved."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from scipy.stats import kendalltau

from vog.analysis.many_runs.alignment import AlignedRuns, align_runs, columns_asked
from vog.analysis.many_runs.question_diff import Difference, question_differences
from vog.analysis.many_runs.top_overlap import Overlap, overlap
from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.row_facts import class_name
from vog.progress import progress
from vog.result import Run
from vog.result.derived_columns import rank

SHARES = (0.01, 0.05, 0.1)
_SOON = 4_000_000  # values that take about two seconds


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
            **{f"hardest {one.share:.0%}": one.overlap for one in self.overlaps},
        }


@dataclass(frozen=True)
class Moved:
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
    moved: tuple[Moved, ...]
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    @property
    def said(self) -> str:
        """What the column that examples are sorted by says, in a sentence or two."""
        found = next(one for one in self.means if one.column == self.by)
        if np.isnan(found.spearman):
            return f"{self.by} cannot be compared by rank: a run has one value, or too few, of it."
        words = {0.9: "nearly alike", 0.6: "much alike", 0.3: "somewhat alike"}
        words |= {-0.3: "independently of each other", -2.0: "against each other"}
        value = round(found.spearman, 2)  # as it is printed
        alike = next(word for least, word in words.items() if value >= least)
        end, pairs = found.overlaps[1], len(self.agreements) // len(self.means)
        over = f" on average over {pairs} pairs" if pairs > 1 else ""
        return (
            f"By {self.by} the runs rank {found.examples:,} examples {alike} (Spearman "
            f"{value:.2f}{over}). Of the {end.count:,} hardest ({end.share:.0%}), "
            f"{end.overlap:.0%} are the same; by chance it would be {end.chance:.0%}."
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
    joined = align_runs(runs)
    columns = columns_asked(joined, scores)
    by = by or joined.usual(columns)
    for run in runs:
        run.score_column(by)
    columns = tuple(dict.fromkeys([by, *columns]))
    pairs = len(runs) * (len(runs) - 1) // 2
    quiet = quiet or len(columns) * pairs * len(joined.ids) < _SOON
    found: list[tuple[Agreement, ...]] = []
    with progress("comparing columns", len(columns), quiet=quiet) as advance:
        for column in columns:
            found.append(_agreements(joined, column))
            advance(1)
    return Comparison(
        joined.names,
        len(joined.ids),
        joined.only,
        int(joined.relabelled.sum()),
        by,
        tuple(itertools.chain(*found)),
        tuple(map(_mean, found)),
        _moved(joined, by, count),
        question_differences([run.question for run in runs]),
    )


def _agreements(joined: AlignedRuns, column: str) -> tuple[Agreement, ...]:
    """Every two runs by one column."""
    values = {name: joined.hardness(number, column) for number, name in enumerate(joined.names)}
    return tuple(
        _agreement(column, pair, values[pair[0]], values[pair[1]])
        for pair in itertools.combinations(joined.names, 2)
    )


def _agreement(
    column: str,
    pair: tuple[str, str],
    one: Float[np.ndarray, "n"],
    other: Float[np.ndarray, "n"],
) -> Agreement:
    known = ~(np.isnan(one) | np.isnan(other))
    one, other = one[known], other[known]
    # Of ranks, for older versions of SciPy have none where a value is infinite.
    found: Any = kendalltau(rank(one), rank(other)) if len(one) > 1 else None
    tau = float("nan") if found is None else float(found.statistic)
    overlaps = tuple(overlap(one, other, share) for share in SHARES)
    return Agreement(column, pair, len(one), spearman(one, other), tau, overlaps)


def _mean(found: Sequence[Agreement]) -> Agreement:
    """Over pairs; NaN where one of them is."""
    overlaps = tuple(
        Overlap(
            of[0].share,
            min(one.count for one in of),
            float(np.mean([one.overlap for one in of])),
            float(np.mean([one.chance for one in of])),
        )
        for of in zip(*(one.overlaps for one in found), strict=True)
    )
    return Agreement(
        found[0].column,
        None,
        min(one.examples for one in found),
        float(np.mean([one.spearman for one in found])),
        float(np.mean([one.kendall for one in found])),
        overlaps,
    )


def _moved(joined: AlignedRuns, by: str, count: int) -> tuple[Moved, ...]:
    """The largest changes first, those that are equal by their ids."""
    values = np.stack([joined.hardness(number, by) for number in range(len(joined.runs))])
    known = np.flatnonzero(~np.isnan(values).any(axis=0))
    ranks = np.stack([rank(of) for of in values[:, known]])
    # Rounded: equal changes must not be told apart by their last bit.
    apart = (ranks.max(axis=0) - ranks.min(axis=0)).round(12)
    first = np.argsort(-apart, kind="stable")[:count]
    least = apart[first].min(initial=1.0)
    near = np.flatnonzero((apart > 0) & (apart >= least))
    ids = joined.ids.take(pa.array(known[near])).to_pylist()
    chosen = sorted(zip((-apart[near]).tolist(), ids, near.tolist(), strict=True))[:count]
    labels = joined.whole(0, "label")[known]
    return tuple(
        Moved(
            name,
            int(labels[at]) if labels[at] >= 0 else None,
            class_name(joined.runs[0], int(labels[at])),
            tuple(ranks[:, at].tolist()),
            -change,
        )
        for change, name, at in chosen
    )
