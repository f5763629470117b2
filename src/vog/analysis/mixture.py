"""Right and wrong labels as two populations of margins, told apart without knowing any of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.mixture import GaussianMixture

_MOST = 4  # normal distributions: one of wrong labels, and right ones with a tail
_FITTED = 100_000  # more margins would take minutes and move nothing
_FEW = 3


@dataclass(frozen=True)
class Populations:
    """A mixture of normal distributions of the margins, with the least BIC.

    Attributes:
        wrong: by distribution, whether it is taken for that of wrong labels: its mean is below 0,
            so that in the mean over training the model puts another class above the label.
    """

    fitted: GaussianMixture
    wrong: Bool[np.ndarray, "k"]

    def probability(self, margins: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        """That the label is wrong; never larger for a larger margin."""
        if not len(margins):
            return np.empty(0)
        own = self.fitted.predict_proba(margins[:, None])[:, self.wrong].sum(axis=1)
        order = np.argsort(-margins, kind="stable")
        falling = np.empty_like(own)
        # Far below all others a wide distribution of right labels would win again.
        falling[order] = np.maximum.accumulate(own[order])
        return np.clip(falling, 0.0, 1.0)


def populations(margins: Float[np.ndarray, "n"]) -> Populations:
    """One to four normal distributions; as many as the BIC asks for.

    One distribution of right labels would not do: theirs has a tail of hard examples, which is
    what a mixture of two takes for the wrong ones where these are few.

    Args:
        margins: finite, at least two different ones; as AUM, negative where another class is
            above the label.

    Source: Arazo et al., ICML 2019, model the losses of right and wrong labels as a mixture; that
    a margin below 0 is what tells them apart is of Pleiss et al., NeurIPS 2020.
    """
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(margins))[:_FITTED]  # the fit must not hang on the order
    some = np.sort(margins[drawn])
    fits = (
        GaussianMixture(
            count, random_state=0, max_iter=500, reg_covar=1e-4 * float(some.var()), **start
        ).fit(some[:, None])
        for count in range(1, min(_MOST, len(np.unique(some))) + 1)
        for start in _starts(some, count)
    )
    best = min(fits, key=lambda one: one.bic(some[:, None]))
    means = np.asarray(best.means_)[:, 0]
    return Populations(best, means < 0)


def _starts(margins: Float[np.ndarray, "n"], count: int) -> Iterator[dict[str, Any]]:
    """Where the fit begins: at clusters, and with the negative margins apart, however few.

    Args:
        margins: in order.
        count: of distributions.
    """
    yield {}
    below, above = margins[margins < 0], margins[margins >= 0]
    if count == 1 or len(below) < _FEW or len(above) < _FEW * (count - 1):
        return
    groups = [below, *np.array_split(above, count - 1)]
    least = 1e-3 * margins.var()
    yield {
        "means_init": np.array([[one.mean()] for one in groups]),
        "weights_init": np.array([len(one) / len(margins) for one in groups]),
        "precisions_init": np.array([[[1 / max(one.var(), least)]] for one in groups]),
    }
