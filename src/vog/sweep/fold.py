"""A block of examples meets every checkpoint and becomes rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vog.checkpoints import Stage, segments
from vog.data import Batch
from vog.models import Weights
from vog.result.rows import Meaning, Rows
from vog.scores import Observation, Score, Signal, together
from vog.sweep.guards import check_labels
from vog.sweep.job import Job

States = list[Any]
# Looks at several checkpoints are folded at once, as long as they fit a processor's cache:
# fifteen scores of a small batch cost more calls than arithmetic.
_TOGETHER = 2**23


@dataclass(frozen=True)
class Look:
    """What is kept of some checkpoints' observation beside the states of the scores."""

    not_finite: dict[Signal, Bool[Tensor, "k n"]]
    prediction: Tensor
    probability: Float[Tensor, "k n"]


@dataclass
class Fold:
    """The states of the scores of one batch, while it is observed in training order."""

    stages: tuple[Stage, ...]
    scores: Sequence[Score]
    needs: frozenset[Signal]
    looks: list[Look] = field(default_factory=list)
    _states: dict[range, States] = field(default_factory=dict)
    _seen: list[Observation] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self._segments = segments(self.stages)

    def add(self, seen: Observation) -> None:
        """Take in what the next checkpoint says."""
        self._seen.append(seen)
        self._count += 1
        at_an_end = any(self._count == segment.stop for segment in self._segments)
        if at_an_end or seen.nbytes * (len(self._seen) + 1) > _TOGETHER:
            self._flush()

    def states(self) -> dict[str, States]:
        """By stage, when every checkpoint was taken in."""
        return {
            stage.name: reduce(
                self._merged,
                (states for segment, states in self._states.items() if segment.start in stage),
            )
            for stage in self.stages
        }

    def _flush(self) -> None:
        seen = together(self._seen)
        self._seen.clear()
        if seen.logits is not None:  # there are none beside stored gradients
            self.looks.append(look_at(seen, self.needs))
        segment = next(one for one in self._segments if self._count - 1 in one)
        states = [score.init(seen) for score in self.scores]
        before = self._states.get(segment)
        self._states[segment] = states if before is None else self._merged(before, states)

    def _merged(self, earlier: States, later: States) -> States:
        return [s.merge(a, b) for s, a, b in zip(self.scores, earlier, later, strict=True)]


def rows_of(job: Job, block: Batch, size: int | None = None) -> list[Rows]:
    """The rows of a block: every score at every stage, and what the stage's end predicts.

    A row whose signals are not finite at some checkpoint has no score that needs them in a
    stage with that checkpoint, and is marked.

    Args:
        job: what is asked.
        block: the examples; each checkpoint's weights are at hand once for all of them.
        size: how many of them are computed together; by default the job's batch size.
    """
    batches = block.split(size or job.batch_size)
    folds = [Fold(job.stages, job.scores, job.needs) for _ in batches]
    observe = observer(job, batches)
    for weights in job.weights.each() if len(block.at) else ():
        for batch, fold in zip(batches, folds, strict=True):
            if len(batch.at):
                fold.add(observe(weights, batch))
    return [_rows(job, batch, fold) for batch, fold in zip(batches, folds, strict=True)]


def observer(job: Job, batches: Sequence[Batch]) -> Callable[[Weights, Batch], Observation]:
    """What the weights of a checkpoint say about the readable examples of each of some batches.

    Raises:
        DataError: a label outside the classes; a dataset may only tell its labels when it is read.
    """
    placed: dict[range, tuple[Tensor, Tensor, Tensor | None]] = {}
    for batch in batches:
        labels, positions = batch.labels[batch.at], batch.at.numpy()
        check_labels(labels.numpy(), positions + batch.rows.start, job.examples, job.classes)
        if len(positions):
            inputs = job.model.place(batch.inputs)
            on_device = labels.to(inputs.device)
            placed[batch.rows] = inputs, on_device, _aim(job, inputs, on_device)

    def observe(weights: Weights, batch: Batch) -> Observation:
        inputs, labels, aim = placed[batch.rows]
        return job.model.observe(weights, inputs, labels, job.needs, aim)

    return observe


def _aim(job: Job, inputs: Tensor, labels: Tensor) -> Tensor | None:
    if not job.aim_at_prediction:
        return None
    last = job.model.observe(job.weights.last, inputs, labels, frozenset({Signal.LOGITS}))
    return last.signal(Signal.LOGITS)[0].argmax(dim=-1)


def _rows(job: Job, batch: Batch, fold: Fold) -> Rows:
    positions, labels = batch.at.numpy(), batch.labels.numpy()
    ids = job.examples.ids[batch.rows.start : batch.rows.stop]
    problems = {at: f"unreadable: {why}" for at, why in batch.problems.items()}
    if not len(positions):
        nothing = np.empty(0)
        predictions = {stage.name: np.empty(0, np.int64) for stage in job.stages}
        probabilities = dict.fromkeys(predictions, nothing)
        values = dict.fromkeys(meanings(job.scores, job.stages), nothing)
        return Rows(
            batch.rows, ids, labels, positions, predictions, probabilities, values, problems
        )
    bad = not_finite_by_checkpoint(fold.looks)
    scores = _values(job, fold.states(), bad)
    overflown = {
        int(positions[i]): f"not finite: {name.partition('@')[0]}"
        for name, values in scores.items()
        for i in np.flatnonzero(np.isnan(values))
    }
    last = {stage.name: stage.stop - 1 for stage in job.stages}
    prediction = torch.cat([look.prediction for look in fold.looks]).cpu().numpy()
    probability = torch.cat([look.probability for look in fold.looks]).cpu().numpy()
    no_logits = bad[Signal.LOGITS]
    return Rows(
        batch.rows,
        ids,
        labels,
        positions,
        {stage: np.where(no_logits[t], -1, prediction[t]) for stage, t in last.items()},
        {stage: probability[t] for stage, t in last.items()},
        scores,
        problems | overflown | not_finite(job, positions, bad),
    )


def _values(
    job: Job, states: dict[str, States], bad: dict[Signal, np.ndarray]
) -> dict[str, np.ndarray]:
    """By column, the scores; NaN where what they need is not finite in the stage."""
    columns: dict[str, np.ndarray] = {}
    for stage in job.stages:
        within = slice(stage.start, stage.stop)
        for score, state in zip(job.scores, states[stage.name], strict=True):
            values = score.compute(state).float().cpu().numpy()
            # A gradient can be finite where the logits are not: ReLU stops it.
            spoiled = [bad[s][within].any(axis=0) for s in score.needs | {Signal.LOGITS}]
            if score.needs - {Signal.LOGITS}:
                # A finite gradient whose square overflows; for others infinity has a meaning.
                spoiled.append(np.isinf(values))
            columns[column_name(score, stage.name)] = np.where(
                np.any(spoiled, axis=0), np.nan, values
            )
    return columns


def column_name(score: Score, stage: str) -> str:
    """`vog@late`."""
    return f"{score.name}@{stage}"


def meanings(scores: Sequence[Score], stages: Sequence[Stage]) -> dict[str, Meaning]:
    """By column, what the score in it means."""
    return {
        column_name(score, stage.name): Meaning(
            score.name, score.higher_means, score.range, score.unit, score.source
        )
        for stage in stages
        for score in scores
    }


def look_at(seen: Observation, needs: frozenset[Signal]) -> Look:
    """Prediction, its probability, and which signals are not finite."""
    probability, prediction = seen.log_probability.max(dim=-1)
    bad = {
        signal: _not_finite(seen.signal(signal))
        for signal in Signal
        if signal in needs or signal is Signal.LOGITS
    }
    return Look(bad, prediction, probability.exp())


def _not_finite(signal: Float[Tensor, "k n *rest"]) -> Bool[Tensor, "k n"]:
    """Where an example has a value that is no number, or infinite."""
    values = signal.flatten(start_dim=2) if signal.ndim > 2 else signal[..., None]
    # A sum reads each value once and writes none; on a GPU asking for it would stop the queue.
    # A finite sum is of finite values, and of any other the values themselves decide.
    if signal.device.type == "cpu" and bool(values.sum(dim=-1).isfinite().all()):
        return torch.zeros(values.shape[:2], dtype=torch.bool)
    return ~values.isfinite().all(dim=-1)


def not_finite_by_checkpoint(looks: Sequence[Look]) -> dict[Signal, np.ndarray]:
    """By signal, checkpoints x examples: where it is not finite."""
    return {
        signal: torch.cat([look.not_finite[signal] for look in looks]).cpu().numpy()
        for signal in looks[0].not_finite
    }


def not_finite(job: Job, positions: np.ndarray, bad: dict[Signal, np.ndarray]) -> dict[int, str]:
    """By position in the batch, the first signal and step that were not finite."""
    problems: dict[int, str] = {}
    for signal, by_checkpoint in bad.items():
        for column in np.flatnonzero(by_checkpoint.any(axis=0)):
            step = job.files[int(by_checkpoint[:, column].argmax())].step
            problems.setdefault(int(positions[column]), f"not finite: {signal} at step {step}")
    return problems
