"""Wrong labels as those that are doubted more than the tail of the right ones foretells.

Doubt is one minus the mean probability of the label over training. Hard examples with right
labels make a tail that falls with doubt: how fast is seen where the label is still the likely one,
and what is left of the tail beyond is told from there. Only what exceeds it can be wrong labels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import root_scalar
from sklearn.isotonic import IsotonicRegression

TAIL_FROM, SUSPECT_FROM, _HIGHEST = (
    0.3,
    0.6,
    1.0,
)  # doubt: from where the tail is seen, to where; and the most
_MIN_PROBABILITY = 0.5  # probability of being wrong that each suspect has
_TAIL_ERRORS, _EXCESS_ERRORS = (
    1.0,
    2.0,
)  # standard errors: of tail and rate; of what exceeds the tail


@dataclass(frozen=True)
class DoubtTail:
    """An exponential tail of the doubts of right labels, by one standard error on the long side.

    Attributes:
        count: how many doubts are in the part that is seen, and one standard error more.
        rate: how fast they fall there, a unit of doubt, and one standard error slower; 0 where they
            do not fall.
    """

    count: float
    rate: float

    def expected_count(self, doubt: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """How many right labels are doubted at least so much; for doubts from 0.6 on."""
        if self.rate == 0:
            return self.count * (_HIGHEST - doubt) / (SUSPECT_FROM - TAIL_FROM)
        mass = -np.exp(-self.rate * (doubt - TAIL_FROM)) * np.expm1(-self.rate * (_HIGHEST - doubt))
        return self.count * mass / -np.expm1(-self.rate * (SUSPECT_FROM - TAIL_FROM))


@dataclass(frozen=True)
class Excess:
    """What is doubted more than the tail foretells, from the most doubted on.

    Attributes:
        probability: that each label is wrong, in [0, 1], falling; of all that are doubted by 0.6.
        right: how many right ones are expected among the first one, two, three, ...
    """

    probability: Float[np.ndarray, "m"]
    expected_right: Float[np.ndarray, "m"]

    def count_suspects(self, fdr: float) -> int:
        """How many of the first are taken so that the share of right ones is at most this.

        Each of them is more probably wrong than right. None are taken where what exceeds the tail
        is within two standard errors of nothing.
        """
        counts = np.arange(1, len(self.expected_right) + 1)
        clear = counts > self.expected_right + _EXCESS_ERRORS * np.sqrt(self.expected_right + 1)
        likely = self.probability >= _MIN_PROBABILITY
        cuts = np.flatnonzero((self.expected_right <= fdr * counts) & clear & likely)
        return int(counts[cuts[-1]]) if len(cuts) else 0


def fit_tail(doubt: Float[np.ndarray, "n"]) -> DoubtTail:
    """The tail of right labels, by what is seen of it between doubts of 0.3 and 0.6.

    Args:
        doubt: of the labels that can be judged, in [0, 1].

    Source: beyond a high threshold a distribution's tail is near an exponential one, or falls
    faster where it ends (Pickands, Annals of Statistics 3, 1975); what exceeds a fitted null is
    counted as in the empirical Bayes analysis of Efron (JASA 99, 2004). The two doubts were chosen
    on digits and CIFAR-10N: docs/which-score.md.
    """
    offsets = doubt[(doubt >= TAIL_FROM) & (doubt < SUSPECT_FROM)] - TAIL_FROM
    count = len(offsets)
    rate = _rate_from_mean(float(offsets.mean())) if count else 0.0
    slower = max(0.0, rate - _TAIL_ERRORS * _rate_error(rate) / np.sqrt(count)) if count else 0.0
    return DoubtTail(count + _TAIL_ERRORS * float(np.sqrt(count + 1)), slower)


def excess_over_tail(doubt: Float[np.ndarray, "n"]) -> Excess:
    """What of these doubts, of labels that can be judged, exceeds the tail of right ones."""
    doubts = np.sort(doubt[doubt >= SUSPECT_FROM])[::-1]
    expected_right = fit_tail(doubt).expected_count(doubts)
    if not len(doubts):
        return Excess(doubts, doubts)
    # The share of right ones at each place, which must not fall while doubt does.
    right_share = IsotonicRegression(y_min=0, y_max=1).fit_transform(
        np.arange(len(doubts)), np.diff(expected_right, prepend=0)
    )
    return Excess(1 - np.asarray(right_share), expected_right)


def _rate_from_mean(mean: float) -> float:
    """The rate at which an exponential on 0 to 0.3 has this mean; 0 where it does not fall."""
    width = SUSPECT_FROM - TAIL_FROM
    if mean >= width / 2 - 1e-9:
        return 0.0

    def gap(rate: float) -> float:
        return 1 / rate - width / np.expm1(rate * width) - mean

    steepest = 500 / width
    return float(root_scalar(gap, bracket=(1e-6, steepest)).root) if gap(steepest) < 0 else steepest


def _rate_error(rate: float) -> float:
    """The standard error of the rate, of one doubt."""
    width = SUSPECT_FROM - TAIL_FROM
    half = rate * width / 2
    information = width**2 / 12 if half < 1e-3 else 1 / rate**2 - (width / 2 / np.sinh(half)) ** 2
    return float(1 / np.sqrt(information))
