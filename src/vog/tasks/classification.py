"""Classification: one class of several is right; the softmax of the logits is its probability."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from vog.errors import ModelError
from vog.observation import Observation, Outcome, Signal
from vog.tasks.protocol import Task
from vog.tasks.targets import TARGETS, Target
from vog.wording import option

# Outcomes of more logits than this are computed in parts, so that copies of them stay small.
_PART_BYTES = 2**23


@dataclass(frozen=True)
class Classification(Task):
    """The task of a classifier that is trained with the cross-entropy of its logits."""

    @property
    def name(self) -> str:
        """The default task."""
        return "classification"

    @property
    def outcomes(self) -> frozenset[Outcome]:
        """All outcomes of an example."""
        return frozenset(_FUNCTIONS)

    @property
    def loss(self) -> Target:
        """The cross-entropy in nats."""
        return TARGETS["loss"]

    @property
    def targets(self) -> Mapping[str, Target]:
        """The logit or the probability of a class, and the loss."""
        return TARGETS

    @property
    def has_classes(self) -> bool:
        """True: the label is the number of a class."""
        return True

    def check_outputs(self, values: Float[Tensor, "n *outputs"]) -> None:
        """Raise ModelError unless these can be logits of two classes or more."""
        shape = tuple(values.shape)
        if values.ndim != 2 or shape[1] < 2:
            raise ModelError(
                f"the model returns shape {shape}; expected ({shape[0]}, classes) with at least 2 "
                f"classes. {_advice(values)}"
            )
        if bool(((values >= 0).all(dim=1) & ((values.sum(dim=1) - 1).abs() < 1e-4)).all()):
            kind = "probabilities (no value is negative and each row sums to 1)"
        elif bool((values.logsumexp(dim=1).abs() < 1e-4).all()):
            kind = "log-probabilities (the exponentials of each row sum to 1)"
        else:
            return
        raise ModelError(
            f"the model returns {kind}; expected logits, before the softmax: the gradient of "
            f"another quantity is a different score. Return what goes into the softmax."
        )

    def count_outputs(self, values: Float[Tensor, "n *outputs"]) -> int:
        """Return the number of classes."""
        return values.shape[-1]

    def are_labels(
        self, labels: Shaped[np.ndarray, "n *label"], outputs: int
    ) -> Bool[np.ndarray, "n"]:
        """Return which labels are classes of the model."""
        if labels.ndim != 1:
            return np.zeros(len(labels), bool)
        return (labels >= 0) & (labels < outputs) & (labels == np.floor(labels))

    def expected_labels(self, outputs: int) -> str:
        """Return what labels have to be."""
        return f"the model's classes 0 to {outputs - 1}"

    def predicted(
        self, values: Float[Tensor, "n *outputs"], labels: Shaped[Tensor, "n *label"]
    ) -> Shaped[Tensor, "n *aligned"]:
        """Return the class with the largest logit."""
        return values.argmax(dim=-1)

    def outcome(self, observation: Observation, name: Outcome) -> Tensor:
        """Return one outcome of the observed logits and labels."""
        return _FUNCTIONS[name](observation)

    def complete(self, observation: Observation, names: frozenset[Outcome]) -> Observation:
        """Return the observation with these outcomes; unchanged if it has no logits."""
        logits = observation.logits
        if logits is None:
            return observation
        rows = max(1, _PART_BYTES * logits.shape[1] // max(1, logits.nbytes))
        if rows >= logits.shape[1]:
            return replace(observation, outcomes=self._outcomes(observation, names))
        parts = [
            self._outcomes(Observation(labels, logits[:, start : start + rows]), names)
            for start in range(0, logits.shape[1], rows)
            for labels in [observation.labels[start : start + rows]]
        ]
        outcomes = {name: torch.cat([part[name] for part in parts], dim=1) for name in names}
        return replace(observation, outcomes=outcomes)

    def _outcomes(
        self, observation: Observation, names: frozenset[Outcome]
    ) -> dict[Outcome, Tensor]:
        # All outcomes share the softmax, which the new observation computes once.
        completed = replace(observation, outcomes={})
        return {name: self.outcome(completed, name) for name in sorted(names)}


def _advice(values: Float[Tensor, "n *outputs"]) -> str:
    """Return which task has outputs of this shape."""
    if values[0].numel() == 1:
        return f"For one logit and labels 0 and 1, pass {option('task', 'binary')}."
    if values.ndim > 2:
        return f"For a class of every token or pixel, pass {option('task', 'tokens')}."
    return "Return one logit a class."


def _loss(observation: Observation) -> Float[Tensor, "k n"]:
    """Return -log p(label), in nats."""
    return -observation.label_log_probability


def _confidence(observation: Observation) -> Float[Tensor, "k n"]:
    """Return p(label), in [0, 1]."""
    return observation.label_log_probability.exp()


def _correct(observation: Observation) -> Float[Tensor, "k n"]:
    """Return 1 where the label has the largest logit, 0 elsewhere."""
    return (observation.signal(Signal.LOGITS).argmax(dim=-1) == observation.labels).float()


def _error(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the Euclidean distance of the probabilities from the one-hot label, in [0, sqrt 2]."""
    return (observation.log_probability.exp() - observation.is_label).norm(dim=-1)


def _margin(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the label's logit minus the largest other; negative where the model is wrong."""
    logits = observation.signal(Signal.LOGITS)
    is_label = observation.is_label.bool()
    largest_other = logits.masked_fill(is_label, -torch.inf).amax(dim=-1)
    return logits.masked_fill(~is_label, 0).sum(dim=-1) - largest_other


def _entropy(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the entropy of the prediction in nats, in [0, log classes]; it needs no label."""
    return torch.special.entr(observation.log_probability.exp()).sum(dim=-1)


def _prediction(observation: Observation) -> Int[Tensor, "k n"]:
    """Return the class with the largest probability."""
    return observation.largest_log_probability[1]


def _prediction_probability(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the probability of the predicted class, in [0, 1]."""
    return observation.largest_log_probability[0].exp()


def _probabilities(observation: Observation) -> Float[Tensor, "k n classes"]:
    """Return the probabilities of all classes."""
    return observation.log_probability.exp()


_FUNCTIONS: Mapping[Outcome, Callable[[Observation], Tensor]] = {
    Outcome.LOSS: _loss,
    Outcome.CONFIDENCE: _confidence,
    Outcome.MARGIN: _margin,
    Outcome.CORRECT: _correct,
    Outcome.ENTROPY: _entropy,
    Outcome.ERROR: _error,
    Outcome.PREDICTION: _prediction,
    Outcome.PREDICTION_PROBABILITY: _prediction_probability,
    Outcome.PROBABILITIES: _probabilities,
}
CLASSIFICATION = Classification()
