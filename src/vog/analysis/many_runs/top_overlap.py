"""The share of the hardest examples that two rankings have in common."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Overlap:
    """The part of the hardest examples that is the same in two runs.

    Attributes:
        share: share of all examples that counts as the hardest, in (0, 1].
        count: number of the hardest examples, at least 1.
        overlap: share of the hardest that is the same in both runs, in [0, 1].
        chance: expected overlap of two independent rankings, in [0, 1].
    """

    share: float
    count: int
    overlap: float
    chance: float


def overlap(first: Float[np.ndarray, "n"], second: Float[np.ndarray, "n"], share: float) -> Overlap:
    """Return the share of the largest values of one ranking that are among the other's largest.

    If equal values lie on both sides of the cut, this is the expected share when the ones above
    the cut are drawn at random, in each ranking independently. So the result does not depend on
    the order of the rows, and a constant ranking overlaps with any other as much as by chance.

    Args:
        first: hardness of the examples, without NaN.
        second: hardness of the same examples by the second ranking.
        share: share of the examples that are compared, at least one example.
    """
    if not len(first):
        return Overlap(share, 0, float("nan"), float("nan"))
    count = max(1, round(share * len(first)))
    (above, at_cut, rate), (above_second, at_cut_second, rate_second) = (
        _top_membership(values, count) for values in (first, second)
    )
    expected = (
        np.sum(above & above_second)
        + rate * np.sum(at_cut & above_second)
        + rate_second * np.sum(above & at_cut_second)
        + rate * rate_second * np.sum(at_cut & at_cut_second)
    )
    return Overlap(share, count, float(expected / count), count / len(first))


def _top_membership(
    values: Float[np.ndarray, "n"], count: int
) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"], float]:
    """Return masks of the values above the cut and equal to it, and the latter's probability."""
    least = np.partition(values, -count)[-count]
    above, at_cut = values > least, values == least
    return above, at_cut, float((count - above.sum()) / at_cut.sum())
