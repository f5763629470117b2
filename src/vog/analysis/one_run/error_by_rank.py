"""How often the model is wrong among the easiest, ..., the hardest examples of a score."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest


@dataclass(frozen=True)
class Bin:
    """Examples of neighbouring rank, and the share of them that the model gets wrong.

    Attributes:
        first: share of the examples with a smaller rank, in [0, 1).
        last: share with a rank up to the bin's end, in (0, 1].
        examples: how many are in the bin.
        error: share of them that are wrong.
        low: lower end of the 95 % Wilson interval of that share.
        high: its upper end.
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
    """The error rate in bins of equal size by rank, from the smallest value to the largest.

    Cut by rank and not by value: every example is in exactly one bin, both extremes
    included, however many values are equal. Which of these come first is drawn, the same way each
    time: in the order of the data, often by class, a constant score would seem to tell classes
    apart. Rows without a value (NaN) are left out.
    With fewer examples than bins there are as many bins as examples.

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
