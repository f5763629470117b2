"""Scores that are the mean or the spread, over checkpoints, of one number a checkpoint.

None of them uses an input gradient: they read outcomes of the task, and `grand` the last layer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vog import moments
from vog.moments import Moments
from vog.observation import Observation, Outcome, Signal
from vog.scores.protocol import Direction

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
    needs: frozenset[Signal | Outcome] = frozenset({Signal.LOGITS})
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


@dataclass(frozen=True)
class ReadOutcome:
    """Reads an outcome of the task."""

    name: Outcome

    def __call__(self, observation: Observation) -> Float[Tensor, "k n"]:
        """Return the outcome of each example under each checkpoint."""
        return observation.outcome(self.name)


def label_variance(observation: Observation) -> Float[Tensor, "k n"]:
    """Return p(1 - p), where p is the probability of the label, in [0, 1/4]."""
    p = observation.outcome(Outcome.CONFIDENCE)
    return p * (1 - p)


def last_layer_norm(observation: Observation) -> Float[Tensor, "k n"]:
    """Return the gradient norm of the last layer."""
    return observation.signal(Signal.LAST_LAYER_NORM)


LOSS = MeanOverTraining(
    "loss",
    ReadOutcome(Outcome.LOSS),
    "harder",
    (0.0, _INFINITY),
    "nats",
    "mean cross-entropy over training",
    needs=frozenset({Outcome.LOSS}),
)
EL2N = MeanOverTraining(
    "el2n",
    ReadOutcome(Outcome.ERROR),
    "harder",
    (0.0, 2**0.5),
    "probability",
    "Paul et al., NeurIPS 2021",
    needs=frozenset({Outcome.ERROR}),
)
AUM = MeanOverTraining(
    "aum",
    ReadOutcome(Outcome.MARGIN),
    "easier",
    (-_INFINITY, _INFINITY),
    "logit",
    "Pleiss et al., NeurIPS 2020",
    needs=frozenset({Outcome.MARGIN}),
)
CONFIDENCE = MeanOverTraining(
    "confidence",
    ReadOutcome(Outcome.CONFIDENCE),
    "easier",
    (0.0, 1.0),
    "probability",
    "Swayamdipta et al., EMNLP 2020",
    needs=frozenset({Outcome.CONFIDENCE}),
)
VARIABILITY = SpreadOverTraining(
    "variability",
    ReadOutcome(Outcome.CONFIDENCE),
    "harder",
    (0.0, 0.5),
    "probability",
    "Swayamdipta et al., EMNLP 2020",
    needs=frozenset({Outcome.CONFIDENCE}),
)
CORRECTNESS = MeanOverTraining(
    "correctness",
    ReadOutcome(Outcome.CORRECT),
    "easier",
    (0.0, 1.0),
    "share of checkpoints",
    "Swayamdipta et al., EMNLP 2020",
    needs=frozenset({Outcome.CORRECT}),
)
ENTROPY = MeanOverTraining(
    "entropy",
    ReadOutcome(Outcome.ENTROPY),
    "harder",
    (0.0, _INFINITY),
    "nats",
    "mean entropy of the prediction",
    needs=frozenset({Outcome.ENTROPY}),
    uses_label=False,
)
ALEATORIC = MeanOverTraining(
    "aleatoric",
    label_variance,
    "harder",
    (0.0, 0.25),
    "squared probability",
    "Seedat et al., NeurIPS 2022 (Data-IQ)",
    needs=frozenset({Outcome.CONFIDENCE}),
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
