"""Everything that a sweep needs, ready to compute."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vog import host_memory, scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Examples
from vog.models.protocol import Model
from vog.observation import Outcome, Signal
from vog.scores import Score
from vog.sweep.accumulator import ScorePlan
from vog.sweep.fold import PREDICTED
from vog.sweep.memory_plan import MemoryPlan
from vog.sweep.observe import Observer
from vog.sweep.projection import Projection
from vog.sweep.weights import AllWeights
from vog.tasks import Task
from vog.tasks.targets import Target

# Bytes that rows may take until they are written to a part.
_UNWRITTEN_BYTES = 2**27


@dataclass(frozen=True)
class Computation:
    """What decides on the numbers of rows, ready to compute them.

    Attributes:
        weights: of all checkpoints.
        task: makes outcomes from outputs and labels.
        target: the number of each example whose gradient is taken.
        memory_plan: sizes of batches and blocks, and the memory that they take.
        keeps_probabilities: the probabilities of all classes are stored.
        projection: makes the features of the last checkpoint into the numbers that are stored.
        quiet: show no progress.
        keeps_lengths: the number of real positions of each example is stored.
    """

    model: Model
    weights: AllWeights
    files: tuple[CheckpointFile, ...]
    stages: tuple[Stage, ...]
    task: Task
    target: Target
    scores: tuple[Score, ...]
    examples: Examples
    classes: int
    memory_plan: MemoryPlan
    keeps_probabilities: bool
    projection: Projection | None
    quiet: bool
    keeps_lengths: bool

    @property
    def batch_size(self) -> int:
        """Number of examples that are computed together."""
        return self.memory_plan.batch_size

    @property
    def aim_at_prediction(self) -> bool:
        """True if the target is at the class that the last checkpoint predicts."""
        return self.target.at_prediction

    @property
    def observer(self) -> Observer:
        """The model with the task and the target."""
        return Observer(self.model, self.task, self.target)

    def in_batches_of(self, size: int) -> "Computation":
        """Return the computation with the model as it computes batches of that size."""
        return replace(self, model=self.model.in_batches_of(size))

    @property
    def score_plan(self) -> ScorePlan:
        """What is accumulated of each batch."""
        return ScorePlan(
            self.stages, self.scores, self.task, self.keeps_probabilities, self.projection
        )

    @property
    def outcomes(self) -> frozenset[Outcome] | None:
        """Outcomes that are read of an observation; None if the logits are read as well."""
        if self.keeps_probabilities or scores.reads_logits(self.scores):
            return None
        return scores.outcomes_of(self.scores) | (PREDICTED & self.task.outcomes)

    @property
    def needs(self) -> frozenset[Signal]:
        """Signals that the scores need, of all scores together."""
        return scores.needs_of(self.scores)

    def memory_allocation(self) -> AbstractContextManager[Callable[[], None]]:
        """Return the context for allocating batches; see `vog.host_memory`."""
        if not self.weights.hold:  # streamed weights are freed after each block
            return host_memory.map_large_tensors()
        may_grow = self.memory_plan.total - self.weights.nbytes
        return host_memory.keep_freed_memory(
            min(may_grow, 2 * self.memory_plan.needed + _UNWRITTEN_BYTES)
        )


@dataclass(frozen=True)
class Job(Computation):
    """A checked request with its inputs opened and matched; see `vog.sweep.prepare`.

    It is sent to another process without weights, which `with_weights` reads there.

    Attributes:
        input_shape: shape of one example, as the model takes it.
        workers: processes that read ahead.
        left_out: the reason for each default score that this model or these data do not allow.
        notes: sentences for the plan, by the word that introduces them.
        question: everything that determines the numbers.
        out: the run folder.
        overwrite: rows that are in the folder are removed first.
    """

    input_shape: tuple[int, ...]
    workers: int
    left_out: Mapping[str, str]
    notes: Mapping[str, str]
    question: dict[str, Any]
    out: Path
    overwrite: bool

    def with_weights(self) -> "Job":
        """Return the job with its weights read, if this process received it without.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
            ModelError: the model was not received as it was sent.
        """
        digests = [checkpoint["sha256"] for checkpoint in self.question["checkpoints"]]
        return replace(self, weights=self.weights.loaded(digests))
