"""The interface of a score: a fold over checkpoints that leaves one number an example.

    init(observation) -> state      from the observation of one or more checkpoints
    merge(earlier, later) -> state  from two states of the same examples, in training order
    compute(state) -> scores        one number an example

There is no update(). The next checkpoint is `merge(state, init(observation))`; checkpoints from two
machines are `merge(first, second)`; the stage "all" is `merge(merge(early, middle), late)`.
One law makes all three right, and one test (`tests/scores/test_contract.py`) checks it for
every registered score:

    merge(init(first half), init(second half)) == init(all of it)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from vog.former_names import FormerAttribute


class Signal(StrEnum):
    """A quantity that a model adapter can compute. It computes only those it is asked for."""

    LOGITS = "logits"
    INPUT_GRADIENT = "input gradient of the target"
    LOSS_GRADIENT = "input gradient of the loss"
    LAST_LAYER_NORM = "gradient norm of the last layer"


@dataclass(frozen=True)
class Observation:
    """The signals of `k` checkpoints, in training order, for the same `n` examples.

    Attributes:
        labels: the class of each example.
        logits: the output of the model, before the softmax.
        input_gradient: gradient of the target (by default the logit of the label, before
            the softmax) with respect to the input as the model receives it, that is after
            preprocessing; unit: logit per unit of input.
        loss_gradient: the same for the cross-entropy of each example; nats per unit of input.
        last_layer_norm: Euclidean norm of the gradient of the cross-entropy of each example
            with respect to weight and bias of the last linear layer; nats per unit of weight.
    """

    labels: Int[Tensor, "n"]
    logits: Float[Tensor, "k n classes"] | None = None
    input_gradient: Float[Tensor, "k n *input"] | None = None
    loss_gradient: Float[Tensor, "k n *input"] | None = None
    last_layer_norm: Float[Tensor, "k n"] | None = None

    of = FormerAttribute("select_rows")

    def signal(self, name: Signal) -> Tensor:
        """Return the signal of that name, which must have been observed."""
        value = self._signals[name]
        assert value is not None, "an observation provides every signal named in `needs`"
        return value

    @property
    def _signals(self) -> dict[Signal, Tensor | None]:
        return {
            Signal.LOGITS: self.logits,
            Signal.INPUT_GRADIENT: self.input_gradient,
            Signal.LOSS_GRADIENT: self.loss_gradient,
            Signal.LAST_LAYER_NORM: self.last_layer_norm,
        }

    def select_rows(self, rows: slice) -> "Observation":
        """Return the observation of some of the examples."""
        signals = [None if signal is None else signal[:, rows] for signal in self._signals.values()]
        return Observation(self.labels[rows], *signals)

    @property
    def nbytes(self) -> int:
        """The bytes of all signals together."""
        return sum(value.nbytes for value in self._signals.values() if value is not None)

    @cached_property
    def log_probability(self) -> Float[Tensor, "k n classes"]:
        """The natural logarithm of the softmax, computed once for all scores."""
        # Half precision would lose the tail of the softmax; log(softmax(x)) would be -inf.
        return self.signal(Signal.LOGITS).float().log_softmax(dim=-1)

    @cached_property
    def label_log_probability(self) -> Float[Tensor, "k n"]:
        """The entry of the label in `log_probability`."""
        index = self.labels.expand(self.log_probability.shape[:2])[..., None]
        return self.log_probability.gather(-1, index).squeeze(-1)

    @cached_property
    def is_label(self) -> Int[Tensor, "n classes"]:
        """The labels as one-hot rows."""
        return F.one_hot(self.labels, self.signal(Signal.LOGITS).shape[-1])


def concat(observations: Sequence[Observation]) -> Observation:
    """Return one observation from several of the same examples, in training order."""
    if len(observations) == 1:
        return observations[0]

    def concatenated(values: Sequence[Tensor | None]) -> Tensor | None:
        present = [value for value in values if value is not None]
        return torch.cat(present) if present else None

    return Observation(
        observations[0].labels,
        concatenated([observation.logits for observation in observations]),
        concatenated([observation.input_gradient for observation in observations]),
        concatenated([observation.loss_gradient for observation in observations]),
        concatenated([observation.last_layer_norm for observation in observations]),
    )


Direction = Literal["harder", "easier"]


@runtime_checkable  # so that beartype can check it while the tests run
class Score(Protocol):
    """A measure of difficulty. Implementations are frozen and keep no state of their own."""

    @property
    def name(self) -> str:
        """Name of the column and on the command line: lower case, no spaces, no @ or :."""
        ...

    @property
    def needs(self) -> frozenset[Signal]:
        """The signals that a model has to compute for this score."""
        ...

    @property
    def higher_means(self) -> Direction: ...

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest possible value; an infinite end may be a value or a bound."""
        ...

    @property
    def unit(self) -> str: ...

    @property
    def source(self) -> str:
        """The publication or the rule that defines the score."""
        ...

    @property
    def min_checkpoints(self) -> int:
        """A stage with fewer checkpoints does not have this score."""
        ...

    def init(self, observation: Observation, /) -> Any:
        """Return the state after the checkpoints of an observation."""
        ...

    def merge(self, earlier: Any, later: Any) -> Any: ...

    def compute(self, state: Any) -> Float[Tensor, "n"]: ...
