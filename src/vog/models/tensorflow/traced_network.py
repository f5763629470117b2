"""A network of TensorFlow as one traced function, which asks for the cotangent on its way.

What is differentiated depends on the outputs, and only the caller knows it. A tape around a traced
function takes half as long again as one inside it, and so does a second forward pass. So the
function runs in a thread of its own: after the forward pass it hands the outputs to the caller, and
waits for the cotangent before it goes backward.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from typing import Any

import numpy as np
import tensorflow as tf

# From inputs and weights (any nest of tensors) to logits and the features of the last layer, or
# None in their place.
Network = Callable[[Any, Any], tuple[Any, Any]]
Array = np.ndarray
_TRACES = count()


@dataclass(frozen=True)
class _Exchange:
    """What one run of the function and its caller hand each other.

    Attributes:
        results: from the function: outputs, then gradients; an exception if it failed.
        cotangents: from the caller: (cotangent, whether another one follows); None if it needs no
            gradient.
    """

    results: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    cotangents: SimpleQueue[Any] = field(default_factory=SimpleQueue)

    def result(self) -> Any:
        """Return the next result of the function; raise what it raised."""
        result = self.results.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def cotangent(self, shape: tuple[int, ...]) -> tuple[Array, np.bool_]:
        """Return what the caller gives next; zeros if it needs no gradient."""
        # An exception would end the run too, but TensorFlow would keep temporary variables of it.
        cotangent, more = self.cotangents.get() or (np.zeros(shape, np.float32), False)
        return cotangent, np.bool_(more)


@dataclass(frozen=True)
class ForwardPass:
    """The results of a forward pass, and the way back.

    Attributes:
        logits: [n, classes].
        features: [n, width], the inputs of the last layer; None if there is no such layer.
        vjp: from a cotangent [n, classes], and whether a second one follows, to the gradient of
            the inputs; None if the outputs do not depend on them.
    """

    logits: Array
    features: Array | None
    vjp: Callable[[Array, bool], Array | None]


class TracedNetwork:
    """Runs a network forward, or forward and backward; traced once for all checkpoints."""

    def __init__(self, network: Network) -> None:
        """Trace nothing yet."""
        self._network = network
        self._exchanges: dict[int, _Exchange] = {}
        self._numbers = count()
        self._trace_anew()

    def _trace_anew(self) -> None:
        """Forget all traces.

        A run that fails leaves temporary variables behind, whose names its trace cannot use again.
        """
        scope = f"trace_{next(_TRACES)}"
        self._traces: dict[Any, Any] = {}
        self._forward = tf.function(self._trace_forward, autograph=False)

        def both(inputs: Any, weights: Any, number: Any) -> Any:
            with tf.name_scope(scope):
                return self._trace_both(inputs, weights, number)

        self._both = tf.function(both, autograph=False)

    def forward(self, inputs: Any, weights: Any) -> tuple[Array, Array | None]:
        """Return logits and features."""
        logits, features = self._traced(self._forward, inputs, weights)(inputs, weights)
        return logits.numpy(), None if features is None else features.numpy()

    @contextmanager
    def differentiated(self, inputs: Any, weights: Any) -> Iterator[ForwardPass]:
        """Give the results of the forward pass; `vjp` works inside the block, twice at most."""
        number, exchange = next(self._numbers), _Exchange()
        self._exchanges[number] = exchange
        with ThreadPoolExecutor(1) as thread:
            numbered = tf.constant(number, tf.int64)
            both = self._traced(self._both, inputs, weights, tf.TensorSpec((), tf.int64))
            run = thread.submit(both, inputs, weights, numbered)
            run.add_done_callback(lambda done: exchange.results.put(_gradient_of(done)))
            try:
                logits, features = exchange.result()
                yield ForwardPass(logits, features if features.size else None, _vjp(exchange))
            finally:
                exchange.cotangents.put(None)
                if run.exception() is not None:  # waits for the end
                    self._trace_anew()
                del self._exchanges[number]

    def _traced(self, function: Any, inputs: Any, weights: Any, *more: Any) -> Any:
        """Return the trace of a function for batches of any size.

        A trace for one size rounds otherwise, and which sizes come first differs by process.
        """
        key = (function, tuple(inputs.shape[1:]))
        if key not in self._traces:
            batch = tf.TensorSpec((None, *inputs.shape[1:]), inputs.dtype)
            specifications = tf.nest.map_structure(tf.TensorSpec.from_tensor, weights)
            self._traces[key] = function.get_concrete_function(batch, specifications, *more)
        return self._traces[key]

    def _trace_forward(self, inputs: Any, weights: Any) -> tuple[Any, Any]:
        logits, features = self._network(inputs, weights)
        return tf.cast(logits, tf.float32), features

    def _trace_both(self, inputs: Any, weights: Any, number: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            logits, features = self._network(inputs, weights)
            logits = tf.cast(logits, tf.float32)
        shown = tf.zeros([0, 0]) if features is None else tf.cast(features, tf.float32)
        cotangent, more = tf.numpy_function(
            self._hand_over_outputs, [number, logits, shown], [tf.float32, tf.bool]
        )
        cotangent.set_shape(logits.shape)
        first = tape.gradient(logits, inputs, cotangent)
        if first is None:
            return tf.zeros([0])

        def second() -> Any:
            following = tf.numpy_function(
                self._hand_over_gradient, [number, first, logits], tf.float32
            )
            following.set_shape(logits.shape)
            return tape.gradient(logits, inputs, following)

        more.set_shape([])
        return tf.cond(more, second, lambda: first)

    def _hand_over_outputs(self, number: Any, logits: Array, features: Array) -> Any:
        exchange = self._exchanges[int(number)]
        exchange.results.put((logits, features))
        return exchange.cotangent(logits.shape)

    def _hand_over_gradient(self, number: Any, gradient: Array, logits: Array) -> Array:
        exchange = self._exchanges[int(number)]
        exchange.results.put(gradient)
        return exchange.cotangent(logits.shape)[0]


def _gradient_of(run: "Future[Any]") -> Any:
    """Return the last gradient of a finished run, or what it raised."""
    error = run.exception()
    return error if error is not None else run.result().numpy()


def _vjp(exchange: _Exchange) -> Callable[[Array, bool], Array | None]:
    def vjp(cotangent: Array, more: bool) -> Array | None:
        exchange.cotangents.put((cotangent, more))
        gradient = exchange.result()
        return gradient if gradient.size else None

    return vjp
