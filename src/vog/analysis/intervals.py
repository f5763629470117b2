"""How well values tell some rows from others, with bootstrap intervals, whatever their number."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import average_precision_score, roc_auc_score

_MOST = 1000  # groups of the wanted rows that are drawn from, so that a draw takes milliseconds


@dataclass(frozen=True)
class Estimate:
    """A number in [0, 1] with its 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Separation:
    """How well high values tell the wanted rows from the others.

    Attributes:
        auroc: that a wanted row has a higher value than another, equal ones counted half; 0.5 is
            chance.
        ap: average precision; by chance the share of the wanted.
        precision: the share of the wanted among as many of the highest as there are wanted;
            expected, where equal values leave open which these are. By chance as `ap`.
    """

    auroc: Estimate
    ap: Estimate
    precision: Estimate


@dataclass(frozen=True)
class Groups:
    """How many rows are where, from the lowest values to the highest.

    The values of the wanted rows, and between them all that lies there: whatever else is known
    of the others changes none of the numbers.
    """

    wanted: Int[np.ndarray, "g"]
    others: Int[np.ndarray, "g"]


def separation(
    wanted: Float[np.ndarray, "p"],
    others: Float[np.ndarray, "n"],
    resamples: int,
    rng: np.random.Generator,
) -> Separation:
    """Exact numbers and percentile intervals of a stratified bootstrap.

    Wanted and others are drawn separately, so that the share of the wanted stays. Of more than
    1,000 wanted the intervals are of neighbours taken together, moved by what this changes the
    number. An interval is widened to hold its number, and where all draws are alike, as when the
    two do not overlap, it is a point and too narrow.

    Args:
        wanted: values without NaN; infinities are the highest or the lowest.
        others: the same, in ascending order.
        resamples: how many draws.
        rng: what they are drawn with.
    """
    if not (len(wanted) and len(others)):
        unknown = Estimate(np.nan, np.nan, np.nan)
        return Separation(unknown, unknown, unknown)
    groups = grouped(wanted, others)
    ours, theirs = groups.wanted[None], groups.others[None]
    exact = (*_by_sklearn(groups), float(precisions(ours, theirs)[0]))
    drawn = _binned(groups)
    ours, theirs = (
        rng.multinomial(count.sum(), count / count.sum(), resamples)
        for count in (drawn.wanted, drawn.others)
    )
    return Separation(
        *(
            _estimate(value, of(ours, theirs), float(of(drawn.wanted[None], drawn.others[None])[0]))
            for value, of in zip(exact, (aurocs, average_precisions, precisions), strict=True)
        )
    )


def grouped(wanted: Float[np.ndarray, "p"], others: Float[np.ndarray, "n"]) -> Groups:
    """The rows counted; `others` in ascending order."""
    values, counts = np.unique(wanted, return_counts=True)
    ends = [np.searchsorted(others, values, side) for side in ("left", "right")]
    between_and_at = np.diff(np.stack(ends, 1).ravel(), prepend=0, append=len(others))
    ours = np.zeros_like(between_and_at)
    ours[1::2] = counts
    return Groups(ours, between_and_at)


# What scikit-learn computes of one draw in a millisecond, of all draws at once: a run of 60 columns
# and four kinds has 48,000 draws. Rows are draws, columns groups from the lowest to the highest.


def aurocs(ours: Int[np.ndarray, "r g"], theirs: Int[np.ndarray, "r g"]) -> Float[np.ndarray, "r"]:
    """`roc_auc_score` of each row: the pairs in order, equal ones half, among all pairs."""
    below = np.cumsum(theirs, 1) - theirs / 2
    return (ours * below).sum(1) / (ours.sum(1) * theirs.sum(1))


def average_precisions(
    ours: Int[np.ndarray, "r g"], theirs: Int[np.ndarray, "r g"]
) -> Float[np.ndarray, "r"]:
    """`average_precision_score` of each row: the mean over the wanted of the precision at each."""
    found, taken = _from_the_top(ours), _from_the_top(ours + theirs)
    return (ours * found / np.maximum(taken, 1)).sum(1) / ours.sum(1)


def precisions(
    ours: Int[np.ndarray, "r g"], theirs: Int[np.ndarray, "r g"]
) -> Float[np.ndarray, "r"]:
    """The share of ours among as many of the highest as there are ours, ties broken at random."""
    size, count = ours + theirs, ours.sum(1)
    room = count[:, None] - (_from_the_top(size) - size)
    return (ours * np.clip(room / np.maximum(size, 1), 0, 1)).sum(1) / count


def _from_the_top(counts: Int[np.ndarray, "r g"]) -> Int[np.ndarray, "r g"]:
    """How many are in each group or in a higher one."""
    return np.cumsum(counts[:, ::-1], 1)[:, ::-1]


def _by_sklearn(groups: Groups) -> tuple[float, float]:
    truth = np.repeat([1, 0], len(groups.wanted))
    place = np.tile(np.arange(len(groups.wanted)), 2)
    weight = np.concatenate([groups.wanted, groups.others])
    return (
        float(roc_auc_score(truth, place, sample_weight=weight)),
        float(average_precision_score(truth, place, sample_weight=weight)),
    )


def _binned(groups: Groups) -> Groups:
    """Neighbours together until a thousand groups have the same number of wanted rows."""
    if len(groups.wanted) <= 2 * _MOST + 1:
        return groups
    up_to = np.cumsum(groups.wanted)
    place = (up_to - groups.wanted) * _MOST // up_to[-1]
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    return Groups(np.add.reduceat(groups.wanted, starts), np.add.reduceat(groups.others, starts))


def _estimate(value: float, draws: Float[np.ndarray, "r"], of_drawn: float) -> Estimate:
    low, high = np.clip(np.quantile(draws, [0.025, 0.975]) + value - of_drawn, 0, 1).tolist()
    return Estimate(value, min(low, value), max(high, value))
