"""The last layer in a graph of TensorFlow: the multiplication by weights that makes the logits."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

# What may stand between the multiplication and the logits without changing a value.
_SAME_VALUES = frozenset({"Identity", "Squeeze", "Reshape"})
_SUMS = frozenset({"BiasAdd", "AddV2", "Add"})


@dataclass(frozen=True)
class LastLayer:
    """A linear last layer.

    Attributes:
        features: its inputs, [n, width].
        weights: its matrix, and its bias if it has one.
    """

    features: Any
    weights: tuple[Any, ...]

    @property
    def has_bias(self) -> bool:
        """Whether it adds a bias."""
        return len(self.weights) > 1


def last_layer(logits: Any) -> LastLayer | None:
    """Return the linear layer that makes logits.

    None if they are not the output of a dense layer, or of a convolution of one position.

    Args:
        logits: a tensor of a graph.
    """
    if logits.shape.rank not in (None, 1, 2):  # one vector of features makes several positions
        return None
    tensor = _before_same_values(logits)
    bias = ()
    if tensor.op.type in _SUMS and _is_read(tensor.op.inputs[1]):
        tensor, bias = _before_same_values(tensor.op.inputs[0]), (tensor.op.inputs[1],)
    operation = tensor.op
    if operation.type not in ("MatMul", "Conv2D") or not _is_read(operation.inputs[1]):
        return None
    features = _features_of(operation)
    return None if features is None else LastLayer(features, (operation.inputs[1], *bias))


def _features_of(operation: Any) -> Any:
    """Return the inputs of a layer as a matrix; None if it sees more than one position."""
    inputs, kernel = operation.inputs
    if operation.type == "MatMul":
        return None if operation.get_attr("transpose_a") else inputs
    positions = (1, 2) if operation.get_attr("data_format") == b"NHWC" else (2, 3)
    sizes = [*kernel.shape[:2], *(inputs.shape[axis] for axis in positions)]
    return tf.squeeze(inputs, positions) if sizes == [1, 1, 1, 1] else None


def _is_read(tensor: Any) -> bool:
    """Return whether a tensor is the value of a variable, or a constant of a loaded graph."""
    kinds = ("ReadVariableOp", "VariableV2", "Placeholder")
    return _before_same_values(tensor).op.type in kinds


def before_softmax(output: Any) -> Any:
    """Return what goes into a softmax that makes the output, or else the output itself."""
    operation = _before_same_values(output).op
    return operation.inputs[0] if operation.type == "Softmax" else output


def _before_same_values(tensor: Any) -> Any:
    while tensor.op.type in _SAME_VALUES:
        tensor = tensor.op.inputs[0]
    return tensor
