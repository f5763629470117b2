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

SEEN, BEYOND, _END = 0.3, 0.6, 1.0  # doubt: from where the tail is seen, to where; and the most
_LIKELY = 0.5  # probability of being wrong that each suspect has
_SPREADS, _CLEARLY = 1.0, 2.0  # standard errors: of tail and rate; of what exceeds the tail


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

    def expected(self, doubt: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """How many right labels are doubted at least so much; for doubts from 0.6 on."""
        if self.rate == 0:
            return self.count * (_END - doubt) / (BEYOND - SEEN)
        left = -np.exp(-self.rate * (doubt - SEEN)) * np.expm1(-self.rate * (_END - doubt))
        return self.count * left / -np.expm1(-self.rate * (BEYOND - SEEN))


@dataclass(frozen=True)
class Excess:
    """What is doubted more than the tail foretells, from the most doubted on.

    Attributes:
        probability: that each label is wrong, in [0, 1], falling; of all that are doubted by 0.6.
        right: how many right ones are expected among the first one, two, three, ...
    """

    probability: Float[np.ndarray, "m"]
    right: Float[np.ndarray, "m"]

    def count(self, fdr: float) -> int:
        """How many of the first are taken so that the share of right ones is at most this.

        Each of them is more probably wrong than right. None are taken where what exceeds the tail
        is within two standard errors of nothing.
        """
        taken = np.arange(1, len(self.right) + 1)
        clear = taken > self.right + _CLEARLY * np.sqrt(self.right + 1)
        likely = self.probability >= _LIKELY
        kept = np.flatnonzero((self.right <= fdr * taken) & clear & likely)
        return int(taken[kept[-1]]) if len(kept) else 0


def fit_tail(doubt: Float[np.ndarray, "n"]) -> DoubtTail:
    """The tail of right labels, by what is seen of it between doubts of 0.3 and 0.6.

    Args:
        doubt: of the labels that can be judged, in [0, 1].

    Source: beyond a high threshold a distribution's tail is near an exponential one, or falls
    faster where it ends (Pickands, Annals of Statistics 3, 1975); what exceeds a fitted null is
    counted as in the empirical Bayes analysis of Efron (JASA 99, 2004). The two doubts were chosen
    on digits and CIFAR-10N: docs/which-score.md.
    """
    seen = doubt[(doubt >= SEEN) & (doubt < BEYOND)] - SEEN
    count = len(seen)
    rate = _rate(float(seen.mean())) if count else 0.0
    slower = max(0.0, rate - _SPREADS * _error(rate) / np.sqrt(count)) if count else 0.0
    return DoubtTail(count + _SPREADS * float(np.sqrt(count + 1)), slower)


def excess(doubt: Float[np.ndarray, "n"]) -> Excess:
    """What of these doubts, of labels that can be judged, exceeds the tail of right ones."""
    beyond = np.sort(doubt[doubt >= BEYOND])[::-1]
    right = fit_tail(doubt).expected(beyond)
    if not len(beyond):
        return Excess(beyond, beyond)
    # The share of right ones at each place, which must not fall while doubt does.
    share = IsotonicRegression(y_min=0, y_max=1).fit_transform(
        np.arange(len(beyond)), np.diff(right, prepend=0)
    )
    return Excess(1 - np.asarray(share), right)


def _rate(mean: float) -> float:
    """The rate at which an exponential on 0 to 0.3 has this mean; 0 where it does not fall."""
    width = BEYOND - SEEN
    if mean >= width / 2 - 1e-9:
        return 0.0

    def off(rate: float) -> float:
        return 1 / rate - width / np.expm1(rate * width) - mean

    steepest = 500 / width
    return float(root_scalar(off, bracket=(1e-6, steepest)).root) if off(steepest) < 0 else steepest


def _error(rate: float) -> float:
    """The standard error of the rate, of one doubt."""
    width = BEYOND - SEEN
    half = rate * width / 2
    of_rate = width**2 / 12 if half < 1e-3 else 1 / rate**2 - (width / 2 / np.sinh(half)) ** 2
    return float(1 / np.sqrt(of_rate))
