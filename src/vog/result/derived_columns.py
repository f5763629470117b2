"""Columns derived when a run is read: comparable between classes, or between scores.

Some classes are harder than others, such as dogs in ImageNet, or 4 and 9 in MNIST. Ranking raw
scores then mostly ranks classes. Standardising within a class measures instead how hard an example
is *for its class*; the paper ranks by this.

    vog@late          the raw score
    vog@late:class    (value - mean of its class) / standard deviation of its class
    vog@late:robust   (value - median of its class) / (1.4826 * MAD of its class)
    vog@late:rank     the rank among all examples, from 0 (smallest) to 1 (largest)
    vog@late:length   as for `:class`, among examples of like length; only of texts

The class is the one whose target was differentiated: the label, or with `--target predicted` the
prediction of the last checkpoint.

Missing values (null, NaN) stay missing and infinities stay infinite. Neither takes part in a mean
or a median, so that no single row can distort its class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# Bins of like length: their number, and the fewest examples in one.
_LENGTH_BINS, _LEAST_ROWS = 10, 20
Values = Float[np.ndarray, "n"]
Labels = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class ClassStatistics:
    """Centre and spread of the values of each class, by which they are standardised.

    Attributes:
        first: the number of the first class; the other classes follow consecutively.
        centre: the centre of each class.
        spread: the spread of each class; 0 if its values are equal or it has none.
    """

    first: int
    centre: Float[np.ndarray, "classes"]
    spread: Float[np.ndarray, "classes"]

    def standardize(self, values: Values, labels: Labels) -> Values:
        """Return (value - centre) / spread of its class; 0 in a class without spread."""
        floats, position = values.astype(np.float64), labels - self.first
        spread = self.spread[position]
        without_spread = np.where(np.isfinite(floats), 0.0, floats)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(spread > 0, (floats - self.centre[position]) / spread, without_spread)


def mean_and_deviation(values: Values, labels: Labels) -> ClassStatistics:
    """Return mean and standard deviation (ddof 0) of the finite values of each class."""
    first, count, code, finite = _finite_by_class(values, labels)

    def mean(summands: Float[np.ndarray, "m"]) -> Float[np.ndarray, "classes"]:
        return np.bincount(code, summands, len(count)) / np.maximum(count, 1)

    centre = mean(finite)
    centre = centre + mean(finite - centre[code])  # corrects the rounding of a long sum
    variance = mean((finite - centre[code]) ** 2)
    return ClassStatistics(first, centre, _without_rounding_noise(np.sqrt(variance), centre))


def median_and_mad(values: Values, labels: Labels) -> ClassStatistics:
    """Return median and 1.4826 MAD of the finite values of each class; see `robust_z_score`."""
    first, count, code, finite = _finite_by_class(values, labels)
    centre, spread = np.zeros(len(count)), np.zeros(len(count))
    # Integers of two bytes are sorted ten times as fast as larger ones.
    compact_code = code.astype(np.uint16) if len(count) <= 2**16 else code
    grouped = finite[np.argsort(compact_code, kind="stable")]
    for label, class_values in enumerate(np.split(grouped, np.cumsum(count)[:-1])):
        if len(class_values):
            centre[label] = _median(class_values)
            distances = np.abs(class_values - centre[label])
            mad = _median(distances)
            spread[label] = 1.4826 * mad if mad > 0 else np.sqrt(np.pi / 2) * distances.mean()
    return ClassStatistics(first, centre, _without_rounding_noise(spread, centre))


def mean_and_deviation_by_length(values: Values, lengths: Int[np.ndarray, "n"]) -> ClassStatistics:
    """Return mean and standard deviation of the examples of like length, by length."""
    first = int(lengths.min(initial=0))
    bins = length_bins(lengths)
    of_bins = mean_and_deviation(values, bins[lengths - first])
    position = bins - of_bins.first
    return ClassStatistics(first, of_bins.centre[position], of_bins.spread[position])


def length_bins(lengths: Int[np.ndarray, "n"]) -> Int[np.ndarray, "lengths"]:
    """Return the bin of each length, from the shortest to the longest; about ten bins.

    A bin holds a tenth of the examples, and at least 20: neighbouring lengths are joined until it
    does. Unknown lengths, which are -1, have a bin of their own.
    """
    first = int(lengths.min(initial=0))
    counts = np.bincount(lengths - first)
    known = counts[max(0, -first) :]
    least = max(_LEAST_ROWS, -(-int(known.sum()) // _LENGTH_BINS))
    bins, number, rows = np.zeros(len(counts), np.int64), 1, 0
    for place in range(len(counts) - len(known), len(counts)):
        if rows >= least:
            number, rows = number + 1, 0
        bins[place] = number
        rows += int(counts[place])
    if rows < _LEAST_ROWS and number > 1:  # too few are left, so the last two bins are joined
        bins[bins == number] = number - 1
    return bins


def length_z_score(values: Values, lengths: Int[np.ndarray, "n"]) -> Values:
    """Return the z-score of each value among the examples of like length."""
    return mean_and_deviation_by_length(values, lengths).standardize(values, lengths)


def class_z_score(values: Values, labels: Labels) -> Values:
    """Return the z-score of each value within its class (standard deviation with ddof 0).

    A class without spread, such as one with a single example, gives 0: typical of its class.

    Source: Agarwal et al., CVPR 2022, section 3.
    """
    return mean_and_deviation(values, labels).standardize(values, labels)


def robust_z_score(values: Values, labels: Labels) -> Values:
    """Return the z-score by median and MAD, which a few extreme examples hardly change.

    The factor 1.4826 makes the MAD of a normal distribution its standard deviation. If more than
    half of a class are equal and the MAD is 0, the mean absolute deviation replaces it, times
    1.2533 for the same reason (Iglewicz and Hoaglin, 1993).
    """
    return median_and_mad(values, labels).standardize(values, labels)


def rank(values: Values) -> Values:
    """Return the ranks: 0 for the smallest, 1 for the largest; ties share their mean rank."""
    ranks = np.full(len(values), np.nan)
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # NaN is sorted last
    ranks[order] = rank_among(values[order], values[order])
    return ranks


def rank_among(
    ordered: Float[np.ndarray, "all"], values: Float[np.ndarray, "some"]
) -> Float[np.ndarray, "some"]:
    """Return the ranks in [0, 1] of some of the values in a sorted array."""
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    return (below + up_to - 1) / 2 / max(1, len(ordered) - 1)


# Derived from lengths, in runs that have a column of them; the rest from classes.
BY_LENGTH = "length"
DERIVED: dict[str, Callable[[Values, Labels], Values]] = {
    "class": class_z_score,
    "robust": robust_z_score,
    "rank": lambda values, labels: rank(values),
}
# With these statistics, a few rows can be derived without reading the rest.
CLASS_STATISTICS: dict[str, Callable[[Values, Labels], ClassStatistics]] = {
    "class": mean_and_deviation,
    "robust": median_and_mad,
    BY_LENGTH: mean_and_deviation_by_length,
}


def _finite_by_class(
    values: Values, labels: Labels
) -> tuple[int, Int[np.ndarray, "classes"], Int[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Return the first class, the size of each class, and class and value of the finite rows."""
    first = int(labels.min(initial=0))
    is_finite = np.isfinite(values)
    code, classes = labels[is_finite] - first, int(labels.max(initial=0)) - first + 1
    count = np.bincount(code, minlength=classes)
    return first, count, code, values[is_finite].astype(np.float64)


def _median(values: Float[np.ndarray, "m"]) -> float:
    """Return the median, as `numpy.median`, whose overhead dominates for a thousand classes."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    partitioned = np.partition(values, (low, high))
    return float((partitioned[low] + partitioned[high]) / 2)


def _without_rounding_noise(
    spread: Float[np.ndarray, "classes"], centre: Float[np.ndarray, "classes"]
) -> Float[np.ndarray, "classes"]:
    """Return spreads with rounding errors set to 0, such as the 1e-17 of 0.1, 0.1, 0.1."""
    return np.where(spread > 8 * np.finfo(float).eps * np.abs(centre), spread, 0.0)
