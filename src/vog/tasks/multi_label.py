"""Multi-label classification: each of several tags is right or wrong, with a logit of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from vog.errors import ModelError
from vog.observation import Observation, Outcome
from vog.tasks.binary import refuse_probabilities
from vog.tasks.protocol import Task
from vog.tasks.targets import Target


def signed_logits(
    values: Float[Tensor, "*n tags"], labels: Shaped[Tensor, "m tags"]
) -> Float[Tensor, "*n tags"]:
    """Return each tag's logit where the label has the tag, and its negative elsewhere."""
    return values * (2 * labels.to(values.dtype) - 1)


def mean_signed_logit(
    values: Float[Tensor, "*n tags"], labels: Shaped[Tensor, "m tags"]
) -> Float[Tensor, "*n"]:
    """Return the mean of the signed logits."""
    return signed_logits(values, labels).mean(dim=-1)


def mean_probability(
    values: Float[Tensor, "*n tags"], labels: Shaped[Tensor, "m tags"]
) -> Float[Tensor, "*n"]:
    """Return the mean probability of the right answer over tags."""
    return signed_logits(values, labels).sigmoid().mean(dim=-1)


def mean_cross_entropy(
    values: Float[Tensor, "*n tags"], labels: Shaped[Tensor, "m tags"]
) -> Float[Tensor, "*n"]:
    """Return the mean over tags of the binary cross-entropy, in nats."""
    losses = F.binary_cross_entropy_with_logits(values, labels.to(values.dtype), reduction="none")
    return losses.mean(dim=-1)


_TARGETS = {
    target.name: target
    for target in (
        Target("logit", mean_signed_logit),
        Target("probability", mean_probability),
        Target("loss", mean_cross_entropy),
        Target("predicted", mean_signed_logit, at_prediction=True),
    )
}


@dataclass(frozen=True)
class MultiLabel(Task):
    """The task of a model with one logit a tag, trained with the mean binary cross-entropy.

    Each outcome is the mean over tags of that of the tag as a binary task; an example is correct if
    all its tags are. As for one logit, a tag that the label lacks counts with its negative logit.
    """

    @property
    def name(self) -> str:
        """The name."""
        return "multi-label"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """All but the prediction of one class."""
        return frozenset(_FUNCTIONS)

    @property
    def loss(self) -> Target:
        """The mean binary cross-entropy in nats."""
        return _TARGETS["loss"]

    @property
    def targets(self) -> Mapping[str, Target]:
        """Means over tags: of signed logits, of probabilities, of losses."""
        return _TARGETS

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless these can be logits of tags."""
        if values.ndim != 2:
            raise ModelError(
                f"the model returns shape {tuple(values.shape)}; expected ({len(values)}, tags), "
                f"one logit a tag, for the task multi-label."
            )
        refuse_probabilities(values, self.name)

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which labels have 0 or 1 for each tag."""
        if labels.ndim != 2 or labels.shape[1] != outputs:
            return np.zeros(len(labels), bool)
        return np.asarray(np.isin(labels, (0, 1)).all(axis=1))

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be."""
        return f"vectors of {outputs} numbers, 1 for each tag that an example has and else 0"

    def stored(
        self, labels: Shaped[np.ndarray, "m *label"], outputs: int
    ) -> Shaped[np.ndarray, "m *stored"]:
        """Return 0 and 1 for each tag; -1 if there is no label."""
        missing = -1
        if labels.ndim == 1:
            return np.full((len(labels), outputs), missing)
        return np.where(np.isin(labels, (0, 1)), labels, missing).astype(np.int64)

    def align(
        self,
        labels: Shaped[Tensor, "n *label"],
        values: Float[Tensor, "n *outputs"],
        mask: Bool[Tensor, "n positions"] | None,
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the labels; no tag where no example has a label."""
        return torch.zeros_like(values) if labels.ndim == 1 else labels

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return 1 for each tag with a positive logit."""
        return (values > 0).long()

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        logits, labels = observation.logits, observation.labels
        if logits is None:
            return observation
        outcomes = {name: _FUNCTIONS[name](logits, labels) for name in sorted(names)}
        return replace(observation, outcomes=outcomes)


def _tag_losses(logits: Float[Tensor, "k n tags"], labels: Tensor) -> Float[Tensor, "k n tags"]:
    return F.softplus(-signed_logits(logits, labels))


def _correct(logits: Float[Tensor, "k n tags"], labels: Tensor) -> Float[Tensor, "k n"]:
    return ((logits > 0) == (labels > 0)).all(dim=-1).float()


def _entropy(logits: Float[Tensor, "k n tags"], labels: Tensor) -> Float[Tensor, "k n"]:
    """Return the mean over tags of the entropy of having the tag, in nats; it needs no label."""
    entropies = torch.special.entr(logits.sigmoid()) + torch.special.entr((-logits).sigmoid())
    return entropies.mean(dim=-1)


def _error(logits: Float[Tensor, "k n tags"], labels: Tensor) -> Float[Tensor, "k n"]:
    """Return the root mean square over tags of the distance of (1 - p, p) from the label's pair."""
    wrong = (-signed_logits(logits, labels)).sigmoid()
    return (2 * wrong.square().mean(dim=-1)).sqrt()


_FUNCTIONS: Mapping[Outcome, Callable[[Tensor, Tensor], Tensor]] = {
    Outcome.LOSS: lambda logits, labels: _tag_losses(logits, labels).mean(dim=-1),
    Outcome.CONFIDENCE: mean_probability,
    Outcome.MARGIN: mean_signed_logit,
    Outcome.CORRECT: _correct,
    Outcome.ENTROPY: _entropy,
    Outcome.ERROR: _error,
    Outcome.TAG_LOSS: _tag_losses,
    Outcome.TAG_MARGIN: signed_logits,
}
MULTI_LABEL = MultiLabel()
