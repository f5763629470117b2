"""The interface of a task: outcomes from outputs and labels, and the loss that trains the model."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from vog.observation import Observation, Outcome
from vog.tasks.targets import Target


@runtime_checkable  # so that beartype can check it while the tests run
class Task(Protocol):
    """What counts as an answer. Implementations inherit this, are frozen and keep no state."""

    @property
    def name(self) -> str:
        """Name of the task, in the question of a run and in messages."""
        ...

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """The outcomes that this task has; scores that need others are left out."""
        ...

    @property
    def loss(self) -> Target:
        """The loss of each example, whose gradient is the signal of `volg` and `csg`."""
        ...

    @property
    def targets(self) -> Mapping[str, Target]:
        """The targets that a user can name."""
        return {"loss": self.loss}

    @property
    def has_classes(self) -> bool:
        """True if the label of an example is the number of one class."""
        return False

    @property
    def units(self) -> Mapping[Outcome, tuple[str, tuple[float, float]]]:
        """Unit and range of the outcomes that have others here than in classification."""
        return {}

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless these can be outputs of a model of this task."""
        ...

    def count_outputs(self, values: Float[Tensor, "n *outputs"]) -> int:
        """Return the number of classes, or else of the outputs of an example."""
        return values[0].numel()

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which labels fit a model with this number of outputs."""
        ...

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be, for messages."""
        ...

    def stored(
        self, labels: Shaped[np.ndarray, "m *label"], outputs: int
    ) -> Shaped[np.ndarray, "m *stored"]:
        """Return labels as the rows of a run take them, missing ones included.

        These are whole numbers of classes, -1 if missing; floats, NaN if missing; or 0 and 1 for
        each tag, other numbers if missing.
        """
        return labels

    def align(
        self,
        labels: Shaped[Tensor, "n *label"],
        values: Float[Tensor, "n *outputs"],
        mask: Bool[Tensor, "n positions"] | None,
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the labels as the methods of this task take them for these outputs."""
        return labels

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the labels that outputs predict, for the target `predicted`."""
        return labels

    def outcome(self, observation: Observation, name: Outcome) -> Tensor:
        """Return one outcome of the observed logits and labels."""
        return self.complete(observation, frozenset({name})).outcome(name)

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        ...
