"""How many runs are enough: agreement of the mean ranks of two disjoint sets of runs."""

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

AIM = 0.9  # agreement that is enough
_MOST_PAIRS = 50  # measured for each size
_MAX_SIZE, _MOST_RUNS = 10, 50  # predicted, and searched for `enough`
_LARGEST_CORRELATION = 0.9999  # at 1 Fisher's z is infinite
_SMALL = 5_000_000  # ranks, correlated in about two seconds: no progress is shown
_Pair = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Measurement:
    """Spearman's correlation of the mean ranks of two disjoint sets of equally many runs.

    Attributes:
        runs: number of runs in each set.
        pairs: number of pairs of sets that were measured.
        mean: mean over the pairs, in [-1, 1]; NaN if a set has only one value.
        low: smallest correlation of a pair.
        high: largest correlation of a pair.
    """

    runs: int
    pairs: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Prediction:
    """The correlation predicted from that of single runs; NaN if theirs is below 0 or NaN."""

    runs: int
    value: float


@dataclass(frozen=True)
class EnsembleSizeCurve:
    """Agreement of mean ranks as a function of the number of runs that are averaged.

    Attributes:
        column: the column whose ranks are averaged.
        runs: number of runs.
        examples: number of examples with a value in all runs.
        measured: one entry for each size of the sets, from one run to half of the runs.
        predicted: one entry for each size from one to ten, predicted from `measured[0]`.
        aim: the agreement that `enough` runs reach.
        enough: smallest number of runs predicted to reach `aim`; None if it is more than 50, or if
            single runs do not agree.
        fewest: low end of a 90 % interval of `enough`; None if it is more than 50.
        most: high end of that interval. With two runs there is no interval, and both ends equal
            `enough`.
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
        """Return one flat row for each number of runs; None if not measured or not predicted."""
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
        """Return the curve as plain values, for JSON."""
        return asdict(self)

    @property
    def summary(self) -> str:
        """The result in one or two sentences, which mark what is measured and what predicted."""
        single = self.measured[0].mean
        if math.isnan(single):
            return f"Agreement by {self.column} is not defined: {self._no_ranking_reason}."
        if not single > 0:
            return f"By {self.column} single runs do not agree, so means over them may not agree."
        combined = spearman_brown(single, self.runs)
        enough = f"more than {_MOST_RUNS}" if self.enough is None else f"about {self.enough}"
        return (
            f"By {self.column} single runs agree at {single:.2f} (measured). Means of {self.runs} "
            f"runs would agree with means of {self.runs} others at about {combined:.2f}; "
            f"{self.aim:g} needs {enough} (predicted{self._range_clause})."
        )

    @property
    def _range_clause(self) -> str:
        """The 90 % interval of the number of runs needed, as the end of a sentence."""
        if self.runs < 3:
            return "; two runs give no range"
        low, high = (str(runs or f"more than {_MOST_RUNS}") for runs in (self.fewest, self.most))
        return f"; {low}{'' if low == high else f' to {high}'} by a 90 % interval"

    @property
    def _no_ranking_reason(self) -> str:
        """The reason why a run does not rank the examples."""
        if self.examples < 2:
            return f"{'one' if self.examples else 'no'} example has a value in all of the runs"
        return (
            f"in at least one of the runs the {self.examples:,} examples that have a value in all "
            f"of them are equal"
        )


def ensemble_size_curve(
    runs: Sequence[Run], column: str | None = None, quiet: bool = True
) -> EnsembleSizeCurve:
    """Return how well means over some runs agree with means over equally many other runs.

    Ranks are by hardness among the examples that have a value in all runs. All pairs of disjoint
    sets are measured; if there are more than 50, then 50 drawn at random with a fixed seed.

    The prediction for m runs is m r / (1 + (m - 1) r), where r is the agreement of single runs. It
    is exact for Pearson's correlation of sums of equally reliable parts, and so an approximation
    here: compare it with the measured values.

    Source: Spearman, 1910; Brown, 1910.

    Args:
        runs: two or more.
        column: a stored or derived column; by default the default column of single runs, such as
            `vog@all:class`, or the first score. The combined run may have a different default.
        quiet: show no progress.

    Raises:
        ResultError: fewer than two runs, a run given twice, nothing in common, or no such column.
    """
    return ensemble_size_curve_aligned(align_runs(runs), column, quiet)


def ensemble_size_curve_aligned(
    aligned: AlignedRuns, column: str | None = None, quiet: bool = True
) -> EnsembleSizeCurve:
    """Return the same for runs that are already aligned.

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
    # The interval is around the mean of Fisher's z, so it may miss the mean correlation: widen it.
    needed = (_runs_needed(r) for r in (single, max(high, single), min(low, single)))
    return EnsembleSizeCurve(
        column, len(runs), ranks.shape[1], tuple(measured), predicted, AIM, *needed
    )


def _runs_needed(single: float) -> int | None:
    """Return how many runs reach `AIM`, given the agreement of single runs, or None."""
    sufficient = (m for m in range(1, _MOST_RUNS + 1) if spearman_brown(single, m) >= AIM - 1e-12)
    return next(sufficient, None)


def _agreement_interval(ranks: Float[np.ndarray, "runs n"]) -> tuple[float, float]:
    """Return the low and high end of a 90 % interval of the agreement of single runs.

    Source: the jackknife over runs (Tukey, 1958) of the mean of Fisher's z, with Student's t. It
    leaves out runs and not pairs, because pairs that share a run are not independent.
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
    """Return the hardness ranks as whole numbers, over the examples with a value in all runs.

    Their sums are exact, so equal sums stay equal whatever the order of adding.
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
    """Yield pairs of disjoint sets of `size` runs, each pair once."""
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
