"""How many labels are wrong besides those that were planted, if they look like planted ones.

Every row is placed among the planted: at 0 it looks less wrong than all of them, at 1 more than
all. Planted flips lie evenly from 0 to 1, and so do errors of one's own that are of their kind.
Right labels crowd near 0 and thin out. So what lies evenly among the rows that were not planted is
counted as wrong, and what thins out as right.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FIT_FROM = 0.3  # places below it are not looked at: right labels crowd there
_RATES = np.linspace(0.5, 30, 60)  # how fast right labels may thin out, a unit of place
_EM_ROUNDS = 60  # of EM
_MARGIN = 1.0  # standard errors that are taken off
_MIN_ROWS = 10  # rows beyond `_FROM`: of fewer nothing is told
_MAX_SHARE = (
    1 / 3
)  # of the rows: where more lie beyond `_FROM`, planted flips are not told from others


@dataclass(frozen=True)
class OwnErrors:
    """What the places of the rows that were not planted tell, in the order of these rows.

    Attributes:
        even: how many rows lie evenly on the places from 0 to 1, one standard error careful.
        rate: how fast the others thin out, a unit of place.
        crowd: how many others there would be at place 0, a unit of place.
    """

    wrong_count: float
    decay_rate: float
    right_density: float

    def probability(self, quantile: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """That a row at this place is wrong, in [0, 1]."""
        right_density = self.right_density * np.exp(-self.decay_rate * quantile)
        return self.wrong_count / np.maximum(self.wrong_count + right_density, np.finfo(float).tiny)

    def right_share(self, quantile: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The share of right labels that is expected from each place on, as far as it is known.

        From the rows that there are, so that it does not rest on the shape of the right ones.
        """
        at_or_above = len(quantile) - np.searchsorted(np.sort(quantile), quantile)
        return 1 - np.minimum(self.wrong_count * (1 - quantile) / np.maximum(at_or_above, 1), 1.0)

    def count_suspects(self, quantile: Float[np.ndarray, "n"], fdr: float) -> tuple[int, float]:
        """How many rows, the farthest first, are taken, and the share of right ones among them."""
        ranked = np.sort(quantile)[::-1]
        share = self.right_share(ranked)
        cuts = np.flatnonzero((share <= fdr) & (np.arange(1, len(ranked) + 1) >= _MIN_ROWS))
        cuts = cuts[ranked[cuts] >= _FIT_FROM] if len(cuts) else cuts
        return (0, np.nan) if not len(cuts) else (int(cuts[-1]) + 1, float(share[cuts[-1]]))


NO_ESTIMATE = OwnErrors(0.0, 0.0, 0.0)  # where nothing can be told


def quantiles_among_planted(
    wrongness: Float[np.ndarray, "n"], planted: Float[np.ndarray, "flips"]
) -> Float[np.ndarray, "n"]:
    """The share of the planted that look less wrong than each row, in [0, 1]."""
    less_wrong = np.searchsorted(np.sort(planted), wrongness, side="left")
    return less_wrong / len(planted)


def fit_own_errors(quantile: Float[np.ndarray, "n"]) -> OwnErrors:
    """What lies evenly among the places of rows that were not planted, by EM.

    Source: a mixture of a known and a decreasing part, as p-values are read (Storey, JRSS B 64,
    2002), and as the share of positives in unlabelled data is bounded (Elkan and Noto, KDD 2008),
    whose bound is not met where right labels look wrong. Where to begin and how careful to be was
    chosen on half of the data: docs/which-score.md.
    """
    rescaled = (quantile[quantile >= _FIT_FROM] - _FIT_FROM) / (1 - _FIT_FROM)
    if not _MIN_ROWS <= len(rescaled) <= _MAX_SHARE * len(quantile):
        return NO_ESTIMATE
    fits = [_fit_uniform_share(rescaled, rate) for rate in _RATES]
    best = int(np.argmax([likelihood for likelihood, _ in fits]))
    rate, share = float(_RATES[best]), fits[best][1]
    density = _density(rescaled, rate)
    information = (((1 - density) / (share + (1 - share) * density)) ** 2).sum()
    lower = max(0.0, share - _MARGIN / np.sqrt(information + 1e-9))
    width = 1 - _FIT_FROM
    start = len(rescaled) / width * (1 - lower) * float(_density(np.zeros(1), rate)[0])
    decay = rate / width
    return OwnErrors(lower * len(rescaled) / width, decay, start * float(np.exp(decay * _FIT_FROM)))


def _density(rescaled: Float[np.ndarray, "m"], rate: float) -> Float[np.ndarray, "m"]:
    """The density on 0 to 1 of what thins out at this rate."""
    return rate * np.exp(-rate * rescaled) / -np.expm1(-rate)


def _fit_uniform_share(rescaled: Float[np.ndarray, "m"], rate: float) -> tuple[float, float]:
    """The log-likelihood, and the share of what lies evenly, at a rate of the rest."""
    density, share = _density(rescaled, rate), 0.3
    for _ in range(_EM_ROUNDS):
        share = float((share / (share + (1 - share) * density)).mean())
    return float(np.log(share + (1 - share) * density).sum()), share
