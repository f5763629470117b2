"""Compute the rows of a block of examples: its scores over all checkpoints."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vog.checkpoints import Stage
from vog.data import UNLABELLED, Batch
from vog.models import Weights
from vog.observation import Observation, Signal
from vog.result.rows import Meaning, RowBlock
from vog.scores import Score, needs_of, uses_label
from vog.sweep.fold import StageFold, States, column_name, not_finite_by_checkpoint
from vog.sweep.job import Job
from vog.sweep.preflight import check_labels
from vog.sweep.split_half import Halves, is_halved, nan_where_undefined


def rows_of(job: Job, block: Batch, size: int | None = None) -> list[RowBlock]:
    """Return the rows of a block: all scores and the last prediction of every stage.

    The weights of each checkpoint are loaded once for the whole block; `size` examples are computed
    together, by default the job's batch size. Scores that need a signal which is not finite in
    their stage are NaN, and the row is marked.
    """
    batches = block.split(size or job.batch_size)
    folds = [
        StageFold(
            job.stages,
            job.scores,
            job.needs,
            job.task,
            distributions={} if job.keeps_probabilities else None,
        )
        for _ in batches
    ]
    batch_halves = [_start_halves(job, batch) for batch in batches]
    observe = observer(job, batches)
    for weights in job.weights.each() if len(block.positions) else ():
        for batch, fold, halves in zip(batches, folds, batch_halves, strict=True):
            if len(batch.positions):
                observation = observe(weights, batch)
                fold.add(observation)
                halves.add(observation)
    return [_rows(job, *state) for state in zip(batches, folds, batch_halves, strict=True)]


def _start_halves(job: Job, batch: Batch) -> Halves:
    halved = is_halved(batch.positions.numpy() + batch.rows.start, job.examples)
    return Halves.start(job.stages, job.scores, job.needs, job.task, halved)


def observer(job: Job, batches: Sequence[Batch]) -> Callable[[Weights, Batch], Observation]:
    """Return a function that observes the readable examples of a batch under given weights.

    Examples without a label are observed with class 0, which influences no stored value.

    Raises:
        DataError: a label is outside the classes. Some datasets reveal labels only when read.
    """
    arguments: dict[range, tuple[Tensor, Tensor, Tensor | None]] = {}
    for batch in batches:
        labels, positions = batch.labels[batch.positions], batch.positions.numpy()
        rows = positions + batch.rows.start
        check_labels(labels.numpy(), rows, job.examples, job.classes, job.aim_at_prediction)
        if len(positions):
            inputs = job.model.place(batch.inputs)
            device_labels = labels.clamp(min=0).to(inputs.device)
            arguments[batch.rows] = inputs, device_labels, _aim(job, inputs, device_labels)

    def observe(weights: Weights, batch: Batch) -> Observation:
        inputs, labels, aim = arguments[batch.rows]
        return job.observer(weights, inputs, labels, job.needs, aim)

    return observe


def _aim(job: Job, inputs: Tensor, labels: Tensor) -> Tensor | None:
    if not job.aim_at_prediction:
        return None
    observation = job.observer(job.weights.last, inputs, labels, frozenset({Signal.LOGITS}))
    return observation.signal(Signal.LOGITS)[0].argmax(dim=-1)


def _rows(job: Job, batch: Batch, fold: StageFold, halves: Halves) -> RowBlock:
    positions, labels = batch.positions.numpy(), batch.labels.numpy()
    ids = job.examples.ids[batch.rows.start : batch.rows.stop]
    problems = {position: f"unreadable: {reason}" for position, reason in batch.problems.items()}
    if not len(positions):
        empty = np.empty(0)
        predictions = {stage.name: np.empty(0, np.int64) for stage in job.stages}
        probabilities = dict.fromkeys(predictions, empty)
        columns = [*meanings(job.scores, job.stages), *halves.values(0)]
        values = dict.fromkeys(columns, empty)
        return RowBlock(
            *(batch.rows, ids, labels, positions, predictions, probabilities, values, problems),
            _distributions(job, fold),
        )
    bad = not_finite_by_checkpoint(fold.predictions)
    scores = _score_columns(job, fold.states(), bad)
    overflow_problems = {
        int(positions[index]): f"not finite: {column.partition('@')[0]}"
        for column, values in scores.items()
        for index in np.flatnonzero(np.isnan(values))
    }
    scores = _without_unlabelled(job, scores, labels[positions] != UNLABELLED)
    ends = {stage.name: stage.stop - 1 for stage in job.stages}
    prediction = torch.cat([segment.prediction for segment in fold.predictions]).cpu().numpy()
    probability = torch.cat([segment.probability for segment in fold.predictions]).cpu().numpy()
    no_logits = bad[Signal.LOGITS]
    return RowBlock(
        batch.rows,
        ids,
        labels,
        positions,
        {stage: np.where(no_logits[end], -1, prediction[end]) for stage, end in ends.items()},
        {stage: probability[end] for stage, end in ends.items()},
        scores | nan_where_undefined(halves.values(len(positions)), scores),
        problems | overflow_problems | signal_errors(job, positions, bad),
        _distributions(job, fold),
    )


def _distributions(job: Job, fold: StageFold) -> dict[str, np.ndarray]:
    """Return the probabilities of all classes by stage; empty if they are not stored."""
    if not job.keeps_probabilities:
        return {}
    if not fold.distributions:  # no example could be read
        return {stage.name: np.empty((0, job.classes), np.float16) for stage in job.stages}
    return {stage.name: fold.distributions[stage.stop].cpu().numpy() for stage in job.stages}


def _score_columns(
    job: Job, states: dict[str, States], bad: dict[Signal, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the scores by column; NaN where `bad` has a signal that they need in the stage."""
    columns: dict[str, np.ndarray] = {}
    for stage in job.stages:
        within = slice(stage.start, stage.stop)
        for score, state in zip(job.scores, states[stage.name], strict=True):
            values = score.compute(state).float().cpu().numpy()
            # A gradient can be finite though the logits are not: a ReLU blocks it.
            needs = needs_of([score])
            spoiled = [bad[signal][within].any(axis=0) for signal in needs | {Signal.LOGITS}]
            if needs - {Signal.LOGITS}:
                # The square of a finite gradient overflowed. Scores of logits may be infinite.
                spoiled.append(np.isinf(values))
            columns[column_name(score, stage.name)] = np.where(
                np.any(spoiled, axis=0), np.nan, values
            )
    return columns


def _without_unlabelled(
    job: Job, values: dict[str, np.ndarray], labelled: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the scores with NaN for rows without a label, if the score uses labels."""
    if labelled.all():
        return values
    label_columns = {
        column_name(s, stage.name) for s in job.scores if uses_label(s) for stage in job.stages
    }
    return {
        column: np.where(labelled, array, np.nan) if column in label_columns else array
        for column, array in values.items()
    }


def meanings(scores: Sequence[Score], stages: Sequence[Stage]) -> dict[str, Meaning]:
    """Return the meaning of the score in each column."""
    return {
        column_name(score, stage.name): Meaning(
            score.name, score.higher_means, score.range, score.unit, score.source
        )
        for stage in stages
        for score in scores
    }


def signal_errors(job: Job, positions: np.ndarray, bad: dict[Signal, np.ndarray]) -> dict[int, str]:
    """Return, by position in the batch, the first signal and step that are not finite."""
    problems: dict[int, str] = {}
    for signal, by_checkpoint in bad.items():
        for example in np.flatnonzero(by_checkpoint.any(axis=0)):
            step = job.files[int(by_checkpoint[:, example].argmax())].step
            problems.setdefault(int(positions[example]), f"not finite: {signal} at step {step}")
    return problems
