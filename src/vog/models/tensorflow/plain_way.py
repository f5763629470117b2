"""The plain way of TensorFlow 1: a session, `Saver.restore`, `tf.gradients`.

It shares nothing with the fast way but the user's function: another graph, TensorFlow's own reader
of checkpoints where the file is one of its own, no function that is traced, no assignment between
batches.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from vog.data.inputs import Inputs
from vog.models.match_variables import match
from vog.models.protocol import FittedWeights, Outputs
from vog.models.tensorflow.adapter import Arrays, TensorflowModel
from vog.models.tensorflow.last_layer import last_layer
from vog.models.tensorflow.networks import Tf1Function

v1 = tf.compat.v1
# Each takes a backward pass of its own.
_NORM_EXAMPLES = 4


@dataclass(frozen=True)
class PlainSession:
    """A function of TensorFlow 1 in sessions of its own; see `vog.models.own_model`.

    Attributes:
        model: the model that is judged.
    """

    model: TensorflowModel

    def read(self, path: Path) -> FittedWeights:
        """Return the arrays of a checkpoint, by TensorFlow's reader where it is one of its own."""
        reader = self.model.options.reader
        if path.suffix != ".index" or reader != type(reader)():
            return self.model.read(path)
        assert self.model.traced is not None, "the shape of examples is known"
        stored = tf.train.load_checkpoint(str(path.with_suffix("")))
        arrays = {name: stored.get_tensor(name) for name in stored.get_variable_to_dtype_map()}
        matched = match(arrays, self.model.traced.graph.shapes, path).arrays
        return FittedWeights({name: np.float32(array) for name, array in matched.items()})

    def place(self, inputs: Inputs) -> np.ndarray:
        """Return a batch as an array."""
        return self.model.place(inputs).numpy()

    @contextmanager
    def observe(
        self, weights: Arrays, placed: np.ndarray, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of a batch, from a session that is begun for it."""
        source = self.model.source
        assert isinstance(source, Tf1Function), "a SavedModel has no plain way"
        graph = tf.Graph()
        with graph.as_default(), v1.Session(graph=graph) as session:
            inputs = v1.placeholder(tf.float32, (None, *placed.shape[1:]))
            logits = source.logits(inputs)
            layer = last_layer(logits)
            cotangent = v1.placeholder(tf.float32, logits.shape)
            (gradient,) = v1.gradients(logits, inputs, cotangent)
            for variable in v1.global_variables():
                variable.load(weights[variable.name.removesuffix(":0")], session)

            def vjp(factor: Tensor, more: bool = False) -> Tensor:
                feed = {inputs: placed, cotangent: factor.numpy()}
                return torch.from_numpy(session.run(gradient, feed))

            plain_layer = None
            if layer is not None:
                features = torch.from_numpy(session.run(layer.features, {inputs: placed}))
                by_weights = v1.gradients(logits, list(layer.weights), cotangent)

                def gradients(row: int, factor: np.ndarray) -> list[np.ndarray]:
                    feed = {inputs: placed[row : row + 1], cotangent: factor}
                    return session.run(by_weights, feed)

                plain_layer = _PlainLayer(features, gradients)
            values = torch.from_numpy(session.run(logits, {inputs: placed}))
            yield Outputs(values, vjp, plain_layer)


@dataclass(frozen=True)
class _PlainLayer:
    """A last layer whose gradients TensorFlow computes.

    Attributes:
        features: its inputs.
        gradients: from a row of the batch and its cotangent [1, classes] to the gradients by the
            weights of the layer.
    """

    features: Tensor
    gradients: Callable[[int, np.ndarray], list[np.ndarray]]

    def gradient_norm(self, cotangent: Tensor) -> Tensor:
        """Return the norm of each of a few examples; NaN for the rest."""
        norms = torch.full((len(cotangent),), torch.nan)
        for row in range(min(_NORM_EXAMPLES, len(cotangent))):
            gradients = self.gradients(row, cotangent[row : row + 1].numpy())
            norms[row] = float(sum(np.square(g).sum() for g in gradients)) ** 0.5
        return norms


def plain_way(model: TensorflowModel) -> PlainSession | None:
    """Return the plain way of a model; None for a SavedModel, which has no other."""
    return PlainSession(model) if isinstance(model.source, Tf1Function) else None
