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

ENOUGH = 0.9
_MOST_PAIRS, _PREDICTED, _FAR = 50, 10, 50
_NEAR_1 = 0.9999  # beyond it Fisher's z has no end
_SOON = 5_000_000  # ranks that take about two seconds
_Pair = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Measured:
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
class Predicted:
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
    measured: tuple[Measured, ...]
    predicted: tuple[Predicted, ...]
    aim: float
    enough: int | None
    fewest: int | None
    most: int | None

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a number of runs; what was not measured or predicted is None."""
        measured = {one.runs: one for one in self.measured}
        predicted = {one.runs: one.value for one in self.predicted}
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
    def said(self) -> str:
        """What it comes to, in a sentence or two; it says what was measured and what was not."""
        alone = self.measured[0].mean
        if alone != alone:
            return f"By {self.column} nothing can be told: {self._no_ranking}."
        if not alone > 0:
            return (
                f"By {self.column} single runs do not agree, and means over them need not either."
            )
        now = spearman_brown(alone, self.runs)
        enough = f"more than {_FAR}" if self.enough is None else f"about {self.enough}"
        return (
            f"By {self.column} single runs agree at {alone:.2f} (measured). Means of {self.runs} "
            f"runs would agree with means of {self.runs} others at about {now:.2f}; {self.aim:g} "
            f"needs {enough} (predicted{self._range})."
        )

    @property
    def _range(self) -> str:
        """How far the number of runs that is needed is known."""
        if self.runs < 3:
            return "; from two runs no range can be told"
        low, high = (f"more than {_FAR}" if m is None else str(m) for m in (self.fewest, self.most))
        return f"; {low}{'' if low == high else f' to {high}'} by a 90 % interval"

    @property
    def _no_ranking(self) -> str:
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
    return seeds_curve_joined(align_runs(runs), column, quiet)


def seeds_curve_joined(
    joined: AlignedRuns, column: str | None = None, quiet: bool = True
) -> SeedsCurve:
    """The same of runs whose shared examples are known.

    Raises:
        ResultError: no such column.
    """
    runs, column = joined.runs, column or joined.usual(joined.columns)
    ranks = _ranks(joined, column)
    sides = range(1, len(runs) // 2 + 1)
    asked = {size: list(_pairs(len(runs), size)) for size in sides}
    total = sum(map(len, asked.values()))
    measured: list[Measured] = []
    with progress("pairs", total, quiet=quiet or total * ranks.size < _SOON) as advance:
        for size, pairs in asked.items():
            measured.append(_measured(ranks, size, pairs))
            advance(len(pairs))
    alone = measured[0].mean
    expected = tuple(Predicted(m, spearman_brown(alone, m)) for m in range(1, _PREDICTED + 1))
    low, high = _interval(ranks) if len(runs) > 2 else (alone, alone)
    # The mean of Fisher's z is not that of the correlations: the range holds what is predicted.
    needed = (_needed(one) for one in (alone, max(high, alone), min(low, alone)))
    return SeedsCurve(
        *(column, len(runs), ranks.shape[1], tuple(measured), expected, ENOUGH, *needed)
    )


def _needed(alone: float) -> int | None:
    """How many runs reach `ENOUGH`, if single ones agree so; None for more than 50."""
    near = (m for m in range(1, _FAR + 1) if spearman_brown(alone, m) >= ENOUGH - 1e-12)
    return next(near, None)


def _interval(ranks: Float[np.ndarray, "runs n"]) -> tuple[float, float]:
    """The low and the high end of a 90 % interval of the agreement of single runs.

    Source: the jackknife over runs (Tukey, 1958) of the mean of Fisher's z, by Student's t; each
    run has a part in many pairs, so pairs are not independent.
    """
    runs = len(ranks)
    z = np.zeros((runs, runs))
    for one, other in itertools.combinations(range(runs), 2):
        z[one, other] = z[other, one] = _fisher(spearman(ranks[one], ranks[other]))
    of_pairs = z.sum() / (runs * (runs - 1))
    without = (z.sum() - 2 * z.sum(axis=1)) / ((runs - 1) * (runs - 2))
    error = np.sqrt((runs - 1) / runs * ((without - without.mean()) ** 2).sum())
    away = float(student.ppf(0.95, runs - 1) * error)
    return float(np.tanh(of_pairs - away)), float(np.tanh(of_pairs + away))


def _fisher(correlation: float) -> float:
    return float(np.arctanh(np.clip(correlation, -_NEAR_1, _NEAR_1)))


def _ranks(joined: AlignedRuns, column: str) -> Float[np.ndarray, "runs n"]:
    """The hardness ranks among the examples that all have, as whole numbers.

    Sums of these are exact, so that what is equal stays equal in whatever order they are added.
    """
    values = np.stack([joined.hardness(number, column) for number in range(len(joined.runs))])
    known = values[:, ~np.isnan(values).any(axis=0)]
    steps = 2 * max(1, known.shape[1] - 1)
    return np.stack([np.rint(rank(own) * steps) for own in known])


def _measured(ranks: Float[np.ndarray, "runs n"], size: int, pairs: Sequence[_Pair]) -> Measured:
    found = [
        spearman(ranks[list(one)].sum(axis=0), ranks[list(other)].sum(axis=0))
        for one, other in pairs
    ]
    return Measured(
        size, len(pairs), float(np.mean(found)), float(np.min(found)), float(np.max(found))
    )


def _pairs(runs: int, size: int) -> Iterator[_Pair]:
    """Pairs of sets of runs that share none, each pair once."""
    count = math.comb(runs, size) * math.comb(runs - size, size) // 2
    if count <= _MOST_PAIRS:
        for one in itertools.combinations(range(runs), size):
            others = [run for run in range(runs) if run not in one and run > one[0]]
            yield from ((one, other) for other in itertools.combinations(others, size))
        return
    rng, drawn = np.random.default_rng(0), set[_Pair]()
    while len(drawn) < _MOST_PAIRS:
        order = rng.permutation(runs).tolist()
        one, other = sorted((tuple(sorted(order[:size])), tuple(sorted(order[size : 2 * size]))))
        if (one, other) not in drawn:
            drawn.add((one, other))
            yield one, other
