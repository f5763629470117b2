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

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

Values = Float[np.ndarray, "n"]
Labels = Int[np.ndarray, "n"]


def by_class(values: Values, labels: Labels) -> Values:
    """Standard deviations (ddof 0) above the mean of the class.

    A class without spread, as one with a single example, gives 0: typical of its class.

    Source: Agarwal et al., CVPR 2022, section 3.
    """
    return _within(values, labels, lambda mine: (mine.mean(), mine.std()))


def robust(values: Values, labels: Labels) -> Values:
    """The same by median and MAD, which a few extreme examples of a class cannot move.

    1.4826 makes the MAD of a normal distribution its standard deviation. Where more than
    half of a class are equal and the MAD is 0, the mean absolute deviation stands in,
    times 1.2533 for the same reason (Iglewicz and Hoaglin, 1993).
    """
    return _within(values, labels, _median_and_spread)


def rank(values: Values, labels: Labels) -> Values:
    """0 for the smallest of all examples, 1 for the largest; equal values share their mean rank."""
    del labels
    known = ~np.isnan(values)
    out = np.full(len(values), np.nan)
    count = int(known.sum())
    out[known] = (rankdata(values[known]) - 1) / max(1, count - 1)
    return out


DERIVED: dict[str, Callable[[Values, Labels], Values]] = {
    "class": by_class,
    "robust": robust,
    "rank": rank,
}


def _median_and_spread(mine: Values) -> tuple[np.floating, np.floating]:
    centre = np.median(mine)
    away = np.abs(mine - centre)
    mad = np.median(away)
    return centre, 1.4826 * mad if mad > 0 else np.sqrt(np.pi / 2) * away.mean()


def _within(
    values: Values,
    labels: Labels,
    centre_and_spread: Callable[[Values], tuple[np.floating, np.floating]],
) -> Values:
    """(value - centre) / spread of the finite values of its class; 0 in a class without spread."""
    wide = values.astype(np.float64)
    out = np.where(np.isnan(wide), np.nan, np.where(np.isinf(wide), wide, 0.0))
    finite = np.flatnonzero(np.isfinite(wide))
    grouped = finite[np.argsort(labels[finite], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[grouped], prepend=np.nan))
    for members in np.split(grouped, starts[1:]) if len(grouped) else []:
        mine = wide[members]
        centre, spread = centre_and_spread(mine)
        # 0.1, 0.1, 0.1 has a "spread" of 1e-17: rounding, which must not become a z-score.
        if spread > 8 * np.finfo(float).eps * np.abs(mine).max():
            out[members] = (mine - centre) / spread
    return out
