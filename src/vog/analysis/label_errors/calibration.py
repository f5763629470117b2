"""How probable it is that a label is wrong, learned from errors that were planted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_FOLDS = 5
MIN_PLANTED = 2 * _FOLDS  # planted flips: fewer say nothing about probabilities


@dataclass(frozen=True)
class CrossFit:
    """A probability for each example, from a model that had not seen the example.

    Attributes:
        probability: that the label is wrong, in [0, 1].
        log_loss: mean of -log of the probability of what is so, in nats.
        error: standard error of that mean over the folds.
    """

    probability: Float[np.ndarray, "n"]
    log_loss: float
    standard_error: float


def calibrate(values: Float[np.ndarray, "scores n"], planted: Bool[np.ndarray, "n"]) -> CrossFit:
    """Logistic regression of what was planted on the scores, cross-fitted in five folds.

    The values of the scores and not their ranks: between wrong labels and right ones there is a
    gap that ranks do not show. They are brought to mean 0 and deviation 1, so that the penalty,
    which keeps weights finite where nothing overlaps, is the same for all.

    Args:
        values: of each score, finite.
        planted: which labels were flipped, at least `LEAST` and as many others.
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
