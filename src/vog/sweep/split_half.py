"""Score some rows on each half of the checkpoints, to measure split-half reliability.

Every other checkpoint of a stage forms a half. How well the rankings by the two halves agree shows
how much a score depends on which checkpoints were saved. Halves are folded from the observations of
the sweep, so they need no extra pass of the model. A score has halves at a stage if both halves
have at least its `min_checkpoints`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from vog.checkpoints import Stage
from vog.checkpoints.stages import restrict_stages
from vog.data import Examples
from vog.data.sampling import row_hashes
from vog.observation import Observation, Signal
from vog.result.rows import HALVES, half_of, whole_of
from vog.scores import Score
from vog.sweep.fold import StageFold, column_name
from vog.tasks import Task

# The error of a correlation is about 0.01 with this many rows; millions would double the states.
ROWS = 5000


def halved_share(examples: int) -> float:
    """Return the share of the rows that are halved, in (0, 1]."""
    return min(1.0, ROWS / examples)


def is_halved(rows: Int[np.ndarray, "m"], examples: Examples) -> Bool[np.ndarray, "m"]:
    """Return which of these rows, as the run counts them, are halved.

    In a sample these are the first rows, so that they stay the same if the sample grows.
    """
    return halved_rows(rows, len(examples)) if examples.rows is None else rows < ROWS


def halved_rows(rows: Int[np.ndarray, "m"], examples: int) -> Bool[np.ndarray, "m"]:
    """Return which of these rows are halved; the result does not depend on the batches."""
    if examples <= ROWS:
        return np.ones(len(rows), bool)
    return row_hashes(rows) < np.uint64(int(2**64 * halved_share(examples)))


def half_stages(stages: Sequence[Stage], half: int, least: int) -> tuple[Stage, ...]:
    """Return the stages of one half, cut from its checkpoints, without those that are too short.

    Args:
        stages: stages of all checkpoints; `all` is the last of them.
        half: 0 for the first, third, ... checkpoint, 1 for the second, fourth, ...
        least: checkpoints that the least demanding score needs, in either half.
    """
    count = stages[-1].stop
    stages_by_half = [
        restrict_stages(stages, range(start, count, 2)) for start in range(len(HALVES))
    ]
    return tuple(
        stage
        for stage, *pair in zip(stages_by_half[half], *stages_by_half, strict=True)
        if all(half_stage.stop - half_stage.start >= least for half_stage in pair)
    )


@dataclass
class Halves:
    """Score states of both halves of one batch; observations are added in training order.

    Attributes:
        rows: positions in the batch of the rows that are halved.
        folds: the fold of the odd checkpoints and the fold of the even ones.
    """

    rows: Int[Tensor, "m"]
    folds: tuple[StageFold, StageFold]
    _count: int = 0

    @classmethod
    def start(
        cls,
        stages: tuple[Stage, ...],
        scores: Sequence[Score],
        needs: frozenset[Signal],
        task: Task,
        halved: Bool[np.ndarray, "n"],
    ) -> "Halves":
        """Return empty states for a batch; `halved` marks the rows of it that are halved."""
        least = min(score.min_checkpoints for score in scores)
        odd, even = (
            StageFold(half_stages(stages, half, least), scores, needs, task, keep_predictions=False)
            for half in (0, 1)
        )
        return cls(torch.from_numpy(np.flatnonzero(halved)), (odd, even))

    def add(self, observation: Observation) -> None:
        """Add the observation of the next checkpoint."""
        fold = self.folds[self._count % 2]
        if len(self.rows) and fold.stages:
            fold.add(_select_rows(observation, self.rows))
        self._count += 1

    def values(self, count: int) -> dict[str, Shaped[np.ndarray, "n"]]:
        """Return, by column, numbers for the `count` examples of the batch; NaN if not halved."""
        columns: dict[str, np.ndarray] = {}
        for name, fold in zip(HALVES, self.folds, strict=True):
            states = fold.states() if len(self.rows) else {}
            for stage, index in self._stages_and_scores():
                score, full = fold.scores[index], np.full(count, np.nan, np.float32)
                if states:
                    values = score.compute(states[stage][index])
                    full[self.rows.numpy()] = values.float().cpu().numpy()
                columns[half_of(column_name(score, stage), name)] = full
        return columns

    def _stages_and_scores(self) -> Iterator[tuple[str, int]]:
        """Yield stages with the index of each score that has enough checkpoints in both halves."""
        for odd, even in zip(*(fold.stages for fold in self.folds), strict=True):
            shorter = min(odd.stop - odd.start, even.stop - even.start)
            for index, score in enumerate(self.folds[0].scores):
                if shorter >= score.min_checkpoints:
                    yield odd.name, index


def nan_where_undefined(
    halves: Mapping[str, Shaped[np.ndarray, "n"]], scores: Mapping[str, Shaped[np.ndarray, "n"]]
) -> dict[str, Shaped[np.ndarray, "n"]]:
    """Return the halves, with NaN where the score over all checkpoints is NaN."""
    return {
        name: np.where(np.isnan(scores[whole_of(name)]), np.nan, values)
        for name, values in halves.items()
    }


def _select_rows(observation: Observation, rows: Int[Tensor, "m"]) -> Observation:
    """Return the observation of some of the examples."""
    if len(rows) == len(observation.labels):
        return observation
    return observation.select_rows(rows.to(observation.labels.device))
