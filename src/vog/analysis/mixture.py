"""Right and wrong labels as two populations of margins, told apart without knowing any of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.mixture import GaussianMixture

_MOST = 7  # normal distributions: one or two of wrong labels, the others of right ones
_FITTED = 20_000  # more margins would take minutes and move nothing
_BELOW = 1 / 3  # of the median margin
_LOWEST = -3  # times the median margin: what is further down is no more wrong
_FEW = 2  # so many far from all others are no group


@dataclass(frozen=True)
class Populations:
    """A mixture of normal distributions of the margins, with the least BIC.

    Attributes:
        wrong: by distribution, whether it is taken for one of wrong labels.
        limits: margins beyond these count as these.
    """

    fitted: GaussianMixture
    wrong: Bool[np.ndarray, "k"]
    limits: tuple[float, float]

    def probability(self, margins: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """That the label is wrong; it falls with the margin, as the widths are the same."""
        if not len(margins):
            return np.empty(0)
        within = margins.clip(*self.limits)[:, None]
        own = self.fitted.predict_proba(within)[:, self.wrong].sum(axis=1)
        return np.clip(own, 0.0, 1.0)


def populations(margins: Float[np.ndarray, "n"]) -> Populations:
    """One to seven normal distributions of one width; as many as the BIC asks for.

    Right labels need several, since hard examples make a tail to the left. Of one width, because
    a wide one would else take that tail together with the wrong labels.

    Of wrong labels are those whose mean is below 0 by a third of the median margin, so that in the
    mean over training the model puts another class above the label, and which lie to the left of
    the widest gap between such a mean and the next: what is near 0 is hard, and not wrong.

    Margins below minus three medians count as that, and the two lowest as the third: a few labels
    that are far more wrong than the others would else be a group with the widest gap beside it.

    Args:
        margins: finite, at least two different ones, with a median above 0; as AUM, negative where
            another class is above the label.

    Source: Arazo et al., ICML 2019, model the losses of right and wrong labels as a mixture; that
    the margin of wrong labels is below 0 is of Pleiss et al., NeurIPS 2020. Width, gap and third
    were chosen on digits and MNIST: docs/which-score.md.
    """
    drawn = np.random.default_rng(0).permutation(len(margins))[:_FITTED]
    median = float(np.median(margins))
    few = min(_FEW, len(margins) // 2)
    limits = max(_LOWEST * median, float(np.partition(margins, few)[few])), float(margins.max())
    some = np.sort(margins[drawn].clip(*limits))  # the fit must not hang on the order
    fits = (
        GaussianMixture(
            count,
            covariance_type="tied",
            random_state=0,
            max_iter=500,
            reg_covar=1e-4 * float(some.var()),
        ).fit(some[:, None])
        for count in range(1, min(_MOST, len(np.unique(some))) + 1)
    )
    best = min(fits, key=lambda one: one.bic(some[:, None]))
    means = np.asarray(best.means_)[:, 0]
    return Populations(best, _wrong(means, median), limits)


def _wrong(means: Float[np.ndarray, "k"], median: float) -> Bool[np.ndarray, "k"]:
    """Which distributions are of wrong labels."""
    low = means < -_BELOW * median
    if not low.any() or low.all():
        return low & ~low.all()
    ordered = np.sort(means)
    gaps = np.diff(ordered)[: int(low.sum())]
    return means <= ordered[int(gaps.argmax())]
