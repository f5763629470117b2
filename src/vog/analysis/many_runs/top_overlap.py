"""How many of the hardest examples two rankings have in common."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Overlap:
    """How many of the hardest examples are the same in two runs.

    Attributes:
        share: of the examples that are called the hardest, in (0, 1].
        count: how many that is, at least 1.
        overlap: the share of these that the other run has as well, in [0, 1].
        chance: what two rankings that have nothing in common would be expected to share.
    """

    share: float
    count: int
    overlap: float
    chance: float


def overlap(first: Float[np.ndarray, "n"], second: Float[np.ndarray, "n"], share: float) -> Overlap:
    """How many of the largest values of one are among the largest of the other.

    Where equal values straddle the cut, it is what would be expected if those above it were drawn,
    in each of the two by itself. So it depends on no order of the rows, and rankings of which one
    is constant share what chance would give.

    Args:
        one: hardness of the examples, without NaN.
        other: of the same examples.
        share: of the examples that are compared, at least one of them.
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
    """Which values are surely among the largest, which are at the cut, and how likely those are."""
    least = np.partition(values, -count)[-count]
    above, at_cut = values > least, values == least
    return above, at_cut, float((count - above.sum()) / at_cut.sum())
