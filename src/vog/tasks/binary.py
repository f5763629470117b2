"""Binary classification with one logit: the label 1 has the probability sigmoid(logit)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from vog.errors import ModelError
from vog.observation import Observation, Outcome
from vog.tasks.classification import CLASSIFICATION
from vog.tasks.protocol import Task
from vog.tasks.targets import Target


def signed_logit(
    values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
) -> Float[Tensor, "n"]:
    """Return the logit z for the label 1 and -z for 0."""
    return values.reshape(len(values)) * (2 * labels - 1)


def label_probability(
    values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
) -> Float[Tensor, "n"]:
    """Return the probability of the label."""
    return signed_logit(values, labels).sigmoid()


def cross_entropy(
    values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
) -> Float[Tensor, "n"]:
    """Return the binary cross-entropy of each example, in nats."""
    logits = values.reshape(len(values))
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")


def refuse_probabilities(values: Float[Tensor, "n *outputs"], task: str) -> None:
    """Raise ModelError if outputs are probabilities: different values, each of them in [0, 1]."""
    if len(values.unique()) > 1 and bool(((values >= 0) & (values <= 1)).all()):
        raise ModelError(
            f"the model returns values in [0, 1] alone, as a sigmoid does; expected logits of the "
            f"task {task}, before the sigmoid: the gradient of another quantity is a different "
            f"score. Return what goes into the sigmoid."
        )


_TARGETS = {
    target.name: target
    for target in (
        Target("logit", signed_logit),
        Target("probability", label_probability),
        Target("loss", cross_entropy),
        Target("predicted", signed_logit, at_prediction=True),
    )
}


@dataclass(frozen=True)
class Binary(Task):
    """The task of a model with one logit z, trained with the binary cross-entropy.

    Outcomes are those of two classes with the logits 0 and z. The logit of the label 1 is z; that
    of the label 0 is -z, so that a larger one always speaks for the label.
    """

    @property
    def name(self) -> str:
        """The name."""
        return "binary"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """Those of classification."""
        return CLASSIFICATION.outcomes

    @property
    def loss(self) -> Target:
        """The binary cross-entropy in nats."""
        return _TARGETS["loss"]

    @property
    def targets(self) -> Mapping[str, Target]:
        """The logit or the probability of the label, and the loss."""
        return _TARGETS

    @property
    def has_classes(self) -> bool:
        """True: the label is 0 or 1."""
        return True

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless these can be single logits."""
        if values[0].numel() != 1:
            raise ModelError(
                f"the model returns shape {tuple(values.shape)}; expected ({len(values)},) or "
                f"({len(values)}, 1), one logit an example, for the task binary."
            )
        refuse_probabilities(values, self.name)

    def count_outputs(self, values: Float[Tensor, "n *outputs"]) -> int:
        """Return 2, the number of classes."""
        return 2

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which labels are 0 or 1."""
        return np.isin(labels, (0, 1))

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be."""
        return "0 and 1, the labels of the task binary"

    def align(
        self,
        labels: Shaped[Tensor, "n *label"],
        values: Float[Tensor, "n *outputs"],
        mask: Bool[Tensor, "n positions"] | None,
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the labels as whole numbers."""
        return labels.reshape(len(labels)).long()

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return 1 where the logit is positive."""
        return (values.reshape(len(values)) > 0).long()

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        if observation.logits is None:
            return observation
        logits = observation.logits.flatten(start_dim=1)
        pairs = replace(observation, logits=torch.stack([torch.zeros_like(logits), logits], dim=-1))
        outcomes = CLASSIFICATION.complete(pairs, names).outcomes
        return replace(observation, outcomes=outcomes)


BINARY = Binary()
