"""Whether two rankings of the same examples agree."""

import numpy as np
from jaxtyping import Shaped
from scipy.stats import rankdata


def spearman(one: Shaped[np.ndarray, "n"], other: Shaped[np.ndarray, "n"]) -> float:
    """Spearman's rank correlation in [-1, 1], over the examples that both have a value for.

    Equal values share their mean rank; infinities are the largest or smallest. NaN where one of
    them is constant or fewer than two examples are left.

    Source: Spearman, 1904: Pearson's correlation of the ranks.
    """
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < 2:
        return float("nan")
    a, b = rankdata(one[known]), rankdata(other[known])
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
