"""One batch of examples meets every checkpoint and becomes rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vog.checkpoints import Stage, segments
from vog.data import Batch
from vog.models import Model
from vog.result.rows import Meaning, Rows
from vog.scores import Observation, Score, Signal
from vog.sweep.guards import check_labels
from vog.sweep.job import Job

States = list[Any]


@dataclass(frozen=True)
class Look:
    """What is kept of one checkpoint's observation beside the states of the scores."""

    not_finite: dict[Signal, Bool[Tensor, "n"]]
    prediction: Tensor
    probability: Float[Tensor, "n"]


def rows_of(job: Job, batch: Batch) -> Rows:
    """The rows of a batch: every score at every stage, and what the stage's end predicts.

    A row whose signals are not finite at some checkpoint has no score that needs them in a
    stage with that checkpoint, and is marked.
    """
    positions = batch.at.numpy()
    ids = job.examples.ids[batch.rows.start : batch.rows.stop]
    problems = {at: f"unreadable: {why}" for at, why in batch.problems.items()}
    labels = batch.labels.numpy()
    check_labels(
        labels[positions], positions + batch.rows.start, job.examples, job.classes
    )  # a dataset may only tell its labels when it is read
    if not len(positions):
        nothing = np.empty(0)
        predictions = {stage.name: np.empty(0, np.int64) for stage in job.stages}
        probabilities = dict.fromkeys(predictions, nothing)
        values = dict.fromkeys(meanings(job.scores, job.stages), nothing)
        return Rows(
            batch.rows, ids, labels, positions, predictions, probabilities, values, problems
        )
    states, looks = _looked_at(job, batch)
    bad = not_finite_by_checkpoint(looks)
    scores = _values(job, states, bad)
    overflown = {
        int(positions[i]): f"not finite: {name.partition('@')[0]}"
        for name, values in scores.items()
        for i in np.flatnonzero(np.isnan(values))
    }
    last = {stage.name: stage.stop - 1 for stage in job.stages}
    no_logits = bad[Signal.LOGITS]
    return Rows(
        batch.rows,
        ids,
        labels,
        positions,
        {s: np.where(no_logits[t], -1, looks[t].prediction.cpu().numpy()) for s, t in last.items()},
        {s: looks[t].probability.cpu().numpy() for s, t in last.items()},
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


def fold(
    stages: Sequence[Stage], scores: Sequence[Score], observe: Callable[[int], Observation]
) -> dict[str, States]:
    """The states of the scores by stage; each checkpoint is observed once, in training order."""
    folded: dict[range, States] = {}
    for segment in segments(tuple(stages)):
        for checkpoint in segment:
            seen = observe(checkpoint)
            first = [score.init(seen) for score in scores]
            so_far = folded.get(segment)
            folded[segment] = first if so_far is None else merged(scores, so_far, first)
    return {
        stage.name: reduce(
            lambda a, b: merged(scores, a, b),
            (states for segment, states in folded.items() if segment.start in stage),
        )
        for stage in stages
    }


def _looked_at(job: Job, batch: Batch) -> tuple[dict[str, States], list[Look]]:
    """The states of the scores by stage, and one look a checkpoint."""
    observe, looks = observer(job, batch), list[Look]()

    def look(checkpoint: int) -> Observation:
        seen = observe(checkpoint)
        looks.append(look_at(seen, job.needs))
        return seen

    return fold(job.stages, job.scores, look), looks


def observer(job: Job, batch: Batch) -> Callable[[int], Observation]:
    """What each checkpoint says about the readable examples of a batch."""
    inputs = job.model.place(batch.inputs)
    labels = batch.labels[batch.at].to(inputs.device)
    aim = _aim(job.model, job, inputs, labels)
    needs = job.needs
    return lambda checkpoint: job.model.observe(job.weights[checkpoint], inputs, labels, needs, aim)


def merged(scores: Sequence[Score], earlier: States, later: States) -> States:
    """The states of all scores after two stretches of training."""
    return [s.merge(a, b) for s, a, b in zip(scores, earlier, later, strict=True)]


def _aim(model: Model, job: Job, inputs: Tensor, labels: Tensor) -> Tensor | None:
    if not job.aim_at_prediction:
        return None
    last = model.observe(job.weights[-1], inputs, labels, frozenset({Signal.LOGITS}))
    return last.signal(Signal.LOGITS)[0].argmax(dim=-1)


def look_at(seen: Observation, needs: frozenset[Signal]) -> Look:
    """Prediction, its probability, and which signals are not finite."""
    probability, prediction = seen.log_probability[0].max(dim=-1)
    not_finite = {
        signal: ~seen.signal(signal)[0].isfinite().reshape(len(prediction), -1).all(dim=1)
        for signal in Signal
        if signal in needs or signal is Signal.LOGITS
    }
    return Look(not_finite, prediction, probability.exp())


def not_finite_by_checkpoint(looks: Sequence[Look]) -> dict[Signal, np.ndarray]:
    """By signal, checkpoints x examples: where it is not finite."""
    return {
        signal: torch.stack([look.not_finite[signal] for look in looks]).cpu().numpy()
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
