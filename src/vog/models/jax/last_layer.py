"""Find the linear layer of a network whose output is that of the network."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vog.errors import ModelError, first_few
from vog.models.jax.named_arrays import Arrays
from vog.models.jax.networks import Network
from vog.wording import option


def find(network: Network, arrays: Arrays, inputs: Any, name: str | None) -> str | None:
    """Return the name of the last layer, or None if there is none.

    The name of a layer does not show that it is the last, so the network is run once. A layer is
    the last if the network returned its output, and if that output is its weights times its input.

    Args:
        network: the network.
        arrays: of one checkpoint.
        inputs: of a few examples.
        name: the layer that the user names; None to search all.

    Raises:
        ModelError: the user names a layer that is not there, or whose output is another.
    """
    candidates = network.layers()
    if name is not None and name not in candidates:
        raise ModelError(
            f"{option('head', name)}: the model has no linear layer of that name. Expected one of "
            f"{first_few(list(candidates), 10) or 'none: a function of weights has no layers'}."
        )
    names = candidates if name is None else (name,)
    logits, calls = network.run(arrays, inputs, names)
    layers_of_logits = [
        layer for layer, call in calls.items() if _is_last(network, arrays, layer, call, logits)
    ]
    if name is not None and not layers_of_logits:
        raise ModelError(
            f"{option('head', name)}: the output of this layer, its weights times one vector of "
            f"features an example, is not what the model returns. Name the layer that computes the "
            f"logits, or leave {option('head')} out."
        )
    return layers_of_logits[-1] if layers_of_logits else None


def _is_last(
    network: Network, arrays: Arrays, layer: str, call: tuple[Any, Any], logits: Any
) -> bool:
    features, output = call
    if any(isinstance(value, jax.core.Tracer) for value in call):  # of an inner transformation
        return False
    if getattr(features, "ndim", 0) != 2 or output.shape != logits.shape:
        return False
    features, output, logits = (np.asarray(v, np.float32) for v in (features, output, logits))
    if not np.array_equal(output, logits, equal_nan=True):
        return False
    return _nearly_equal(product(network, arrays, layer, features), logits)


def product(network: Network, arrays: Mapping[str, Any], layer: str, features: Any) -> Any:
    """Return what a linear layer gives for features: its matrix times them, plus its bias."""
    weights = network.layer_weights(layer)
    kernel = np.asarray(arrays[weights.kernel])
    bias = np.asarray(arrays[weights.bias]) if weights.bias in arrays else np.float32(0)
    return features @ (kernel.T if weights.outputs_first else kernel) + bias


def _nearly_equal(computed: np.ndarray, logits: np.ndarray) -> bool:
    """Return True if both are equal but for rounding, in the rows where both are finite."""
    finite = np.isfinite(computed).all(axis=1) & np.isfinite(logits).all(axis=1)
    scale = np.abs(logits[finite]).max(initial=0.0)
    return bool((np.abs(computed[finite] - logits[finite]) <= 1e-5 * scale + 1e-12).all())
