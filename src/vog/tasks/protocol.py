"""The interface of a task: outcomes from outputs and labels, and the loss that trains the model."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vog.observation import Observation, Outcome
from vog.tasks.targets import Target


@runtime_checkable  # so that beartype can check it while the tests run
class Task(Protocol):
    """What counts as an answer. Implementations are frozen and keep no state of their own."""

    @property
    def name(self) -> str:
        """Name of the task in messages."""
        ...

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """The outcomes that this task has; scores that need others are left out."""
        ...

    @property
    def loss(self) -> Target:
        """The loss of each example, whose gradient is the signal of `volg` and `csg`."""
        ...

    def check_outputs(self, values: Float[Tensor, "n outputs"]) -> None:
        """Raise ModelError unless these can be outputs of a model of this task."""
        ...

    def are_labels(self, labels: Int[np.ndarray, "n"], outputs: int) -> Bool[np.ndarray, "n"]:
        """Return which labels fit a model with this number of outputs."""
        ...

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be, for messages."""
        ...

    def outcome(self, observation: Observation, name: Outcome) -> Tensor:
        """Return one outcome of the observed logits and labels."""
        ...

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        ...
