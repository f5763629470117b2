"""The interface that the sweep needs of a model, whatever framework it was written in."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from vog.observation import Signal

Weights = Mapping[str, Tensor]


@runtime_checkable
class VectorJacobianProduct(Protocol):
    """From a cotangent to a gradient with respect to the inputs."""

    def __call__(
        self, cotangent: Float[Tensor, "n outputs"], more: bool = False
    ) -> Float[Tensor, "n *input"]:
        """Return the gradient of the sum of `cotangent * values` with respect to the inputs.

        Examples are independent, so each row is the gradient of one example, in float32.

        Args:
            cotangent: one row an example.
            more: another call for the same batch follows.

        Raises:
            ModelError: the model cannot go backward, or its outputs do not depend on the inputs.
        """
        ...


@dataclass(frozen=True)
class Outputs:
    """What a model computes for a batch under one checkpoint.

    Attributes:
        values: the outputs, such as logits, in float32.
        vjp: the gradient with respect to the inputs, if it was asked for.
        features: the inputs of the last linear layer, if the model has such a layer.
        has_bias: that layer has a bias.
    """

    values: Float[Tensor, "n outputs"]
    vjp: VectorJacobianProduct
    features: Float[Tensor, "n width"] | None = None
    has_bias: bool = False


@runtime_checkable  # so that beartype can check it while the tests run
class Model(Protocol):
    """An architecture that gives outputs and gradients under the weights of any checkpoint."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that can be computed from what this model gives."""
        ...

    def fit(self, weights: Mapping[str, Any], name: str) -> Weights:
        """Return the weights of one checkpoint, matched to the model.

        Args:
            weights: by the names in the file.
            name: of the file, for errors.

        Raises:
            ModelError or CheckpointError: they do not fit; the message says `name`.
        """
        ...

    def extra_state(self, weights: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return the values in a file that the model takes and that are not among its tensors."""
        ...

    @property
    def can_fit_concurrently(self) -> bool:
        """True if `fit` may be called while the model is observed, such as in another thread."""
        ...

    def settings(self) -> tuple[object, ...]:
        """Return the settings that the model keeps beside tensors, as the last `fit` left them."""
        ...

    def ready(self, fitted: Weights) -> Weights:
        """Return the result of `fit` on the device, and in the form, that `observe` takes."""
        ...

    def place(self, inputs: Float[Tensor, "n *input"]) -> Float[Tensor, "n *input"]:
        """Return a batch as `observe` takes it: on the device and in the layout of the model."""
        ...

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """Put the model into evaluation mode inside the block, and restore it afterwards."""
        ...

    def observe(
        self, weights: Weights, inputs: Float[Tensor, "n *input"], differentiate: bool
    ) -> AbstractContextManager[Outputs]:
        """Return the outputs for a batch under one checkpoint; `vjp` works inside the block.

        Args:
            weights: the result of `ready`.
            inputs: the result of `place`; they are not changed.
            differentiate: `vjp` will be called.

        Raises:
            ModelError: the model cannot take such a batch, or returns no outputs.
        """
        ...
