"""How many labels are wrong besides those that were planted, if they look like planted ones.

Every row is placed among the planted: at 0 it looks less wrong than all of them, at 1 more than
all. Planted flips lie evenly from 0 to 1, and so do errors of one's own that are of their kind.
Right labels crowd near 0 and thin out. So what lies evenly among the rows that were not planted is
counted as wrong, and what thins out as right.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_FROM = 0.3  # places below it are not looked at: right labels crowd there
_RATES = np.linspace(0.5, 30, 60)  # how fast right labels may thin out, a unit of place
_TURNS = 60  # of EM
_CAREFUL = 1.0  # standard errors that are taken off
_FEWEST = 10  # rows beyond `_FROM`: of fewer nothing is told
_MOST = 1 / 3  # of the rows: where more lie beyond `_FROM`, planted flips are not told from others


@dataclass(frozen=True)
class OwnErrors:
    """What the places of the rows that were not planted tell, in the order of these rows.

    Attributes:
        even: how many rows lie evenly on the places from 0 to 1, one standard error careful.
        rate: how fast the others thin out, a unit of place.
        crowd: how many others there would be at place 0, a unit of place.
    """

    even: float
    rate: float
    crowd: float

    def probability(self, place: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """That a row at this place is wrong, in [0, 1]."""
        right = self.crowd * np.exp(-self.rate * place)
        return self.even / np.maximum(self.even + right, np.finfo(float).tiny)

    def right(self, place: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """The share of right labels that is expected from each place on, as far as it is known.

        From the rows that there are, so that it does not rest on the shape of the right ones.
        """
        beyond = len(place) - np.searchsorted(np.sort(place), place)
        return 1 - np.minimum(self.even * (1 - place) / np.maximum(beyond, 1), 1.0)

    def count(self, place: Float[np.ndarray, "n"], fdr: float) -> tuple[int, float]:
        """How many rows, the farthest first, are taken, and the share of right ones among them."""
        order = np.sort(place)[::-1]
        share = self.right(order)
        kept = np.flatnonzero((share <= fdr) & (np.arange(1, len(order) + 1) >= _FEWEST))
        kept = kept[order[kept] >= _FROM] if len(kept) else kept
        return (0, np.nan) if not len(kept) else (int(kept[-1]) + 1, float(share[kept[-1]]))


NOTHING = OwnErrors(0.0, 0.0, 0.0)  # where nothing can be told


def places(
    looks_wrong: Float[np.ndarray, "n"], planted: Float[np.ndarray, "flips"]
) -> Float[np.ndarray, "n"]:
    """The share of the planted that look less wrong than each row, in [0, 1]."""
    known = np.searchsorted(np.sort(planted), looks_wrong, side="left")
    return known / len(planted)


def own_errors(place: Float[np.ndarray, "n"]) -> OwnErrors:
    """What lies evenly among the places of rows that were not planted, by EM.

    Source: a mixture of a known and a decreasing part, as p-values are read (Storey, JRSS B 64,
    2002), and as the share of positives in unlabelled data is bounded (Elkan and Noto, KDD 2008),
    whose bound is not met where right labels look wrong. Where to begin and how careful to be was
    chosen on half of the data: docs/which-score.md.
    """
    beyond = (place[place >= _FROM] - _FROM) / (1 - _FROM)
    if not _FEWEST <= len(beyond) <= _MOST * len(place):
        return NOTHING
    fits = [_fitted(beyond, rate) for rate in _RATES]
    at = int(np.argmax([likelihood for likelihood, _ in fits]))
    rate, share = float(_RATES[at]), fits[at][1]
    density = _thinning(beyond, rate)
    known = (((1 - density) / (share + (1 - share) * density)) ** 2).sum()
    careful = max(0.0, share - _CAREFUL / np.sqrt(known + 1e-9))
    width = 1 - _FROM
    crowd = len(beyond) / width * (1 - careful) * float(_thinning(np.zeros(1), rate)[0])
    rate_of_place = rate / width
    return OwnErrors(
        careful * len(beyond) / width, rate_of_place, crowd * float(np.exp(rate_of_place * _FROM))
    )


def _thinning(place: Float[np.ndarray, "m"], rate: float) -> Float[np.ndarray, "m"]:
    """The density on 0 to 1 of what thins out at this rate."""
    return rate * np.exp(-rate * place) / -np.expm1(-rate)


def _fitted(place: Float[np.ndarray, "m"], rate: float) -> tuple[float, float]:
    """The log-likelihood, and the share of what lies evenly, at a rate of the rest."""
    density, share = _thinning(place, rate), 0.3
    for _ in range(_TURNS):
        share = float((share / (share + (1 - share) * density)).mean())
    return float(np.log(share + (1 - share) * density).sum()), share
