"""Regression: the outputs of an example are numbers, and its label says which."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from vog.errors import ModelError
from vog.observation import Observation, Outcome
from vog.tasks.protocol import Task
from vog.tasks.targets import Target

_INFINITY = float("inf")


def output_sum(
    values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
) -> Float[Tensor, "n"]:
    """Return the output, or the sum of several outputs."""
    return values.flatten(start_dim=1).sum(dim=1) if values.ndim > 1 else values


def squared_error(
    values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
) -> Float[Tensor, "n"]:
    """Return the squared distance of the outputs from the label."""
    return _residuals(values, labels).square().sum(dim=-1)


def _residuals(values: Tensor, labels: Tensor) -> Float[Tensor, "n outputs"]:
    rows = len(values)
    return values.reshape(rows, -1) - labels.reshape(rows, -1).to(values.dtype)


_TARGETS = {
    target.name: target
    for target in (
        Target("logit", output_sum),
        Target("loss", squared_error),
        Target("predicted", output_sum, at_prediction=True),
    )
}


@dataclass(frozen=True)
class Regression(Task):
    """The task of a model that predicts a number, or several, trained with the squared error."""

    @property
    def name(self) -> str:
        """The name."""
        return "regression"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """The squared error and its root."""
        return frozenset({Outcome.LOSS, Outcome.ERROR})

    @property
    def loss(self) -> Target:
        """The squared error, summed over the outputs of an example."""
        return _TARGETS["loss"]

    @property
    def targets(self) -> Mapping[str, Target]:
        """The output (`logit`, the default), and the loss."""
        return _TARGETS

    @property
    def units(self) -> Mapping[Outcome, tuple[str, tuple[float, float]]]:
        """Units of the label."""
        return {
            Outcome.LOSS: ("squared unit of the label", (0.0, _INFINITY)),
            Outcome.ERROR: ("unit of the label", (0.0, _INFINITY)),
        }

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless there is a number, or a vector, for each example."""
        if values.ndim > 2 or values[0].numel() == 0:
            raise ModelError(
                f"the model returns shape {tuple(values.shape)}; expected ({len(values)},) or "
                f"({len(values)}, outputs) for the task regression."
            )

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which labels are as many finite numbers as there are outputs."""
        if int(np.prod(labels.shape[1:])) != outputs:
            return np.zeros(len(labels), bool)
        is_number = np.isfinite(labels)
        if labels.ndim == 1 and labels.dtype.kind == "i":  # -1 says that there is no label
            is_number &= labels != -1
        return np.asarray(is_number.reshape(len(labels), -1).all(axis=1))

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be."""
        numbers = "finite numbers" if outputs == 1 else f"vectors of {outputs} finite numbers"
        return f"{numbers} (as floats, if -1 is among them)"

    def stored(
        self, labels: Shaped[np.ndarray, "m *label"], outputs: int
    ) -> Shaped[np.ndarray, "m *stored"]:
        """Return floats; NaN if there is no label."""
        if labels.ndim == 1 and labels.dtype.kind == "i":
            labels = np.where(labels == -1, np.nan, labels)
        if labels.ndim == 1 and outputs > 1:
            return np.full((len(labels), outputs), np.nan)
        return labels.astype(np.float64)

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the outputs."""
        return values

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no outputs."""
        values, labels = observation.logits, observation.labels
        if values is None:
            return observation
        flat = values.reshape(*values.shape[:2], -1)
        labels = labels.reshape(len(labels), -1).to(flat.dtype)
        squares = (flat - labels).square().sum(dim=-1)
        outcomes = {Outcome.LOSS: squares, Outcome.ERROR: squares.sqrt()}
        return replace(observation, outcomes={name: outcomes[name] for name in names})


REGRESSION = Regression()
