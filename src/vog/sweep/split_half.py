"""The same scores from every other checkpoint, for some rows: what stability is told from.

Two halves of the checkpoints of a stage rank the examples each on its own; how well these
rankings agree says how much of a score is more than the accident of which checkpoints were saved.
They are folded from what the sweep observes anyway, so they cost no pass of the model. Each score
has halves where its own `min_checkpoints` fit in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from vog.checkpoints import Stage
from vog.checkpoints.stages import restrict_stages
from vog.data import Examples
from vog.data.sampling import row_hashes
from vog.result.rows import HALVES, half_of
from vog.scores import Observation, Score, Signal
from vog.sweep.fold import StageFold, column_name

# A correlation of so many rows is known to about 0.01, and millions would double the states.
ROWS = 5000


def halved_share(examples: int) -> float:
    """The share of the rows that are halved, in (0, 1]."""
    return min(1.0, ROWS / examples)


def is_halved(rows: Int[np.ndarray, "m"], examples: Examples) -> Bool[np.ndarray, "m"]:
    """Return which of these rows, as the run counts them, are halved.

    Of a sample the first ones: they are so whatever its size.
    """
    return halved_rows(rows, len(examples)) if examples.rows is None else rows < ROWS


def halved_rows(rows: Int[np.ndarray, "m"], examples: int) -> Bool[np.ndarray, "m"]:
    """Which of these rows are halved: the same ones whatever the batches are."""
    if examples <= ROWS:
        return np.ones(len(rows), bool)
    return row_hashes(rows) < np.uint64(int(2**64 * halved_share(examples)))


def half_stages(stages: Sequence[Stage], half: int, least: int) -> tuple[Stage, ...]:
    """The stages of one half, cut from its checkpoints; those that are too short are left out.

    Args:
        stages: of all checkpoints; `all` is the last of them.
        half: 0 for the first, third, ... checkpoint, 1 for the others.
        least: how many the least demanding score needs, in either half.
    """
    count = stages[-1].stop
    stages_by_half = [
        restrict_stages(stages, range(start, count, 2)) for start in range(len(HALVES))
    ]
    return tuple(
        stage
        for stage, *pair in zip(stages_by_half[half], *stages_by_half, strict=True)
        if all(start.stop - start.start >= least for start in pair)
    )


@dataclass
class Halves:
    """The states of both halves of one batch, while it is observed in training order.

    Attributes:
        rows: the positions in the batch of the rows that are halved.
        folds: of the odd checkpoints and of the even ones.
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
        halved: Bool[np.ndarray, "n"],
    ) -> "Halves":
        """Those of a batch, of which the wanted rows are halved."""
        least = min(score.min_checkpoints for score in scores)
        odd, even = (
            StageFold(half_stages(stages, half, least), scores, needs, keep_predictions=False)
            for half in (0, 1)
        )
        return cls(torch.from_numpy(np.flatnonzero(halved)), (odd, even))

    def add(self, observation: Observation) -> None:
        """Take in what the next checkpoint says."""
        fold = self.folds[self._count % 2]
        if len(self.rows) and fold.stages:
            fold.add(_select_rows(observation, self.rows))
        self._count += 1

    def values(self, count: int) -> dict[str, Shaped[np.ndarray, "n"]]:
        """By column, a number for each of the batch's `count` examples; NaN for the others."""
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
        """The stages, and the places of the scores that both halves have checkpoints enough for."""
        for odd, even in zip(*(fold.stages for fold in self.folds), strict=True):
            shorter = min(odd.stop - odd.start, even.stop - even.start)
            for index, score in enumerate(self.folds[0].scores):
                if shorter >= score.min_checkpoints:
                    yield odd.name, index


def nan_where_undefined(
    halves: Mapping[str, Shaped[np.ndarray, "n"]], scores: Mapping[str, Shaped[np.ndarray, "n"]]
) -> dict[str, Shaped[np.ndarray, "n"]]:
    """The halves, but NaN where the score of both together has no value."""
    return {
        name: np.where(np.isnan(scores[name.rpartition(".")[0]]), np.nan, values)
        for name, values in halves.items()
    }


def _select_rows(observation: Observation, rows: Int[Tensor, "m"]) -> Observation:
    """What was observed of some of the examples."""
    if len(rows) == len(observation.labels):
        return observation
    device_rows = rows.to(observation.labels.device)

    def select(signal: Tensor | None) -> Tensor | None:
        return None if signal is None else signal[:, device_rows]

    return replace(
        observation,
        labels=observation.labels[device_rows],
        logits=select(observation.logits),
        input_gradient=select(observation.input_gradient),
        loss_gradient=select(observation.loss_gradient),
        last_layer_norm=select(observation.last_layer_norm),
    )
