"""Compute the rows of a block of examples: its scores over all checkpoints."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int
from torch import Tensor

from vog.checkpoints import Stage
from vog.data import Batch
from vog.data.inputs import lengths_of
from vog.data.labels import are_missing, filled, with_whole_classes
from vog.models.protocol import Placed, Weights
from vog.observation import Observation, Outcome, Signal
from vog.result.rows import Meaning, RowBlock, whole_of
from vog.scores import Score, uses_label
from vog.sweep.accumulator import Accumulator, Columns
from vog.sweep.fold import PREDICTED, column_name
from vog.sweep.job import Computation
from vog.sweep.observe import labels_of
from vog.sweep.preflight import check_labels
from vog.sweep.split_half import is_halved


def rows_of(job: Computation, block: Batch, size: int | None = None) -> list[RowBlock]:
    """Return the rows of a block: all scores and the last prediction of every stage.

    The weights of each checkpoint are loaded once for the whole block; `size` examples are computed
    together, by default the job's batch size. Scores that need a signal which is not finite in
    their stage are NaN, and the row is marked.
    """
    size = size or job.batch_size
    batches = block.split(size)
    accumulators = [_accumulator(job, batch) for batch in batches]
    observe = observer(job.in_batches_of(size), batches, job.outcomes)
    weights_of_all = job.weights.each() if len(block.positions) else ()
    for checkpoint, weights in enumerate(weights_of_all, start=1):
        keeps_features = job.projection is not None and checkpoint == len(job.files)
        needs = job.needs | ({Signal.FEATURES} if keeps_features else set())
        for batch, accumulator in zip(batches, accumulators, strict=True):
            if len(batch.positions):
                accumulator.add(observe(weights, batch, needs))
    return [
        _rows(job, batch, accumulator)
        for batch, accumulator in zip(batches, accumulators, strict=True)
    ]


def _accumulator(job: Computation, batch: Batch) -> Accumulator:
    halved = is_halved(batch.positions.numpy() + batch.rows.start, job.examples)
    return Accumulator(job.score_plan, halved)


@runtime_checkable
class ObserveBatch(Protocol):
    """Observes the readable examples of a batch under given weights."""

    def __call__(
        self, weights: Weights, batch: Batch, needs: frozenset[Signal] | None = None
    ) -> Observation:
        """Return the signals in `needs`, by default those that the scores need."""
        ...


def observer(
    job: Computation, batches: Sequence[Batch], outcomes: frozenset[Outcome] | None = None
) -> ObserveBatch:
    """Return a function that observes the readable examples of a batch under given weights.

    Examples without a label are observed with class 0, which influences no stored value. With
    `outcomes`, large logits are replaced by these.

    Raises:
        DataError: a label is outside the classes. Some datasets reveal labels only when read.
    """
    arguments: dict[range, tuple[Placed, Tensor, Tensor | None]] = {}
    for batch in batches:
        labels, positions = labels_of(job.task, batch), batch.positions.numpy()
        rows = positions + batch.rows.start
        check_labels(
            labels.numpy(), rows, job.examples, job.task, job.classes, job.aim_at_prediction
        )
        if len(positions):
            placed = job.model.place(batch.inputs)
            device_labels = filled(labels).to(job.model.device)
            arguments[batch.rows] = placed, device_labels, _aim(job, placed, device_labels)

    def observe(
        weights: Weights, batch: Batch, needs: frozenset[Signal] | None = None
    ) -> Observation:
        placed, labels, aim = arguments[batch.rows]
        signals = job.needs if needs is None else needs
        return job.observer(weights, placed, labels, signals, aim, outcomes)

    return observe


def _aim(job: Computation, placed: Placed, labels: Tensor) -> Tensor | None:
    if not job.aim_at_prediction:
        return None
    observation = job.observer(job.weights.last, placed, labels, frozenset({Signal.LOGITS}))
    return job.task.predicted(observation.signal(Signal.LOGITS)[0], observation.labels)


def _rows(job: Computation, batch: Batch, accumulator: Accumulator) -> RowBlock:
    positions = batch.positions.numpy()
    labels = with_whole_classes(batch.labels, job.task.has_classes).numpy()
    ids = job.examples.ids[batch.rows.start : batch.rows.stop]
    problems = {position: f"unreadable: {reason}" for position, reason in batch.problems.items()}
    columns = accumulator.columns() if len(positions) else _no_columns(job, accumulator)
    problems |= {
        int(positions[index]): f"not finite: {score}" for index, score in columns.undefined.items()
    }
    return RowBlock(
        batch.rows,
        ids,
        job.task.stored(labels, job.classes),
        positions,
        columns.predictions,
        columns.probabilities,
        _without_unlabelled(job, columns.scores, ~are_missing(labels[positions])),
        problems | signal_errors(job, positions, columns.not_finite),
        columns.distributions,
        columns.features,
        _lengths(job, batch),
    )


def _lengths(job: Computation, batch: Batch) -> Int[np.ndarray, "n"] | None:
    """Return the number of real positions of each readable row, if it is stored; -1 if unknown."""
    if not job.keeps_lengths:
        return None
    lengths = lengths_of(batch.inputs) if len(batch.positions) else None
    return np.full(len(batch.positions), -1) if lengths is None else lengths.numpy()


def _no_columns(job: Computation, accumulator: Accumulator) -> Columns:
    """Return the columns of a batch of which no example could be read."""
    empty = np.empty(0)
    stages = [s.name for s in job.stages] if job.task.outcomes >= PREDICTED else []
    distribution = np.empty((0, job.classes), np.float16)
    return Columns(
        dict.fromkeys([*meanings(job.scores, job.stages), *accumulator.half_columns()], empty),
        {stage: np.empty(0, np.int64) for stage in stages},
        dict.fromkeys(stages, empty),
        dict.fromkeys(stages, distribution) if job.keeps_probabilities else {},
        {},
        np.empty((0, job.projection.columns), np.float16) if job.projection else None,
    )


def _without_unlabelled(
    job: Computation, values: dict[str, np.ndarray], labelled: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the scores with NaN for rows without a label, if the score uses labels."""
    if labelled.all():
        return values
    label_columns = {
        column_name(s, stage.name) for s in job.scores if uses_label(s) for stage in job.stages
    }
    return {
        column: np.where(labelled, array, np.nan) if whole_of(column) in label_columns else array
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


def signal_errors(
    job: Computation, positions: np.ndarray, bad: dict[Signal, np.ndarray]
) -> dict[int, str]:
    """Return, by position in the batch, the first signal and step that are not finite."""
    problems: dict[int, str] = {}
    for signal, by_checkpoint in bad.items():
        for example in np.flatnonzero(by_checkpoint.any(axis=0)):
            step = job.files[int(by_checkpoint[:, example].argmax())].step
            problems.setdefault(int(positions[example]), f"not finite: {signal} at step {step}")
    return problems
