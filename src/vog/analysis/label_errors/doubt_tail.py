"""Wrong labels, counted as the excess over the tail that right labels have at high doubt.

Doubt is one minus the mean probability of the label over training. The doubts of hard examples with
right labels have a falling tail. An exponential is fitted where the label is still likely (doubt
0.3 to 0.6) and extrapolated to higher doubts. Labels in excess of that are counted as wrong.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import root_scalar
from sklearn.isotonic import IsotonicRegression

TAIL_FROM, SUSPECT_FROM, _HIGHEST = 0.3, 0.6, 1.0  # doubts; the first two bound the fit
_MIN_PROBABILITY = 0.5  # that the label of a suspect is wrong
_TAIL_ERRORS, _EXCESS_ERRORS = 1.0, 2.0  # safety margins in standard errors


@dataclass(frozen=True)
class DoubtTail:
    """An exponential tail of the doubts of right labels, cautious by one standard error.

    Attributes:
        count: number of doubts in the fitted range, plus one standard error.
        rate: decay per unit of doubt, minus one standard error; 0 where the doubts do not fall.
    """

    count: float
    rate: float

    def expected_count(self, doubt: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return the expected number of right labels with at least each doubt, from 0.6 on."""
        if self.rate == 0:
            return self.count * (_HIGHEST - doubt) / (SUSPECT_FROM - TAIL_FROM)
        mass = -np.exp(-self.rate * (doubt - TAIL_FROM)) * np.expm1(-self.rate * (_HIGHEST - doubt))
        return self.count * mass / -np.expm1(-self.rate * (SUSPECT_FROM - TAIL_FROM))


@dataclass(frozen=True)
class Excess:
    """The labels with doubts from 0.6 on, compared with the tail; the highest doubt first.

    Attributes:
        probability: that each label is wrong, in [0, 1], never rising.
        expected_right: the expected number of right labels among the first 1, 2, 3, ... rows.
    """

    probability: Float[np.ndarray, "m"]
    expected_right: Float[np.ndarray, "m"]

    def count_suspects(self, fdr: float) -> int:
        """Return how many of the first rows are suspects, with `fdr` as the limit of right labels.

        Each of them has a probability of at least 0.5. The count is 0 where the excess is within
        two standard errors of zero.
        """
        counts = np.arange(1, len(self.expected_right) + 1)
        clear = counts > self.expected_right + _EXCESS_ERRORS * np.sqrt(self.expected_right + 1)
        likely = self.probability >= _MIN_PROBABILITY
        cuts = np.flatnonzero((self.expected_right <= fdr * counts) & clear & likely)
        return int(counts[cuts[-1]]) if len(cuts) else 0


def fit_tail(doubt: Float[np.ndarray, "n"]) -> DoubtTail:
    """Return the tail of right labels, fitted to the doubts between 0.3 and 0.6.

    Args:
        doubt: of the labels that can be judged, in [0, 1].

    Source: above a high threshold a distribution's tail is nearly exponential, or falls faster
    where it ends (Pickands, Annals of Statistics 3, 1975); the excess over a fitted null is counted
    as in the empirical Bayes analysis of Efron (JASA 99, 2004). The limits 0.3 and 0.6 were chosen
    on digits and CIFAR-10N: docs/which-score.md.
    """
    offsets = doubt[(doubt >= TAIL_FROM) & (doubt < SUSPECT_FROM)] - TAIL_FROM
    count = len(offsets)
    rate = _rate_from_mean(float(offsets.mean())) if count else 0.0
    slower = max(0.0, rate - _TAIL_ERRORS * _rate_error(rate) / np.sqrt(count)) if count else 0.0
    return DoubtTail(count + _TAIL_ERRORS * float(np.sqrt(count + 1)), slower)


def excess_over_tail(doubt: Float[np.ndarray, "n"]) -> Excess:
    """Compare the doubts of the labels that can be judged with the tail of right labels."""
    doubts = np.sort(doubt[doubt >= SUSPECT_FROM])[::-1]
    expected_right = fit_tail(doubt).expected_count(doubts)
    if not len(doubts):
        return Excess(doubts, doubts)
    # Isotonic: the share of right labels must not fall while doubt falls.
    right_share = IsotonicRegression(y_min=0, y_max=1).fit_transform(
        np.arange(len(doubts)), np.diff(expected_right, prepend=0)
    )
    return Excess(1 - np.asarray(right_share), expected_right)


def _rate_from_mean(mean: float) -> float:
    """Return the rate of an exponential on [0, 0.3] with this mean; 0 where it does not fall."""
    width = SUSPECT_FROM - TAIL_FROM
    if mean >= width / 2 - 1e-9:
        return 0.0

    def gap(rate: float) -> float:
        return 1 / rate - width / np.expm1(rate * width) - mean

    steepest = 500 / width
    return float(root_scalar(gap, bracket=(1e-6, steepest)).root) if gap(steepest) < 0 else steepest


def _rate_error(rate: float) -> float:
    """Return the standard error of the rate for a single doubt, by Fisher information."""
    width = SUSPECT_FROM - TAIL_FROM
    half = rate * width / 2
    information = width**2 / 12 if half < 1e-3 else 1 / rate**2 - (width / 2 / np.sinh(half)) ** 2
    return float(1 / np.sqrt(information))
