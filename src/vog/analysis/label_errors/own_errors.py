"""The number of wrong labels besides the planted ones, if they look like planted ones.

Each row has a quantile among the planted flips: at 0 it looks less wrong than all of them, at 1
more than all. Planted flips are uniform on [0, 1], and so are the dataset's own errors if they are
of the same kind. Right labels are dense near 0, with an exponential decay. So a mixture is fitted
to the rows that were not planted: its uniform part is wrong labels, its decaying part right ones.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FIT_FROM = 0.3  # quantiles below are ignored: right labels are dense there
_RATES = np.linspace(0.5, 30, 60)  # decay rates that are tried
_EM_ROUNDS = 60
_MARGIN = 1.0  # standard errors subtracted from the number of wrong labels
_MIN_ROWS = 10  # above `_FIT_FROM`; no estimate from fewer
_MAX_SHARE = 1 / 3  # of rows above `_FIT_FROM`; with more, planted flips look like all others


@dataclass(frozen=True)
class OwnErrors:
    """A mixture fitted to the quantiles of the rows that were not planted.

    Attributes:
        wrong_count: number of rows in the uniform part, minus one standard error.
        decay_rate: of the right labels, per unit of quantile.
        right_density: of the right labels at quantile 0, in rows per unit of quantile.
    """

    wrong_count: float
    decay_rate: float
    right_density: float

    def probability(self, quantile: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return the probability that a row with this quantile is wrong."""
        right_density = self.right_density * np.exp(-self.decay_rate * quantile)
        return self.wrong_count / np.maximum(self.wrong_count + right_density, np.finfo(float).tiny)

    def right_share(self, quantile: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """Return the expected share of right labels from each quantile upwards.

        It counts the actual rows, so it does not depend on the shape of the decay.
        """
        at_or_above = len(quantile) - np.searchsorted(np.sort(quantile), quantile)
        return 1 - np.minimum(self.wrong_count * (1 - quantile) / np.maximum(at_or_above, 1), 1.0)

    def count_suspects(self, quantile: Float[np.ndarray, "n"], fdr: float) -> tuple[int, float]:
        """Return the number of suspects, highest quantile first, and their share of right ones."""
        ranked = np.sort(quantile)[::-1]
        share = self.right_share(ranked)
        cuts = np.flatnonzero((share <= fdr) & (np.arange(1, len(ranked) + 1) >= _MIN_ROWS))
        cuts = cuts[ranked[cuts] >= _FIT_FROM] if len(cuts) else cuts
        return (0, np.nan) if not len(cuts) else (int(cuts[-1]) + 1, float(share[cuts[-1]]))


NO_ESTIMATE = OwnErrors(0.0, 0.0, 0.0)  # no row is taken for wrong


def quantiles_among_planted(
    wrongness: Float[np.ndarray, "n"], planted: Float[np.ndarray, "flips"]
) -> Float[np.ndarray, "n"]:
    """Return the share of the planted flips that look less wrong than each row, in [0, 1]."""
    less_wrong = np.searchsorted(np.sort(planted), wrongness, side="left")
    return less_wrong / len(planted)


def fit_own_errors(quantile: Float[np.ndarray, "n"]) -> OwnErrors:
    """Return the mixture, fitted by EM to the quantiles of rows that were not planted.

    Source: a mixture of a known and a decreasing part, as for p-values (Storey, JRSS B 64, 2002)
    and for the share of positives in unlabelled data (Elkan and Noto, KDD 2008), whose bound is not
    reached where right labels look wrong. The start of the fit and the margin were chosen on half
    of the data: docs/which-score.md.
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
    """Return the density of an exponential with this rate, restricted to [0, 1]."""
    return rate * np.exp(-rate * rescaled) / -np.expm1(-rate)


def _fit_uniform_share(rescaled: Float[np.ndarray, "m"], rate: float) -> tuple[float, float]:
    """Return the log-likelihood and the share of the uniform part, at this decay rate."""
    density, share = _density(rescaled, rate), 0.3
    for _ in range(_EM_ROUNDS):
        share = float((share / (share + (1 - share) * density)).mean())
    return float(np.log(share + (1 - share) * density).sum()), share
