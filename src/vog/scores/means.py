"""Scores that are the mean or the spread, over checkpoints, of one number a checkpoint.

None of them uses an input gradient: they need the logits, and `grand` needs the last layer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vog import moments
from vog.moments import Moments
from vog.scores.protocol import Direction, Observation, Signal

PerCheckpoint = Callable[[Observation], Float[Tensor, "k n"]]
_INFINITY = float("inf")


@dataclass(frozen=True)
class MeanOverTraining:
    """The mean over checkpoints of a number that is computed for each checkpoint."""

    name: str
    per_checkpoint: PerCheckpoint
    higher_means: Direction
    range: tuple[float, float]
    unit: str
    source: str
    needs: frozenset[Signal] = frozenset({Signal.LOGITS})
    min_checkpoints: int = 1
    uses_label: bool = True

    def init(self, observation: Observation) -> Moments:
        return moments.moments_of(self.per_checkpoint(observation))

    def merge(self, earlier: Moments, later: Moments) -> Moments:
        return moments.merge(earlier, later)

    def compute(self, state: Moments) -> Float[Tensor, "n"]:
        return state.mean


@dataclass(frozen=True)
class SpreadOverTraining(MeanOverTraining):
    """The population standard deviation over checkpoints of such a number."""

    min_checkpoints: int = 2

    def compute(self, state: Moments) -> Float[Tensor, "n"]:
        return moments.std(state)


def cross_entropy(observation: Observation) -> Float[Tensor, "k n"]:
    """Return -log p(label), in nats."""
    return -observation.label_log_probability


def label_probability(observation: Observation) -> Float[Tensor, "k n"]:
    """Return p(label), in [0, 1]."""
    return observation.label_log_probability.exp()


def is_right(observation: Observation) -> Float[Tensor, "k n"]:
    """Return 1 where the label has the largest logit, 0 elsewhere."""
    return (observation.signal(Signal.LOGITS).argmax(dim=-1) == observation.labels).float()


def error_norm(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the Euclidean distance of the probabilities from the one-hot label, in [0, sqrt 2]."""
    return (observation.log_probability.exp() - observation.is_label).norm(dim=-1)


def margin(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the label's logit minus the largest other; negative where the model is wrong."""
    logits = observation.signal(Signal.LOGITS)
    is_label = observation.is_label.bool()
    largest_other = logits.masked_fill(is_label, -torch.inf).amax(dim=-1)
    return logits.masked_fill(~is_label, 0).sum(dim=-1) - largest_other


def entropy(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the entropy of the prediction in nats, in [0, log classes]; it needs no label."""
    return torch.special.entr(observation.log_probability.exp()).sum(dim=-1)


def label_variance(observation: Observation) -> Float[Tensor, "k n"]:
    """Return p(1 - p), where p is the probability of the label, in [0, 1/4]."""
    p = label_probability(observation)
    return p * (1 - p)


def last_layer_norm(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the gradient norm, as the model adapter computes it."""
    return observation.signal(Signal.LAST_LAYER_NORM)


LOSS = MeanOverTraining(
    "loss", cross_entropy, "harder", (0.0, _INFINITY), "nats", "mean cross-entropy over training"
)
EL2N = MeanOverTraining(
    "el2n", error_norm, "harder", (0.0, 2**0.5), "probability", "Paul et al., NeurIPS 2021"
)
AUM = MeanOverTraining(
    "aum", margin, "easier", (-_INFINITY, _INFINITY), "logit", "Pleiss et al., NeurIPS 2020"
)
CONFIDENCE = MeanOverTraining(
    "confidence",
    label_probability,
    "easier",
    (0.0, 1.0),
    "probability",
    "Swayamdipta et al., EMNLP 2020",
)
VARIABILITY = SpreadOverTraining(
    "variability",
    label_probability,
    "harder",
    (0.0, 0.5),
    "probability",
    "Swayamdipta et al., EMNLP 2020",
)
CORRECTNESS = MeanOverTraining(
    "correctness",
    is_right,
    "easier",
    (0.0, 1.0),
    "share of checkpoints",
    "Swayamdipta et al., EMNLP 2020",
)
ENTROPY = MeanOverTraining(
    "entropy",
    entropy,
    "harder",
    (0.0, _INFINITY),
    "nats",
    "mean entropy of the prediction",
    uses_label=False,
)
ALEATORIC = MeanOverTraining(
    "aleatoric",
    label_variance,
    "harder",
    (0.0, 0.25),
    "squared probability",
    "Seedat et al., NeurIPS 2022 (Data-IQ)",
)
GRAND = MeanOverTraining(
    "grand",
    last_layer_norm,
    "harder",
    (0.0, _INFINITY),
    "nats per unit of weight",
    "Paul et al., NeurIPS 2021, last layer",
    needs=frozenset({Signal.LAST_LAYER_NORM}),
)
