"""Measures of how well values separate two groups of rows, with intervals and a chance test."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import root_scalar
from scipy.stats import norm, rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

_MAX_GROUPS = 1000  # groups of positive rows in a bootstrap draw, which then takes milliseconds
_Z = float(norm.ppf(0.975))
_FEW_ROWS, _DRAWS = 20, 1999  # up to 20 rows of a group: permutations; else normal


@dataclass(frozen=True)
class Estimate:
    """A number in [0, 1] with its 95 % interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Separation:
    """Measures of how well high values separate the positive rows from the negative ones.

    Attributes:
        auroc: probability that a positive row has the higher value, ties counted half; 0.5 is
            chance.
        ap: average precision; the share of positive rows is chance.
        precision: the share of positive rows among the P highest rows, with P the number of
            positive rows; its expectation over the order of ties. Chance as for `ap`.
        p_value: two-sided p-value of the AUROC under random permutation of the values; NaN where
            it is undefined.
    """

    auroc: Estimate
    ap: Estimate
    precision: Estimate
    p_value: float


@dataclass(frozen=True)
class Groups:
    """Counts of rows in groups, from the lowest values to the highest.

    Each distinct positive value is a group, and each gap between two of them is one. The exact
    values of the negative rows in a gap change none of the measures.
    """

    positive: Int[np.ndarray, "g"]
    negative: Int[np.ndarray, "g"]


def separation(
    positive: Float[np.ndarray, "p"],
    negative: Float[np.ndarray, "n"],
    resamples: int,
    rng: np.random.Generator,
) -> Separation:
    """Return the exact measures with their 95 % intervals.

    The interval of AUROC is by Newcombe's method 5, which also covers near 1, and that of precision
    by Wilson. Average precision has no such formula, so its interval is a stratified bootstrap that
    keeps the numbers of positive and negative rows. With many positive rows neighbours are merged
    into 1,000 groups, and the interval is shifted by the error of that. It is widened to contain
    the number. Where all draws are equal, as without any overlap, it is a point and too narrow.

    Source: Newcombe, Statistics in Medicine 25 (2006) 559; Wilson, JASA 22 (1927) 209.

    Args:
        positive: values without NaN; infinities are the highest or the lowest.
        negative: the same, in ascending order.
        resamples: number of bootstrap draws.
        rng: generator of the draws.
    """
    if not (len(positive) and len(negative)):
        unknown = Estimate(np.nan, np.nan, np.nan)
        return Separation(unknown, unknown, unknown, np.nan)
    groups = group_values(positive, negative)
    positive_counts, negative_counts = groups.positive[None], groups.negative[None]
    auroc, ap = _exact_auroc_and_ap(groups)
    bins = _merge_groups(groups)
    draws = (
        rng.multinomial(count.sum(), count / count.sum(), resamples)
        for count in (bins.positive, bins.negative)
    )
    binned_ap = float(average_precisions(bins.positive[None], bins.negative[None])[0])
    return Separation(
        newcombe(auroc, len(positive), len(negative)),
        _bootstrap_estimate(ap, average_precisions(*draws), binned_ap),
        wilson(float(precisions(positive_counts, negative_counts)[0]), len(positive)),
        _permutation_p_value(positive, negative, rng),
    )


def newcombe(auroc: float, positive: int, negative: int) -> Estimate:
    """Return an AUROC with its 95 % interval: all values that differ from it by at most z errors.

    The variance at each value is that of Hanley and McNeil, with the mean of the two numbers of
    rows in place of each.
    """

    def too_far(value: float) -> float:
        mean_count = (positive + negative) / 2 - 1
        factor = 1 + mean_count * ((1 - value) / (2 - value) + value / (1 + value))
        variance = value * (1 - value) * factor / (positive * negative)
        return abs(auroc - value) - _Z * variance**0.5

    edge = 1e-12  # at 0 and 1 the variance is 0, and they would look like limits

    def limit(start: float, end: float) -> float:
        return float(root_scalar(too_far, bracket=(start, end)).root)

    low = limit(edge, min(auroc, 1 - edge)) if auroc > edge else 0.0
    high = limit(max(auroc, edge), 1 - edge) if auroc < 1 - edge else 1.0
    return Estimate(auroc, min(low, auroc), max(high, auroc))


def wilson(share: float, count: int) -> Estimate:
    """Return a share of `count` rows with its 95 % interval."""
    squared = _Z**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = _Z / (1 + squared) * (share * (1 - share) / count + squared / count / 4) ** 0.5
    return Estimate(share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def _permutation_p_value(
    positive: Float[np.ndarray, "p"], negative: Float[np.ndarray, "n"], rng: np.random.Generator
) -> float:
    """Return the probability of a rank sum at least this far from its mean, by permutation."""
    ranks = rankdata(np.concatenate([positive, negative]))
    count, expected = len(positive), len(positive) * float(ranks.mean())
    deviation = abs(float(ranks[:count].sum()) - expected)
    if min(count, len(negative)) > _FEW_ROWS:
        spread = ranks.std() * np.sqrt(count * len(negative) / (len(ranks) - 1))
        return float(2 * norm.sf(deviation / spread)) if spread else 1.0
    ranks.sort()  # the draws must not depend on the order of the rows
    sums = np.array([rng.choice(ranks, count, replace=False).sum() for _ in range(_DRAWS)])
    return (1 + int((np.abs(sums - expected) >= deviation - 1e-9 * expected).sum())) / (1 + _DRAWS)


def group_values(positive: Float[np.ndarray, "p"], negative: Float[np.ndarray, "n"]) -> Groups:
    """Return the counts of rows by group; `negative` is in ascending order."""
    values, counts = np.unique(positive, return_counts=True)
    bounds = [np.searchsorted(negative, values, side) for side in ("left", "right")]
    negative_counts = np.diff(np.stack(bounds, 1).ravel(), prepend=0, append=len(negative))
    positive_counts = np.zeros_like(negative_counts)
    positive_counts[1::2] = counts
    return Groups(positive_counts, negative_counts)


# scikit-learn takes a millisecond a draw, and a run of 60 columns and four kinds has 48,000 draws.
# So these compute all draws at once: rows are draws, columns groups from the lowest to the highest.


def average_precisions(
    positive: Int[np.ndarray, "r g"], negative: Int[np.ndarray, "r g"]
) -> Float[np.ndarray, "r"]:
    """Return scikit-learn's `average_precision_score` of each row of counts."""
    hits, rows = _from_top(positive), _from_top(positive + negative)
    return (positive * hits / np.maximum(rows, 1)).sum(1) / positive.sum(1)


def precisions(
    positive: Int[np.ndarray, "r g"], negative: Int[np.ndarray, "r g"]
) -> Float[np.ndarray, "r"]:
    """Return the share of positive rows among the P highest, with ties broken at random."""
    size, count = positive + negative, positive.sum(1)
    room = count[:, None] - (_from_top(size) - size)
    return (positive * np.clip(room / np.maximum(size, 1), 0, 1)).sum(1) / count


def _from_top(counts: Int[np.ndarray, "r g"]) -> Int[np.ndarray, "r g"]:
    """Return the number of rows in each group or a higher one."""
    return np.cumsum(counts[:, ::-1], 1)[:, ::-1]


def _exact_auroc_and_ap(groups: Groups) -> tuple[float, float]:
    truth = np.repeat([1, 0], len(groups.positive))
    group = np.tile(np.arange(len(groups.positive)), 2)
    weight = np.concatenate([groups.positive, groups.negative])
    return (
        float(roc_auc_score(truth, group, sample_weight=weight)),
        float(average_precision_score(truth, group, sample_weight=weight)),
    )


def _merge_groups(groups: Groups) -> Groups:
    """Return at most 1,000 merged groups, with nearly equal numbers of positive rows."""
    if len(groups.positive) <= 2 * _MAX_GROUPS + 1:
        return groups
    cumulative = np.cumsum(groups.positive)
    bin_number = (cumulative - groups.positive) * _MAX_GROUPS // cumulative[-1]
    edges = np.flatnonzero(np.diff(bin_number, prepend=-1))
    return Groups(np.add.reduceat(groups.positive, edges), np.add.reduceat(groups.negative, edges))


def _bootstrap_estimate(value: float, draws: Float[np.ndarray, "r"], binned: float) -> Estimate:
    low, high = np.clip(np.quantile(draws, [0.025, 0.975]) + value - binned, 0, 1).tolist()
    return Estimate(value, min(low, value), max(high, value))
