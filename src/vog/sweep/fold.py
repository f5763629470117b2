"""Fold the observations of one batch, checkpoint by checkpoint, into score states by stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vog.checkpoints import Stage, segments
from vog.observation import Observation, Outcome, Signal, concat, not_finite_rows
from vog.scores import Score, outcomes_of
from vog.tasks import Task

States = list[Any]
# Observations of several checkpoints are folded together while they fit a processor's cache:
# for a small batch, fifteen scores cost more time in calls than in arithmetic.
_MOST_BYTES = 2**23
PREDICTED = frozenset({Outcome.PREDICTION, Outcome.PREDICTION_PROBABILITY})


NotFinite = dict[Signal, Tensor]  # booleans, k x n: the signal is not finite
Prediction = tuple[Tensor, Tensor]  # predicted classes and their probabilities, k x n


@dataclass
class StageFold:
    """Score states of one batch; observations are added in training order.

    Attributes:
        task: makes the outcomes that the scores read.
        keep_predictions: whether predictions are kept, too, and which signals are not finite.
        distributions: if it is a dict, it receives the probabilities of all classes under the
            last checkpoint of each stage, by the number of checkpoints up to there.
    """

    stages: tuple[Stage, ...]
    scores: Sequence[Score]
    needs: frozenset[Signal]
    task: Task
    keep_predictions: bool = True
    predictions: list[Prediction] = field(default_factory=list)
    not_finite: list[NotFinite] = field(default_factory=list)
    distributions: dict[int, Float[Tensor, "n classes"]] | None = None
    _states: dict[range, States] = field(default_factory=dict)
    _observations: list[Observation] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self._segments = segments(self.stages)
        predicted = (
            PREDICTED & self.task.outcomes if self.keep_predictions else frozenset[Outcome]()
        )
        self._outcomes = outcomes_of(self.scores) | predicted

    def add(self, observation: Observation) -> None:
        """Add the observation of the next checkpoint."""
        self._observations.append(observation)
        self._count += 1
        ends_segment = any(self._count == segment.stop for segment in self._segments)
        if ends_segment or observation.nbytes * (len(self._observations) + 1) > _MOST_BYTES:
            self._flush()

    def states(self) -> dict[str, States]:
        """Return the states by stage, after the observations of all checkpoints were added."""
        return {
            stage.name: reduce(
                self._merge,
                (states for segment, states in self._states.items() if segment.start in stage),
            )
            for stage in self.stages
        }

    def _flush(self) -> None:
        last = self._observations[-1]
        observation = self.task.complete(concat(self._observations), self._outcomes)
        self._observations.clear()
        if self.keep_predictions:
            self.not_finite.append(not_finite_signals(observation, self.needs))
            # Stored gradients have no logits, and not every task has predictions.
            if observation.outcomes.keys() >= PREDICTED:
                self.predictions.append(prediction_of(observation))
        if self.distributions is not None and any(s.stop == self._count for s in self.stages):
            # A probability below 6e-8, the smallest of float16, is 0.
            probabilities = self.task.outcome(last, Outcome.PROBABILITIES)
            self.distributions[self._count] = probabilities[-1].half()
        segment = next(span for span in self._segments if self._count - 1 in span)
        states = [score.init(observation) for score in self.scores]
        earlier = self._states.get(segment)
        self._states[segment] = states if earlier is None else self._merge(earlier, states)

    def _merge(self, earlier: States, later: States) -> States:
        return [score.merge(a, b) for score, a, b in zip(self.scores, earlier, later, strict=True)]


def column_name(score: Score, stage: str) -> str:
    """Return the column of a score at a stage, such as `vog@late`."""
    return f"{score.name}@{stage}"


def prediction_of(observation: Observation) -> Prediction:
    """Return the predicted classes and their probabilities, which are outcomes in `PREDICTED`."""
    return (
        observation.outcome(Outcome.PREDICTION),
        observation.outcome(Outcome.PREDICTION_PROBABILITY),
    )


def not_finite_signals(observation: Observation, needs: frozenset[Signal]) -> NotFinite:
    """Return, of the signals that are needed and of the logits, where they are not finite."""
    finite = observation.logits_finite
    observed = needs if observation.logits is None else needs | {Signal.LOGITS}
    observed -= set() if finite is None else {Signal.LOGITS}
    by_signal = {
        signal: not_finite_rows(observation.signal(signal))
        for signal in Signal
        if signal in observed
    }
    return by_signal if finite is None else {Signal.LOGITS: ~finite, **by_signal}


def not_finite_by_checkpoint(segments: Sequence[NotFinite]) -> dict[Signal, np.ndarray]:
    """Return, by signal, checkpoints x examples: whether the signal is not finite."""
    return {
        signal: torch.cat([segment[signal] for segment in segments]).cpu().numpy()
        for signal in segments[0]
    }
