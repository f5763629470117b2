"""Classification of tokens or pixels: outcomes of an example are means over what has a label."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from vog.errors import DataError, ModelError
from vog.observation import Observation, Outcome
from vog.tasks.classification import CLASSIFICATION
from vog.tasks.protocol import Task
from vog.tasks.targets import Target, label_cross_entropy, logit, probability

IGNORED = -100  # the label of a position that has none, as in PyTorch's cross-entropy
# Positions whose derivatives are computed together have about this many logits.
_PART_ELEMENTS = 2**20
_MEANS = frozenset(
    {
        *(Outcome.LOSS, Outcome.CONFIDENCE, Outcome.MARGIN, Outcome.CORRECT),
        *(Outcome.ENTROPY, Outcome.ERROR),
    }
)


def _class_axis(shape: tuple[int, ...], labels: tuple[int, ...] | None) -> int:
    """Return the axis of classes: the last for tokens, the second for pixels, if labels fit both.

    Args:
        shape: of the outputs.
        labels: the shape of the labels; None if there are none.
    """
    default = -1 if len(shape) == 3 else 1
    if labels is None:
        return default
    fits = {-1: shape[1:-1] == labels[1:], 1: shape[2:] == labels[1:]}
    other = 1 if default == -1 else -1
    return other if fits[other] and not fits[default] else default


def _by_position(values: Float[Tensor, "n *outputs"], labels: Tensor) -> Tensor:
    """Return the outputs with the axis of classes last."""
    axis = _class_axis(tuple(values.shape), tuple(labels.shape))
    return values.movedim(axis, -1)


@dataclass(frozen=True)
class PositionMean(Target):
    """The mean of a target of classification over the positions of an example with a label.

    Its derivative is computed part by part: that of all positions at once would need several copies
    of outputs, which are large where a class is a token.
    """

    def __call__(
        self, logits: Float[Tensor, "n *outputs"], classes: Shaped[Tensor, "n *label"]
    ) -> Float[Tensor, "n"]:
        """Return the mean of each example; NaN if no position has a label."""
        values = _by_position(logits, classes)
        flat, labels = values.flatten(end_dim=-2), classes.clamp(min=0).flatten()
        each = self.apply(flat, labels).reshape(values.shape[:-1])
        return mean_over(each, classes >= 0)

    def cotangent(
        self, logits: Float[Tensor, "n *outputs"], classes: Shaped[Tensor, "n *label"]
    ) -> Float[Tensor, "n *outputs"]:
        """Return the derivative of each example's mean by its outputs."""
        values = _by_position(logits.detach(), classes)
        counted = (classes >= 0).flatten(start_dim=1)
        weights = (counted / counted.sum(dim=1, keepdim=True).clamp(min=1)).flatten()
        labels, result = classes.clamp(min=0).flatten(), torch.zeros_like(logits)
        derivative = _by_position(result, classes).flatten(end_dim=-2)
        is_view = derivative.data_ptr() == result.data_ptr()
        flat, size = values.flatten(end_dim=-2), max(1, _PART_ELEMENTS // values.shape[-1])
        for start in range(0, len(flat), size):
            part = slice(start, start + size)
            leaf = flat[part].clone().requires_grad_()
            with torch.enable_grad():
                (self.apply(leaf, labels[part]) * weights[part]).sum().backward()
            assert leaf.grad is not None, "targets of classification depend on the logits"
            derivative[part] = leaf.grad
        if is_view:
            return result
        # Classes stand on the second axis, so these were written into a copy.
        return derivative.reshape(values.shape).movedim(-1, 1)


def mean_over(
    values: Shaped[Tensor, "n *positions"], counted: Bool[Tensor, "n *positions"]
) -> Shaped[Tensor, "n"]:
    """Return the mean of each example over the positions that count; NaN if there are none."""
    axes = tuple(range(-counted.ndim + 1, 0))
    total = values.masked_fill(~counted, 0).sum(dim=axes)
    return total / counted.sum(dim=axes)


_TARGETS = {
    target.name: target
    for target in (
        PositionMean("logit", logit),
        PositionMean("probability", probability),
        PositionMean("loss", label_cross_entropy),
        PositionMean("predicted", logit, at_prediction=True),
    )
}


@dataclass(frozen=True)
class Tokens(Task):
    """The task of a model that gives logits of classes for each position of an example.

    Attributes:
        next_token: the outputs at a position are about the label of the next one, as those of
            causal language models are, whose labels are their tokens.
    """

    next_token: bool = False

    @property
    def name(self) -> str:
        """The name."""
        return "next-token" if self.next_token else "tokens"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """Means over positions."""
        return _MEANS

    @property
    def loss(self) -> Target:
        """The mean cross-entropy of the labelled positions, in nats."""
        return _TARGETS["loss"]

    @property
    def targets(self) -> Mapping[str, Target]:
        """Means over labelled positions: of the logit, of the probability, of the loss."""
        return _TARGETS

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless there are logits for each position."""
        if values.ndim < 3 or (self.next_token and values.ndim != 3):
            kinds = "(examples, tokens, classes)"
            kinds += "" if self.next_token else " or (examples, classes, height, width)"
            raise ModelError(
                f"the model returns shape {tuple(values.shape)}; expected {kinds} for the task "
                f"{self.name}."
            )

    def count_outputs(self, values: Float[Tensor, "n *outputs"]) -> int:
        """Return the largest number of classes that the shape allows; `align` checks labels."""
        return max(values.shape[1], values.shape[-1])

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which examples have classes alone, or -100, as labels, and one class at least."""
        if labels.ndim < 2 or labels.dtype.kind not in "iu":
            return np.zeros(len(labels), bool)
        flat = labels[:, 1:] if self.next_token else labels.reshape(len(labels), -1)
        valid = ((flat >= 0) & (flat < outputs)) | (flat == IGNORED)
        return np.asarray(valid.all(axis=1) & (flat >= 0).any(axis=1))

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be."""
        return (
            f"arrays of the model's classes 0 to {outputs - 1}, with {IGNORED} where a position "
            f"has no label, and one label at least"
        )

    def stored(
        self, labels: Shaped[np.ndarray, "m *label"], outputs: int
    ) -> Shaped[np.ndarray, "m *stored"]:
        """Return that no row has one class as its label."""
        return np.full(len(labels), -1)

    def align(
        self,
        labels: Shaped[Tensor, "n *label"],
        values: Float[Tensor, "n *outputs"],
        mask: Bool[Tensor, "n positions"] | None,
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return labels of the positions of the outputs, shifted for the next token.

        Where no example has a label, every position counts.

        Raises:
            DataError: they are of other positions, or a label is no class.
        """
        if labels.ndim == 1:
            return _every_position(values, mask)
        labels = labels.long()
        if values.ndim == 3:
            labels = _as_long_as_outputs(labels, values, mask)
            if self.next_token:
                labels = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], IGNORED)], dim=1)
        axis = _class_axis(tuple(values.shape), tuple(labels.shape))
        positions = values.movedim(axis, -1).shape[:-1]
        classes = values.shape[axis]
        if positions != labels.shape:
            raise DataError(
                f"labels have shape {tuple(labels.shape)} and outputs {tuple(values.shape)}; "
                f"expected a label for each position, {tuple(positions)}. Give labels as long as "
                f"the outputs, with {IGNORED} where a position has none."
            )
        if int(labels.max()) >= classes:
            raise DataError(
                f"a label is {int(labels.max())}; expected the model's classes 0 to {classes - 1}. "
                f"Correct the labels, or build the model with more outputs."
            )
        return labels

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the class with the largest logit at each position that has a label."""
        by_position = _by_position(values, labels)
        return by_position.argmax(dim=-1).masked_fill(labels < 0, IGNORED)

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        if observation.logits is None:
            return observation
        each = [self._outcomes(logits, observation.labels, names) for logits in observation.logits]
        outcomes = {name: torch.stack([one[name] for one in each]) for name in names}
        return replace(observation, outcomes=outcomes)

    def _outcomes(
        self,
        logits: Float[Tensor, "n *outputs"],
        labels: Int[Tensor, "n *label"],
        names: frozenset[Outcome],
    ) -> dict[Outcome, Tensor]:
        """Return the outcomes under one checkpoint."""
        values = _by_position(logits, labels)
        counted = labels >= 0
        flat = values.flatten(end_dim=-2)
        positions = Observation(labels.clamp(min=0).flatten(), flat[None])
        outcomes = CLASSIFICATION.complete(positions, names).outcomes
        return {
            name: mean_over(value[0].reshape(counted.shape), counted)
            for name, value in outcomes.items()
        }


def _every_position(
    values: Float[Tensor, "n *outputs"], mask: Bool[Tensor, "n positions"] | None
) -> Int[Tensor, "n *positions"]:
    """Return a label of each position that is no padding, for examples without labels."""
    by_position = values.movedim(_class_axis(tuple(values.shape), None), -1)
    labels = torch.zeros(by_position.shape[:-1], dtype=torch.int64, device=values.device)
    if mask is None or mask.shape != labels.shape:
        return labels
    return labels.masked_fill(~mask, IGNORED)


def _as_long_as_outputs(
    labels: Int[Tensor, "n *label"],
    values: Float[Tensor, "n *outputs"],
    mask: Bool[Tensor, "n positions"] | None,
) -> Int[Tensor, "n *label"]:
    """Return labels of as many positions as there are outputs, if the rest is padding."""
    length, count = labels.shape[1], values.shape[1]
    if length > count and count != values.shape[-1] and bool((labels[:, count:] < 0).all()):
        return labels[:, :count]
    if length < count and mask is not None and not bool(mask[:, length:].any()):
        return torch.nn.functional.pad(labels, (0, count - length), value=IGNORED)
    return labels


TOKENS, NEXT_TOKEN = Tokens(), Tokens(next_token=True)
