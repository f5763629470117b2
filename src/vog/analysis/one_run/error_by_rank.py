"""Error rate of the model along the ranking by a score."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest


@dataclass(frozen=True)
class Bin:
    """Error rate of the examples in one range of ranks.

    Attributes:
        first: share of the examples ranked before the bin, in [0, 1).
        last: share of the examples ranked up to the end of the bin, in (0, 1].
        examples: number of examples in the bin.
        error: share of them that the model gets wrong, in [0, 1].
        low: lower end of the 95 % Wilson interval of `error`.
        high: upper end of that interval.
    """

    first: float
    last: float
    examples: int
    error: float
    low: float
    high: float


def error_by_rank(
    values: Float[np.ndarray, "n"], wrong: Bool[np.ndarray, "n"], bins: int = 10
) -> tuple[Bin, ...]:
    """Return the error rate in bins of equal size by rank, from the smallest value to the largest.

    Bins are cut by rank and not by value, so every example is in exactly one bin, even if many
    values are equal. The order of equal values is random with a fixed seed: data are often sorted
    by class, and in that order a constant score would seem to separate classes. Rows without a
    value (NaN) are left out. If there are fewer examples than bins, each example is a bin.

    Source of the intervals: Wilson, 1927; they stay within [0, 1] for rates of 0 and 1.
    """
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~np.isnan(values)))
    order = rows[np.argsort(values[rows], kind="stable")]
    edges = np.linspace(0, len(order), min(bins, len(order)) + 1).round().astype(int)
    return tuple(
        _bin(wrong[order[start:stop]], start / len(order), stop / len(order))
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    )


def _bin(wrong: Bool[np.ndarray, "n"], first: float, last: float) -> Bin:
    count = len(wrong)
    test = binomtest(int(wrong.sum()), count)
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return Bin(first, last, count, float(wrong.mean()), float(interval.low), float(interval.high))
