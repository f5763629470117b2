"""Columns derived when a result is read: comparable between classes, or between scores.

Some classes are harder as a whole: dogs in ImageNet, 4 and 9 in MNIST. Ranking raw
scores then ranks classes. Standardising within a class asks instead how hard an example
is *for its class*; the paper ranks by this.

    vog@late          the raw score
    vog@late:class    (value - mean of its class) / standard deviation of its class
    vog@late:robust   (value - median of its class) / (1.4826 * MAD of its class)
    vog@late:rank     the place among all examples, from 0 (smallest) to 1 (largest)

The class is the one whose target was differentiated: the label, or with `--target predicted` what
the last checkpoint predicts.

Missing values (null, NaN) stay missing and infinities stay infinite; neither takes part
in a mean, so no single row can poison its class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Values = Float[np.ndarray, "n"]
Labels = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class ClassStatistics:
    """What the values of each class are compared with.

    Attributes:
        first: the number of the first class; the others follow it one by one.
        centre: of each class.
        spread: of each class, 0 where its values are equal or there are none.
    """

    first: int
    centre: Float[np.ndarray, "classes"]
    spread: Float[np.ndarray, "classes"]

    def standardize(self, values: Values, labels: Labels) -> Values:
        """(value - centre) / spread of its class; 0 in a class without spread."""
        floats, position = values.astype(np.float64), labels - self.first
        spread = self.spread[position]
        without_spread = np.where(np.isfinite(floats), 0.0, floats)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(spread > 0, (floats - self.centre[position]) / spread, without_spread)


def mean_and_deviation(values: Values, labels: Labels) -> ClassStatistics:
    """Mean and standard deviation (ddof 0) of the finite values of each class."""
    first, count, code, finite = _finite_by_class(values, labels)

    def mean(summands: Float[np.ndarray, "m"]) -> Float[np.ndarray, "classes"]:
        return np.bincount(code, summands, len(count)) / np.maximum(count, 1)

    centre = mean(finite)
    centre = centre + mean(finite - centre[code])  # a sum of a million values is not exact
    variance = mean((finite - centre[code]) ** 2)
    return ClassStatistics(first, centre, _without_rounding_noise(np.sqrt(variance), centre))


def median_and_mad(values: Values, labels: Labels) -> ClassStatistics:
    """Median and 1.4826 MAD of the finite values of each class; see `robust`."""
    first, count, code, finite = _finite_by_class(values, labels)
    centre, spread = np.zeros(len(count)), np.zeros(len(count))
    # Numbers of two bytes are sorted ten times as fast as others.
    compact_code = code.astype(np.uint16) if len(count) <= 2**16 else code
    grouped = finite[np.argsort(compact_code, kind="stable")]
    for label, class_values in enumerate(np.split(grouped, np.cumsum(count)[:-1])):
        if len(class_values):
            centre[label] = _median(class_values)
            distances = np.abs(class_values - centre[label])
            mad = _median(distances)
            spread[label] = 1.4826 * mad if mad > 0 else np.sqrt(np.pi / 2) * distances.mean()
    return ClassStatistics(first, centre, _without_rounding_noise(spread, centre))


def class_z_score(values: Values, labels: Labels) -> Values:
    """Standard deviations (ddof 0) above the mean of the class.

    A class without spread, as one with a single example, gives 0: typical of its class.

    Source: Agarwal et al., CVPR 2022, section 3.
    """
    return mean_and_deviation(values, labels).standardize(values, labels)


def robust_z_score(values: Values, labels: Labels) -> Values:
    """The same by median and MAD, which a few extreme examples of a class cannot move.

    1.4826 makes the MAD of a normal distribution its standard deviation. Where more than
    half of a class are equal and the MAD is 0, the mean absolute deviation stands in,
    times 1.2533 for the same reason (Iglewicz and Hoaglin, 1993).
    """
    return median_and_mad(values, labels).standardize(values, labels)


def rank(values: Values) -> Values:
    """0 for the smallest of all examples, 1 for the largest; equal values share their mean rank."""
    ranks = np.full(len(values), np.nan)
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # NaN comes last
    ranks[order] = rank_among(values[order], values[order])
    return ranks


def rank_among(
    ordered: Float[np.ndarray, "all"], values: Float[np.ndarray, "some"]
) -> Float[np.ndarray, "some"]:
    """The ranks in [0, 1] of some values that are among all of them, which are in order."""
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    return (below + up_to - 1) / 2 / max(1, len(ordered) - 1)


DERIVED: dict[str, Callable[[Values, Labels], Values]] = {
    "class": class_z_score,
    "robust": robust_z_score,
    "rank": lambda values, labels: rank(values),
}
# What `class` and `robust` compare with, so that a few rows can be derived without all others.
CLASS_STATISTICS: dict[str, Callable[[Values, Labels], ClassStatistics]] = {
    "class": mean_and_deviation,
    "robust": median_and_mad,
}


def _finite_by_class(
    values: Values, labels: Labels
) -> tuple[int, Int[np.ndarray, "classes"], Int[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """The number of the first class, the size of each, and class and value of the finite rows."""
    first = int(labels.min(initial=0))
    is_finite = np.isfinite(values)
    code, classes = labels[is_finite] - first, int(labels.max(initial=0)) - first + 1
    count = np.bincount(code, minlength=classes)
    return first, count, code, values[is_finite].astype(np.float64)


def _median(values: Float[np.ndarray, "m"]) -> float:
    """As `numpy.median`, which for a thousand classes spends most of its time on other things."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    partitioned = np.partition(values, (low, high))
    return float((partitioned[low] + partitioned[high]) / 2)


def _without_rounding_noise(
    spread: Float[np.ndarray, "classes"], centre: Float[np.ndarray, "classes"]
) -> Float[np.ndarray, "classes"]:
    """0.1, 0.1, 0.1 has a "spread" of 1e-17: rounding, which must not become a z-score."""
    return np.where(spread > 8 * np.finfo(float).eps * np.abs(centre), spread, 0.0)
