"""How many runs are enough: whether means over some rank as means over as many others do."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from vog.analysis.many_runs.alignment import AlignedRuns, align_runs
from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.stability import spearman_brown
from vog.progress import progress
from vog.result import Run
from vog.result.derived_columns import rank

AIM = 0.9
_MOST_PAIRS, _MAX_SIZE, _MOST_RUNS = 50, 10, 50
_LARGEST_CORRELATION = 0.9999  # beyond it Fisher's z has no end
_SMALL = 5_000_000  # ranks that take about two seconds
_Pair = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Measurement:
    """Spearman's correlation of the mean ranks of some runs with those of as many others.

    Attributes:
        runs: how many are on each side.
        pairs: how many pairs of such sets were measured.
        mean: over the pairs, in [-1, 1]; NaN where a side has one value only.
        low: the smallest.
        high: the largest.
    """

    runs: int
    pairs: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """The same as it is expected from single runs; NaN where these do not agree at all."""

    runs: int
    value: float


@dataclass(frozen=True)
class SeedsCurve:
    """How the agreement grows with the runs that are averaged.

    Attributes:
        column: whose ranks are averaged.
        runs: how many there are.
        examples: that have a value in all of them.
        measured: from one run a side to half of the runs.
        predicted: from one to ten, by the first of `measured`.
        aim: what `enough` is to reach.
        enough: how many runs are predicted to reach it; None for more than 50, or where single
            runs do not agree.
        fewest: the low end of a 90 % interval of that, None for more than 50.
        most: its high end. Two runs give no interval; then both are as `enough`.
    """

    column: str
    runs: int
    examples: int
    measured: tuple[Measurement, ...]
    predicted: tuple[Prediction, ...]
    aim: float
    enough: int | None
    fewest: int | None
    most: int | None

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a number of runs; what was not measured or predicted is None."""
        measured = {point.runs: point for point in self.measured}
        predicted = {point.runs: point.value for point in self.predicted}
        return [
            {
                "runs averaged": runs,
                "measured": measured[runs].mean if runs in measured else None,
                "lowest": measured[runs].low if runs in measured else None,
                "highest": measured[runs].high if runs in measured else None,
                "pairs": measured[runs].pairs if runs in measured else None,
                "predicted": predicted.get(runs),
            }
            for runs in sorted({*measured, *predicted})
        ]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    @property
    def summary(self) -> str:
        """What it comes to, in a sentence or two; it says what was measured and what was not."""
        single = self.measured[0].mean
        if single != single:
            return f"By {self.column} nothing can be told: {self._no_ranking_reason}."
        if not single > 0:
            return (
                f"By {self.column} single runs do not agree, and means over them need not either."
            )
        combined = spearman_brown(single, self.runs)
        enough = f"more than {_MOST_RUNS}" if self.enough is None else f"about {self.enough}"
        return (
            f"By {self.column} single runs agree at {single:.2f} (measured). Means of {self.runs} "
            f"runs would agree with means of {self.runs} others at about {combined:.2f}; {self.aim:g} "
            f"needs {enough} (predicted{self._range_clause})."
        )

    @property
    def _range_clause(self) -> str:
        """How far the number of runs that is needed is known."""
        if self.runs < 3:
            return "; from two runs no range can be told"
        low, high = (
            f"more than {_MOST_RUNS}" if runs is None else str(runs)
            for runs in (self.fewest, self.most)
        )
        return f"; {low}{'' if low == high else f' to {high}'} by a 90 % interval"

    @property
    def _no_ranking_reason(self) -> str:
        """Why some run does not rank the examples."""
        if self.examples < 2:
            return f"{'one' if self.examples else 'no'} example has a value in all of the runs"
        return (
            f"in at least one of the runs the {self.examples:,} examples that have a value in all "
            f"of them are equal"
        )


def seeds_curve(runs: Sequence[Run], column: str | None = None, quiet: bool = True) -> SeedsCurve:
    """Whether means over some of the runs rank as means over as many others do.

    Ranks are by hardness among the examples that have a value in all runs. All pairs of sets
    that share no run are measured; of more than 50, 50 that are drawn, the same ones each time.

    The prediction is m r / (1 + (m - 1) r), where r is the agreement of single runs. It is exact
    for Pearson's correlation of sums of equally reliable parts, and so an approximation here:
    compare it with what was measured.

    Source: Spearman, 1910; Brown, 1910.

    Args:
        runs: two or more.
        column: stored or derived; by default the one single runs are sorted by, as
            `vog@all:class`, or the first score; it need not be that of the combined run.
        quiet: no progress.

    Raises:
        ResultError: fewer than two runs, one twice, nothing in common, or no such column.
    """
    return seeds_curve_aligned(align_runs(runs), column, quiet)


def seeds_curve_aligned(
    aligned: AlignedRuns, column: str | None = None, quiet: bool = True
) -> SeedsCurve:
    """The same of runs whose shared examples are known.

    Raises:
        ResultError: no such column.
    """
    runs, column = aligned.runs, column or aligned.usual_column(aligned.columns)
    ranks = _integer_ranks(aligned, column)
    sides = range(1, len(runs) // 2 + 1)
    pairs_by_size = {size: list(_disjoint_pairs(len(runs), size)) for size in sides}
    total = sum(map(len, pairs_by_size.values()))
    measured: list[Measurement] = []
    with progress("pairs", total, quiet=quiet or total * ranks.size < _SMALL) as advance:
        for size, pairs in pairs_by_size.items():
            measured.append(_measure(ranks, size, pairs))
            advance(len(pairs))
    single = measured[0].mean
    predicted = tuple(Prediction(m, spearman_brown(single, m)) for m in range(1, _MAX_SIZE + 1))
    low, high = _agreement_interval(ranks) if len(runs) > 2 else (single, single)
    # The mean of Fisher's z is not that of the correlations: the range holds what is predicted.
    needed = (_runs_needed(r) for r in (single, max(high, single), min(low, single)))
    return SeedsCurve(
        *(column, len(runs), ranks.shape[1], tuple(measured), predicted, AIM, *needed)
    )


def _runs_needed(single: float) -> int | None:
    """How many runs reach `ENOUGH`, if single ones agree so; None for more than 50."""
    sufficient = (m for m in range(1, _MOST_RUNS + 1) if spearman_brown(single, m) >= AIM - 1e-12)
    return next(sufficient, None)


def _agreement_interval(ranks: Float[np.ndarray, "runs n"]) -> tuple[float, float]:
    """The low and the high end of a 90 % interval of the agreement of single runs.

    Source: the jackknife over runs (Tukey, 1958) of the mean of Fisher's z, by Student's t; each
    run has a part in many pairs, so pairs are not independent.
    """
    runs = len(ranks)
    z = np.zeros((runs, runs))
    for i, j in itertools.combinations(range(runs), 2):
        z[i, j] = z[j, i] = _fisher_z(spearman(ranks[i], ranks[j]))
    mean_z = z.sum() / (runs * (runs - 1))
    leave_one_out = (z.sum() - 2 * z.sum(axis=1)) / ((runs - 1) * (runs - 2))
    error = np.sqrt((runs - 1) / runs * ((leave_one_out - leave_one_out.mean()) ** 2).sum())
    margin = float(student.ppf(0.95, runs - 1) * error)
    return float(np.tanh(mean_z - margin)), float(np.tanh(mean_z + margin))


def _fisher_z(correlation: float) -> float:
    return float(np.arctanh(np.clip(correlation, -_LARGEST_CORRELATION, _LARGEST_CORRELATION)))


def _integer_ranks(aligned: AlignedRuns, column: str) -> Float[np.ndarray, "runs n"]:
    """The hardness ranks among the examples that all have, as whole numbers.

    Sums of these are exact, so that what is equal stays equal in whatever order they are added.
    """
    values = np.stack([aligned.hardness(number, column) for number in range(len(aligned.runs))])
    complete = values[:, ~np.isnan(values).any(axis=0)]
    steps = 2 * max(1, complete.shape[1] - 1)
    return np.stack([np.rint(rank(row) * steps) for row in complete])


def _measure(ranks: Float[np.ndarray, "runs n"], size: int, pairs: Sequence[_Pair]) -> Measurement:
    values = [
        spearman(ranks[list(first)].sum(axis=0), ranks[list(second)].sum(axis=0))
        for first, second in pairs
    ]
    return Measurement(
        size, len(pairs), float(np.mean(values)), float(np.min(values)), float(np.max(values))
    )


def _disjoint_pairs(runs: int, size: int) -> Iterator[_Pair]:
    """Pairs of sets of runs that share none, each pair once."""
    count = math.comb(runs, size) * math.comb(runs - size, size) // 2
    if count <= _MOST_PAIRS:
        for first in itertools.combinations(range(runs), size):
            remaining = [run for run in range(runs) if run not in first and run > first[0]]
            yield from ((first, second) for second in itertools.combinations(remaining, size))
        return
    rng, drawn_pairs = np.random.default_rng(0), set[_Pair]()
    while len(drawn_pairs) < _MOST_PAIRS:
        order = rng.permutation(runs).tolist()
        first, second = sorted((tuple(sorted(order[:size])), tuple(sorted(order[size : 2 * size]))))
        if (first, second) not in drawn_pairs:
            drawn_pairs.add((first, second))
            yield first, second
