"""The interface that the sweep needs of a model, whatever framework it was written in."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from vog.observation import Observation, Signal

Weights = Mapping[str, Tensor]


@runtime_checkable  # so that beartype can check it while the tests run
class Model(Protocol):
    """An architecture that gives signals under the weights of any checkpoint."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that this model can compute; `observe` takes only these as `needs`."""
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
        self,
        weights: Weights,
        inputs: Float[Tensor, "n *input"],
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """Return the signals of n examples under one checkpoint (k = 1).

        Args:
            weights: the result of `ready`.
            inputs: the result of `place`; they are not changed.
            labels: the class of each example.
            needs: the signals to compute; nothing else is computed.
            aim: the class whose target is differentiated, if it is not the label.
        """
        ...
