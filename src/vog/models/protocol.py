"""What the sweep asks of a model, whatever framework it was written in."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from vog.scores.protocol import Observation, Signal

Weights = Mapping[str, Tensor]


@runtime_checkable  # so that beartype can check it while the tests run
class Model(Protocol):
    """An architecture that can be looked at under the weights of any checkpoint."""

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals this model can give; asking `observe` for another is a bug."""
        ...

    def fit(self, weights: Mapping[str, Any], name: str) -> Weights:
        """The weights of one checkpoint, matched to the model.

        Raises:
            ModelError or CheckpointError: they do not fit; the message says `name`.
        """
        ...

    def extra_state(self, weights: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return what a file gives the model that is no tensor of it."""
        ...

    @property
    def can_fit_concurrently(self) -> bool:
        """Whether `fit` may be called while the model is observed, as by another thread."""
        ...

    def settings(self) -> tuple[object, ...]:
        """Return what the model keeps beside tensors, as the last `fit` left it."""
        ...

    def ready(self, fitted: Weights) -> Weights:
        """What `observe` takes, made of what `fit` gave: in the form and where it computes."""
        ...

    def place(self, inputs: Float[Tensor, "n *input"]) -> Float[Tensor, "n *input"]:
        """A batch as `observe` takes it: where the model computes, in the layout it likes."""
        ...

    def evaluation_mode(self) -> AbstractContextManager[None]:
        """While it is entered the model is ready to be observed; afterwards it is as it was."""
        ...

    def observe(
        self,
        weights: Weights,
        inputs: Float[Tensor, "n *input"],
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """What one checkpoint (k = 1) says about n examples.

        Args:
            weights: what `ready` gave.
            inputs: what `place` gave; they are not changed.
            labels: their classes.
            needs: the signals to compute; no more is computed.
            aim: the class whose target is differentiated, where it is not the label.
        """
        ...
