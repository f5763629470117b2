"""Which axis of images a graph of TensorFlow takes as that of colours: as its first layer does."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from vog.scores.gradient import Layout

_LAYERS = ("Conv2D", "DepthwiseConv2dNative", "FusedBatchNormV3", "MaxPool", "AvgPool")
_AXES = {b"NHWC": 3, b"NCHW": 1}
_COLOURS = (1, 3, 4)


def layout_of_function(network: Callable[[Any], Any], shape: tuple[int, ...]) -> Layout | None:
    """Return where a function takes the colours of images; None if it cannot be told.

    The function is called in graphs of its own, for the shape and for those with the first axis
    last and the last axis first: which of them its images have is not known yet.

    Args:
        network: from a placeholder to logits.
        shape: of an example with three axes.
    """
    for candidate in (shape, (*shape[1:], shape[0]), (shape[-1], *shape[:-1])):
        with tf.Graph().as_default() as graph:
            images = tf.compat.v1.placeholder(tf.float32, (None, *candidate))
            try:
                network(images)
            except Exception:  # of the user's function, which may only take the other shape
                continue
            layout = _layout_in(graph, images)
        if layout is not None:
            return layout
    return None


def _layout_in(graph: Any, images: Any) -> Layout | None:
    """Return the layout by the first layer of a graph that has one."""
    for operation in graph.get_operations():
        if operation.type in _LAYERS:
            axis = _axis_of_input(operation, images)
            if axis is not None:
                return "channels-last" if axis == 3 else "channels-first"
    return None


def _axis_of_input(operation: Any, images: Any) -> int | None:
    """Return the axis of the images that is the axis of colours of a layer that they reach.

    None if a step on the way does not keep four axes.
    """
    axis, tensor = _AXES.get(operation.get_attr("data_format")), operation.inputs[0]
    while axis is not None and tensor.op.name != images.op.name:
        before = next((source for source in tensor.op.inputs if source.shape.rank == 4), None)
        if before is None or tensor.op.type == "Reshape":
            return None
        if tensor.op.type == "Transpose":
            order = tf.get_static_value(tensor.op.inputs[1])
            if order is None:
                return None
            axis = int(order[axis])
        tensor = before
    return axis


def layout_of_shape(shape: Sequence[int | None]) -> Layout | None:
    """Return the layout if one axis of the ends alone can be that of colours."""
    first, last = shape[0] in _COLOURS, shape[-1] in _COLOURS
    if first == last:
        return None
    return "channels-first" if first else "channels-last"
