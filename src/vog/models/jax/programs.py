"""The compiled passes of a network: forward with what the backward pass needs, and backward.

Each is compiled once for a size of batches, and then serves all checkpoints and all cotangents.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from vog.models.jax.named_arrays import Arrays
from vog.models.jax.networks import Network


@contextmanager
def float32_arithmetic() -> Iterator[None]:
    """Compute in true float32 inside the block, whatever the caller has set."""
    with jax.default_matmul_precision("highest"), jax.enable_x64(False):
        yield


def outputs(network: Network, head: str | None, arrays: Arrays, inputs: Any) -> tuple[Any, Any]:
    """Return the logits in float32, and the input of the last layer; None without such a layer."""
    logits, calls = network.run(arrays, inputs, () if head is None else (head,))
    return logits.astype(jnp.float32), None if head is None else calls[head][0]


def outputs_and_pullback(
    network: Network, head: str | None, arrays: Arrays, inputs: Any
) -> tuple[Any, Any, Any]:
    """Return the same, and what maps a cotangent to the gradient with respect to the inputs."""
    logits, pullback, features = jax.vjp(
        partial(outputs, network, head, arrays), inputs, has_aux=True
    )
    return logits, features, pullback


def pulled_back(pullback: Any, cotangent: Any) -> Any:
    """Return the gradient with respect to the inputs."""
    return pullback(cotangent)[0]


@dataclass
class Programs:
    """What was compiled, by its function, last layer and shape of inputs.

    Attributes:
        compiled: executables.
        nbytes: by the same key, the bytes that one run holds beside its arguments; None if the
            compiler does not tell.
        runs: the keys of the executables that ran since it was emptied.
    """

    compiled: dict[Any, Any] = field(default_factory=dict)
    nbytes: dict[Any, int | None] = field(default_factory=dict)
    runs: list[Any] = field(default_factory=list)

    def run(self, key: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of a function, which is compiled at its first call for a key."""
        if key not in self.compiled:
            with float32_arithmetic():
                self.compiled[key] = jax.jit(function).lower(*arguments).compile()
            self.nbytes[key] = _nbytes(self.compiled[key])
        self.runs.append(key)
        return self.compiled[key](*arguments)


def _nbytes(compiled: Any) -> int | None:
    """Return the bytes of temporary values and results of an executable."""
    try:
        sizes = compiled.memory_analysis()
        return int(sizes.temp_size_in_bytes + sizes.output_size_in_bytes)
    except Exception:  # not every backend has this analysis
        return None
