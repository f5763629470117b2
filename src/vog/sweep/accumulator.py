"""From the observations of one batch, checkpoint by checkpoint, to its columns: one way for all.

Scores that need a signal which is not finite in their stage are NaN, and so are scores of gradients
whose squares overflow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float16, Shaped

from vog.checkpoints import Stage
from vog.observation import Observation, Signal
from vog.result.rows import is_half
from vog.scores import Score, needs_of
from vog.sweep.fold import StageFold, States, column_name, not_finite_by_checkpoint
from vog.sweep.projection import Projection
from vog.sweep.split_half import Halves, nan_where_undefined
from vog.tasks import Task


@dataclass(frozen=True)
class ScorePlan:
    """What is accumulated of each batch.

    Attributes:
        stages: the stages of the checkpoints.
        scores: the scores at each stage.
        task: makes the outcomes that the scores read.
        keeps_probabilities: the probabilities of all classes are kept, at each stage.
        projection: makes features of the last checkpoint into the numbers that are kept.
    """

    stages: tuple[Stage, ...]
    scores: tuple[Score, ...]
    task: Task
    keeps_probabilities: bool = False
    projection: Projection | None = None


@dataclass(frozen=True)
class Columns:
    """The columns of a batch, by stage or by column, one entry an example.

    Attributes:
        scores: of all checkpoints and of their halves; NaN where a score is not defined.
        predictions: the class that the last checkpoint of the stage predicts; -1 if its logits are
            not finite. Empty without logits.
        probabilities: of that class.
        distributions: the probabilities of all classes, if they are kept.
        not_finite: by signal, checkpoints x examples: the signal is not finite.
        features: under the last checkpoint, projected, if they are kept.
    """

    scores: dict[str, Shaped[np.ndarray, "n"]]
    predictions: dict[str, Shaped[np.ndarray, "n"]]
    probabilities: dict[str, Shaped[np.ndarray, "n"]]
    distributions: dict[str, Float16[np.ndarray, "n classes"]]
    not_finite: dict[Signal, Bool[np.ndarray, "checkpoints n"]]
    features: Float16[np.ndarray, "n columns"] | None = None

    @property
    def undefined(self) -> dict[int, str]:
        """The position of each example that lacks a score, with the name of such a score."""
        return {
            int(position): column.partition("@")[0]
            for column, values in self.scores.items()
            if not is_half(column)
            for position in np.flatnonzero(np.isnan(values))
        }


class Accumulator:
    """The states of all scores for one batch; observations are added in training order."""

    def __init__(self, plan: ScorePlan, halved: Bool[np.ndarray, "n"]) -> None:
        """Start a batch; `halved` marks the examples that are also scored on half checkpoints."""
        needs = needs_of(plan.scores)
        distributions = {} if plan.keeps_probabilities else None
        self._plan, self._count, self._needs = plan, len(halved), needs
        self._features: np.ndarray | None = None
        self._fold = StageFold(
            plan.stages, plan.scores, needs, plan.task, distributions=distributions
        )
        self._halves = Halves.start(plan.stages, plan.scores, needs, plan.task, halved)

    def add(self, observation: Observation) -> None:
        """Add the observation of the next checkpoint."""
        if observation.features is not None and self._plan.projection is not None:
            self._features = self._plan.projection.apply(observation.features[-1])
        if Signal.FEATURES not in self._needs:  # else observations with and without would mix
            observation = replace(observation, features=None)
        self._fold.add(observation)
        self._halves.add(observation)

    def half_columns(self) -> list[str]:
        """Return the names of the columns of halves."""
        return list(self._halves.values(self._count))

    def columns(self) -> Columns:
        """Return the columns, after the observations of all checkpoints were added."""
        bad = not_finite_by_checkpoint(self._fold.not_finite)
        scores = _score_columns(self._plan, self._fold.states(), bad)
        halves = nan_where_undefined(self._halves.values(self._count), scores)
        ends = {stage.name: stage.stop - 1 for stage in self._plan.stages}
        predictions, probabilities = dict[str, np.ndarray](), dict[str, np.ndarray]()
        if self._fold.predictions:
            predicted, probability = (
                torch.cat(values).cpu().numpy()
                for values in zip(*self._fold.predictions, strict=True)
            )
            no_logits = bad[Signal.LOGITS]
            predictions = {
                stage: np.where(no_logits[end], -1, predicted[end]) for stage, end in ends.items()
            }
            probabilities = {stage: probability[end] for stage, end in ends.items()}
        kept = self._fold.distributions or {}
        distributions = {
            stage: kept[end + 1].cpu().numpy() for stage, end in ends.items() if end + 1 in kept
        }
        return Columns(
            scores | halves, predictions, probabilities, distributions, bad, self._features
        )


def _score_columns(
    plan: ScorePlan, states: Mapping[str, States], bad: Mapping[Signal, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the scores by column; NaN where `bad` has a signal that they need in the stage."""
    columns: dict[str, np.ndarray] = {}
    for stage in plan.stages:
        within = slice(stage.start, stage.stop)
        for score, state in zip(plan.scores, states[stage.name], strict=True):
            values = score.compute(state).float().cpu().numpy()
            needs = needs_of([score])
            # A gradient can be finite though the logits are not: a ReLU blocks it.
            checked = [signal for signal in needs | {Signal.LOGITS} if signal in bad]
            spoiled = [bad[signal][within].any(axis=0) for signal in checked]
            if needs - {Signal.LOGITS}:
                # The square of a finite gradient overflowed. Scores of logits may be infinite.
                spoiled.append(np.isinf(values))
            columns[column_name(score, stage.name)] = np.where(
                np.any(spoiled, axis=0), np.nan, values
            )
    return columns
