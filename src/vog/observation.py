"""What a model and a task tell about some examples under some checkpoints.

A model gives signals: its outputs, and gradients. A task computes outcomes from outputs and labels.
Scores read both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from vog.former_names import FormerAttribute


class Signal(StrEnum):
    """A quantity that a model adapter can compute. It computes only those it is asked for."""

    LOGITS = "logits"
    INPUT_GRADIENT = "input gradient of the target"
    LOSS_GRADIENT = "input gradient of the loss"
    LAST_LAYER_NORM = "gradient norm of the last layer"
    FEATURES = "input of the last layer"


# The signals that need something to differentiate.
GRADIENTS = frozenset({Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT})
# The signals of a last layer, which not every model has.
OF_LAST_LAYER = frozenset({Signal.LAST_LAYER_NORM, Signal.FEATURES})


class Outcome(StrEnum):
    """A number an example and checkpoint that a task computes from outputs and labels."""

    LOSS = "loss"
    CONFIDENCE = "confidence"
    MARGIN = "margin"
    CORRECT = "correct"
    ENTROPY = "entropy"
    ERROR = "error"
    PREDICTION = "prediction"
    PREDICTION_PROBABILITY = "prediction_probability"
    PROBABILITIES = "probabilities"
    TAG_LOSS = "loss of each tag"
    TAG_MARGIN = "margin of each tag"


_SIGNAL_FIELDS = ("logits", "input_gradient", "loss_gradient", "last_layer_norm", "features")


@dataclass(frozen=True)
class Observation:
    """The signals of `k` checkpoints, in training order, for the same `n` examples.

    Attributes:
        labels: the class of each example, or whatever else its task has as labels.
        logits: the output of the model, such as logits before the softmax. It is left out if it is
            large and no score reads it; then `logits_finite` has the examples with finite logits.
        input_gradient: gradient of the target (by default the logit of the label, before
            the softmax) with respect to the input as the model receives it, that is after
            preprocessing; unit: logit per unit of input.
        loss_gradient: the same for the cross-entropy of each example; nats per unit of input.
        last_layer_norm: Euclidean norm of the gradient of the cross-entropy of each example
            with respect to weight and bias of the last linear layer; nats per unit of weight.
        features: the input of the last linear layer.
        outcomes: the outcomes that a task has computed from the logits, each k x n;
            probabilities are k x n x classes, and numbers of each tag k x n x tags.
        mask: which positions of the inputs are real and not padding; None without padding.
    """

    labels: Shaped[Tensor, "n *label"]
    logits: Float[Tensor, "k n *outputs"] | None = None
    input_gradient: Float[Tensor, "k n *input"] | None = None
    loss_gradient: Float[Tensor, "k n *input"] | None = None
    last_layer_norm: Float[Tensor, "k n"] | None = None
    features: Float[Tensor, "k n width"] | None = None
    outcomes: Mapping[Outcome, Tensor] = field(default_factory=dict)
    mask: Bool[Tensor, "n positions"] | None = None
    logits_finite: Bool[Tensor, "k n"] | None = None

    of = FormerAttribute("select_rows")

    def signal(self, name: Signal) -> Tensor:
        """Return the signal of that name, which must have been observed."""
        value = self._signals[name]
        assert value is not None, "an observation provides every signal named in `needs`"
        return value

    def outcome(self, name: Outcome) -> Tensor:
        """Return the outcome of that name, which the task must have computed."""
        assert name in self.outcomes, "an observation provides every outcome named in `needs`"
        return self.outcomes[name]

    @property
    def _signals(self) -> dict[Signal, Tensor | None]:
        return {
            Signal.LOGITS: self.logits,
            Signal.INPUT_GRADIENT: self.input_gradient,
            Signal.LOSS_GRADIENT: self.loss_gradient,
            Signal.LAST_LAYER_NORM: self.last_layer_norm,
            Signal.FEATURES: self.features,
        }

    def select_rows(self, rows: slice | Int[Tensor, "m"]) -> "Observation":
        """Return the signals and outcomes of some of the examples."""
        finite = self.logits_finite
        return replace(
            self,
            labels=self.labels[rows],
            **{
                name: None if value is None else value[:, rows]
                for name, value in self._signal_fields.items()
            },
            outcomes={name: value[:, rows] for name, value in self.outcomes.items()},
            mask=None if self.mask is None else self.mask[rows],
            logits_finite=None if finite is None else finite[:, rows],
        )

    @property
    def _signal_fields(self) -> dict[str, Tensor | None]:
        return {name: getattr(self, name) for name in _SIGNAL_FIELDS}

    @property
    def nbytes(self) -> int:
        """The bytes of all signals and outcomes together."""
        signals = [value for value in self._signals.values() if value is not None]
        return sum(value.nbytes for value in (*signals, *self.outcomes.values()))

    @cached_property
    def log_probability(self) -> Float[Tensor, "k n classes"]:
        """The natural logarithm of the softmax, computed once for all scores."""
        # Half precision would lose the tail of the softmax; log(softmax(x)) would be -inf.
        return self.signal(Signal.LOGITS).float().log_softmax(dim=-1)

    @cached_property
    def largest_log_probability(self) -> tuple[Float[Tensor, "k n"], Int[Tensor, "k n"]]:
        """The largest entry of `log_probability`, and the class that has it."""
        largest, prediction = self.log_probability.max(dim=-1)
        return largest, prediction

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
    """Return the signals and outcomes of observations of the same examples, in training order."""
    first = observations[0]
    if len(observations) == 1:
        return first
    signals = {
        name: _concatenated([getattr(observation, name) for observation in observations])
        for name in (*_SIGNAL_FIELDS, "logits_finite")
    }
    outcomes = {
        name: torch.cat([observation.outcomes[name] for observation in observations])
        for name in first.outcomes
    }
    return replace(first, **signals, outcomes=outcomes)


def _concatenated(values: Sequence[Tensor | None]) -> Tensor | None:
    present = [value for value in values if value is not None]
    return torch.cat(present) if present else None


def not_finite_rows(signal: Float[Tensor, "k n *rest"]) -> Bool[Tensor, "k n"]:
    """Return which examples have a value that is NaN or infinite."""
    values = signal.flatten(start_dim=2) if signal.ndim > 2 else signal[..., None]
    # A sum reads each value once and writes nothing. If it is finite, so are all values; otherwise
    # the values are checked one by one. On a GPU, reading the sum would stall the queue.
    if signal.device.type == "cpu" and bool(values.sum(dim=-1).isfinite().all()):
        return torch.zeros(values.shape[:2], dtype=torch.bool)
    return ~values.isfinite().all(dim=-1)
