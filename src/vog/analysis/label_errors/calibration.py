"""The probability that a label is wrong, learned from planted errors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_FOLDS = 5
MIN_PLANTED = 2 * _FOLDS  # of each class; fewer say nothing about probabilities


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold probabilities: each example is judged by a model that was fitted without it.

    Attributes:
        probability: that the label is wrong, in [0, 1].
        log_loss: the mean over the folds, in nats.
        standard_error: of that mean, from its spread over the folds.
    """

    probability: Float[np.ndarray, "n"]
    log_loss: float
    standard_error: float


def calibrate(values: Float[np.ndarray, "scores n"], planted: Bool[np.ndarray, "n"]) -> CrossFit:
    """Return probabilities by a logistic regression of `planted` on the scores, in five folds.

    The features are values and not ranks, because ranks hide the gap between wrong and right
    labels. They are scaled to mean 0 and standard deviation 1, so that the penalty is the same for
    all scores. It keeps the weights finite where the classes do not overlap.

    Args:
        values: one row a score, finite.
        planted: True for flipped labels; at least `MIN_PLANTED` of each class.
    """
    features = values.T
    probability, losses = np.empty(len(features)), []
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    for train, held_out in folds.split(features, planted):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(features[train], planted[train])
        probability[held_out] = model.predict_proba(features[held_out])[:, 1]
        losses.append(log_loss(planted[held_out], probability[held_out], labels=[False, True]))
    standard_error = np.std(losses, ddof=1) / np.sqrt(_FOLDS)
    return CrossFit(probability, float(np.mean(losses)), float(standard_error))
