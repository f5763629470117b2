"""The interface that the sweep needs of a model, whatever framework it was written in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vog.data.inputs import Inputs
from vog.data.processors.model_transform import ModelTransform
from vog.errors import ModelError
from vog.observation import Signal
from vog.scores.gradient import Layout

# The weights of one checkpoint, and a batch, in the form that `observe` of their model takes. Only
# the model looks into them.
Weights = Any
Placed = Any


class StateBesideWeightsError(ModelError):
    """Loading a checkpoint changes more of the model than its weights."""


class Variant(StrEnum):
    """Another way to compute with the same model."""

    FOLDED = "norms folded into the layers before them"
    IN_PAIRS = "an example that is alone in its batch computed twice"
    WITHOUT_LAST_LAYER = "nothing known of the last layer"
    BFLOAT16 = "layers in bfloat16"
    COMPILED = "the forward pass as one compiled graph"


@dataclass(frozen=True)
class FittedWeights:
    """The weights in one checkpoint file, matched to the model, with floats in float32.

    Attributes:
        values: as `ready` and `digest` of the model take them.
        place: the place of the weights in the file, such as a key; empty for the file as a whole.
        notes: sentences for the plan, by the word that introduces them.
        other_state: what else loading the file has set in the model. If it differs from checkpoint
            to checkpoint, they cannot share one model.
    """

    values: Any
    place: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    other_state: object = None


@dataclass(frozen=True)
class Companions:
    """What comes with a model beside its weights.

    Attributes:
        transform: makes inputs of images, texts or sounds; used unless the user gives another.
        label_names: the name of each class, by its number in the outputs.
        architecture: what the model is, for the plan.
    """

    transform: ModelTransform | None = None
    label_names: tuple[str, ...] | None = None
    architecture: str | None = None


@runtime_checkable
class HasCompanions(Protocol):
    """A model that knows what comes with it."""

    def companions(self, last: Path) -> Companions:
        """Return what comes with the model.

        Args:
            last: the path of the last checkpoint.

        Raises:
            VogError: something is there and cannot be read.
        """
        ...


@runtime_checkable
class VectorJacobianProduct(Protocol):
    """From a cotangent to a gradient with respect to the inputs."""

    def __call__(
        self, cotangent: Float[Tensor, "n *outputs"], more: bool = False
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


@runtime_checkable
class LastLayer(Protocol):
    """The last layer of a model for a batch, which computes the outputs from features."""

    @property
    def features(self) -> Float[Tensor, "n width"]:
        """The inputs of the layer."""
        ...

    def gradient_norm(self, cotangent: Float[Tensor, "n *outputs"]) -> Float[Tensor, "n"]:
        """Return the norm of the gradient of `cotangent * values` by the weights of the layer.

        Args:
            cotangent: one row an example; so the result is the norm of one example's gradient.
        """
        ...


@dataclass(frozen=True)
class Outputs:
    """What a model computes for a batch under one checkpoint.

    Attributes:
        values: the outputs, such as logits, in float32.
        vjp: the gradient with respect to the inputs; called only if `differentiate` was set.
        last_layer: the layer that makes the outputs, if the model has such a layer.
        mask: the positions of the inputs that are real and not padding, if there is padding.
    """

    values: Float[Tensor, "n *outputs"]
    vjp: VectorJacobianProduct
    last_layer: LastLayer | None = None
    mask: Bool[Tensor, "n positions"] | None = None


@runtime_checkable  # so that beartype can check it while the tests run
class Model(Protocol):
    """An architecture that gives outputs and gradients under the weights of any checkpoint."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that can be computed from what this model gives."""
        ...

    @property
    def device(self) -> torch.device:
        """The device on which outputs and gradients lie."""
        ...

    def layout_of(self, shape: tuple[int, ...]) -> Layout | None:
        """Return which axis of an example holds its colours; None if its shape decides.

        Args:
            shape: of one example.
        """
        ...

    @property
    def input_names(self) -> tuple[str, ...] | None:
        """The names of the inputs that the model takes, in order; None if they are unknown."""
        ...

    def differentiated_module(self, inputs: Inputs) -> str | None:
        """Return the part of the model whose output is differentiated; None for the inputs.

        Args:
            inputs: some inputs of the model.
        """
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the libraries that decide on the last digits, by name."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """How this model is computed, as the question stores it."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences for the plan on how this model is computed."""
        ...

    @property
    def plain_name(self) -> str:
        """What the plain way is, for messages; see `plain`."""
        ...

    @property
    def reads_concurrently(self) -> bool:
        """True if `read` may be called while the model is observed, such as in another thread."""
        ...

    def identity(self) -> Mapping[str, str]:
        """Return digests of the architecture, of its code and of its settings."""
        ...

    def reads_itself(self, path: Path) -> bool:
        """Return True if `path` is a checkpoint, a file or a folder, that this model reads itself.

        Such a path is one checkpoint as it is named. Others are found by the names that our readers
        know.
        """
        ...

    def read(self, path: Path) -> FittedWeights:
        """Return the weights of a checkpoint, matched to the model.

        Raises:
            CheckpointError: the checkpoint cannot be read or does not fit; the message says which.
            StateBesideWeightsError: loading it changes more of the model than weights.
        """
        ...

    def digest(self, fitted: FittedWeights) -> str:
        """Return a digest of names, types, shapes and values, as they were matched."""
        ...

    def ready(self, fitted: FittedWeights) -> Weights:
        """Return the weights on the device, and in the form, that `observe` takes."""
        ...

    def nbytes(self, weights: Weights) -> int:
        """Return the bytes of the result of `ready`."""
        ...

    def place(self, inputs: Inputs) -> Placed:
        """Return a batch as `observe` takes it: on the device and in the layout of the model."""
        ...

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """Put the model into evaluation mode inside the block, and restore it afterwards."""
        ...

    def observe(
        self, weights: Weights, placed: Placed, differentiate: bool
    ) -> AbstractContextManager[Outputs]:
        """Return the outputs for a batch under one checkpoint; `vjp` works inside the block.

        Args:
            weights: the result of `ready`.
            placed: the result of `place`; it is not changed.
            differentiate: `vjp` will be called.

        Raises:
            ModelError: the model cannot take such a batch, or returns no outputs.
        """
        ...

    def ways(self, inputs: Inputs) -> "Iterator[Model]":
        """Yield the ways to compute with this model, the fastest first.

        Args:
            inputs: of a few examples.
        """
        ...

    def apart(self) -> "Model":
        """Return the model that keeps checkpoints apart, for `StateBesideWeightsError`.

        Raises:
            ModelError: there is no such way.
        """
        ...

    def plain(self) -> "Model | None":
        """Return the plain way, the judge of all others; None if this model is the only way.

        The plain way is what a user of the framework would write: load a checkpoint into a fresh
        model, evaluate, and differentiate.
        """
        ...

    def adapted(self, fitted: FittedWeights, path: Path, inputs: Inputs) -> "Model":
        """Return the model with what a run shows about it, such as its last layer.

        Args:
            fitted: weights of the checkpoint at `path`.
            path: of the checkpoint.
            inputs: of a few examples.

        Raises:
            ModelError: the model cannot take such inputs.
        """
        ...

    def variant(self, variant: Variant, batch_size: int = 0) -> "Model":
        """Return another way to compute with this model.

        Args:
            variant: the way.
            batch_size: the number of examples in a full batch.

        Raises:
            ModelError: there is no such way; the message says why.
        """
        ...

    def in_batches_of(self, size: int) -> "Model":
        """Return the model as it computes batches of one size, of which some may be shorter.

        What is compiled for one size is then not compiled again for a shorter batch.

        Args:
            size: the number of examples in a full batch.
        """
        ...

    def free_bytes(self) -> int:
        """Return the free bytes of the device."""
        ...

    def peak_bytes(self, work: Callable[[], object]) -> int | None:
        """Run `work`, and return the most bytes that it holds at one time; None if not known."""
        ...

    def ran_out(self, error: BaseException) -> bool:
        """Return True if an error says that memory ran out."""
        ...

    def release(self) -> None:
        """Give unused memory back, after memory ran out."""
        ...
