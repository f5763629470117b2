"""The forward and backward pass of a function of Keras, by the backend that Keras computes with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import torch
from torch import Tensor

# From the values of variables and inputs to logits and features, or None in their place.
Run = Callable[[Sequence[Any], Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Pass:
    """What a forward pass gives.

    Attributes:
        logits: [n, classes].
        features: [n, width], the inputs of the last layer; None without such a layer.
        vjp: from a cotangent, and whether another one follows, to the gradient of the inputs; None
            if the logits do not depend on them.
    """

    logits: Tensor
    features: Tensor | None
    vjp: Callable[[Tensor, bool], Tensor | None] | None = None


@runtime_checkable
class Passes(Protocol):
    """Runs a function forward, and backward."""

    def forward(self, values: Sequence[Any], inputs: Any) -> Pass:
        """Return what the function gives."""
        ...

    def differentiated(self, values: Sequence[Any], inputs: Any) -> AbstractContextManager[Pass]:
        """Give what the function gives; `vjp` works inside the block."""
        ...


def passes_of(run: Run) -> Passes:
    """Return the passes of a function by the backend of this process."""
    kinds = {"torch": TorchPasses, "jax": JaxPasses, "tensorflow": TensorflowPasses}
    return kinds[keras.backend.backend()](run)


def _tensor(value: Any) -> Tensor:
    """Return a tensor of the backend as one of PyTorch."""
    if isinstance(value, Tensor):
        return value.detach()
    return torch.from_numpy(np.array(value, np.float32))


def _tensor_or_none(value: Any) -> Tensor | None:
    return None if value is None else _tensor(value).float()


class TorchPasses:
    """By autograd."""

    def __init__(self, run: Run) -> None:
        """Compile nothing."""
        self._run = run

    def forward(self, values: Sequence[Any], inputs: Any) -> Pass:
        """Return what the function gives."""
        with torch.no_grad():
            logits, features = self._run(values, inputs)
        return Pass(_tensor(logits), _tensor_or_none(features))

    @contextmanager
    def differentiated(self, values: Sequence[Any], inputs: Any) -> Iterator[Pass]:
        """Give what the function gives, with the way back."""
        leaf = inputs.detach().requires_grad_()
        with torch.enable_grad():
            logits, features = self._run(values, leaf)

        def vjp(cotangent: Tensor, more: bool) -> Tensor | None:
            if not logits.requires_grad:
                return None
            (gradient,) = torch.autograd.grad(
                logits, leaf, cotangent, retain_graph=more, allow_unused=True
            )
            return gradient

        yield Pass(_tensor(logits), _tensor_or_none(features), vjp)


class JaxPasses:
    """By two compiled functions, each compiled once for a size of batches."""

    def __init__(self, run: Run) -> None:
        """Compile nothing yet."""
        import jax

        def with_way_back(values: Sequence[Any], inputs: Any) -> Any:
            logits, pullback, features = jax.vjp(lambda x: run(values, x), inputs, has_aux=True)
            return logits, features, pullback

        self._forward = jax.jit(run)
        self._with_way_back = jax.jit(with_way_back)
        self._back = jax.jit(lambda pullback, cotangent: pullback(cotangent)[0])

    def forward(self, values: Sequence[Any], inputs: Any) -> Pass:
        """Return what the function gives."""
        logits, features = self._forward(values, inputs)
        return Pass(_tensor(logits), _tensor_or_none(features))

    @contextmanager
    def differentiated(self, values: Sequence[Any], inputs: Any) -> Iterator[Pass]:
        """Give what the function gives, with the way back."""
        logits, features, pullback = self._with_way_back(values, inputs)

        def vjp(cotangent: Tensor, more: bool) -> Tensor:
            return _tensor(self._back(pullback, cotangent.numpy()))

        yield Pass(_tensor(logits), _tensor_or_none(features), vjp)


class TensorflowPasses:
    """By one traced function."""

    def __init__(self, run: Run) -> None:
        """Trace nothing yet."""
        from vog.models.tensorflow.traced_network import TracedNetwork

        self._network = TracedNetwork(lambda inputs, values: run(values, inputs))

    def forward(self, values: Sequence[Any], inputs: Any) -> Pass:
        """Return what the function gives."""
        logits, features = self._network.forward(inputs, tuple(values))
        return Pass(_tensor(logits), _tensor_or_none(features))

    @contextmanager
    def differentiated(self, values: Sequence[Any], inputs: Any) -> Iterator[Pass]:
        """Give what the function gives, with the way back."""
        with self._network.differentiated(inputs, tuple(values)) as run:

            def vjp(cotangent: Tensor, more: bool) -> Tensor | None:
                gradient = run.vjp(cotangent.float().numpy(), more)
                return None if gradient is None else _tensor(gradient)

            yield Pass(_tensor(run.logits), _tensor_or_none(run.features), vjp)
