"""Right and wrong labels as two populations of margins, told apart without knowing any of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.mixture import GaussianMixture

_MOST = 7  # normal distributions: one or two of wrong labels, the others of right ones
_FITTED = 20_000  # more margins would take minutes and move nothing
_BELOW = 1 / 3  # of the median margin


@dataclass(frozen=True)
class Populations:
    """A mixture of normal distributions of the margins, with the least BIC.

    Attributes:
        wrong: by distribution, whether it is taken for one of wrong labels.
    """

    fitted: GaussianMixture
    wrong: Bool[np.ndarray, "k"]

    def probability(self, margins: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """That the label is wrong; it falls with the margin, as the widths are the same."""
        if not len(margins):
            return np.empty(0)
        own = self.fitted.predict_proba(margins[:, None])[:, self.wrong].sum(axis=1)
        return np.clip(own, 0.0, 1.0)


def populations(margins: Float[np.ndarray, "n"]) -> Populations:
    """One to seven normal distributions of one width; as many as the BIC asks for.

    Right labels need several, since hard examples make a tail to the left. Of one width, because
    a wide one would else take that tail together with the wrong labels.

    Of wrong labels are those whose mean is below 0 by a third of the median margin, so that in the
    mean over training the model puts another class above the label, and which lie to the left of
    the widest gap between such a mean and the next: what is near 0 is hard, and not wrong.

    Args:
        margins: finite, at least two different ones, with a median above 0; as AUM, negative where
            another class is above the label.

    Source: Arazo et al., ICML 2019, model the losses of right and wrong labels as a mixture; that
    the margin of wrong labels is below 0 is of Pleiss et al., NeurIPS 2020. Width, gap and third
    were chosen on digits and MNIST: docs/which-score.md.
    """
    drawn = np.random.default_rng(0).permutation(len(margins))[:_FITTED]
    some = np.sort(margins[drawn])  # the fit must not hang on the order
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
    return Populations(best, _wrong(means, float(np.median(margins))))


def _wrong(means: Float[np.ndarray, "k"], median: float) -> Bool[np.ndarray, "k"]:
    """Which distributions are of wrong labels."""
    low = means < -_BELOW * median
    if not low.any() or low.all():
        return low & ~low.all()
    ordered = np.sort(means)
    gaps = np.diff(ordered)[: int(low.sum())]
    return means <= ordered[int(gaps.argmax())]
