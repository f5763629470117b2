"""Everything that a sweep needs, ready to compute."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from vog import scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Examples
from vog.models import Model
from vog.models.torch import memory
from vog.observation import Signal
from vog.scores import Score
from vog.sweep.accumulator import ScorePlan
from vog.sweep.memory_plan import MemoryPlan
from vog.sweep.observe import Observer
from vog.sweep.request import Request
from vog.sweep.weights import AllWeights, Held
from vog.tasks import Task
from vog.tasks.targets import Target

# Bytes that rows may take until they are written to a part.
_UNWRITTEN_BYTES = 2**27


@dataclass(frozen=True)
class Job:
    """A checked request with its inputs opened and matched; see `vog.sweep.prepare`.

    Attributes:
        task: makes outcomes from outputs and labels.
        target: the number of each example whose gradient is taken.
        input_shape: shape of one example, as the model takes it.
        memory_plan: sizes of batches and blocks, and the memory that they take.
        left_out: the reason for each default score that this model or these data do not allow.
        notes: sentences for the plan, by the word that introduces them.
        question: everything that determines the numbers.
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
    input_shape: tuple[int, ...]
    memory_plan: MemoryPlan
    workers: int
    left_out: Mapping[str, str]
    notes: Mapping[str, str]
    question: dict[str, Any]
    request: Request

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

    @property
    def score_plan(self) -> ScorePlan:
        """What is accumulated of each batch."""
        return ScorePlan(self.stages, self.scores, self.task, self.keeps_probabilities)

    @property
    def keeps_probabilities(self) -> bool:
        """True if the probabilities of all classes are stored."""
        return bool(self.question.get("probabilities"))

    def memory_allocation(self) -> AbstractContextManager[Callable[[], None]]:
        """Return the context for allocating batches; see `vog.models.torch.memory`."""
        if not isinstance(self.weights, Held):  # streamed weights are freed after each block
            return memory.map_large_tensors()
        may_grow = self.memory_plan.total - self.weights.nbytes
        return memory.keep_freed_memory(
            min(may_grow, 2 * self.memory_plan.needed + _UNWRITTEN_BYTES)
        )

    @property
    def needs(self) -> frozenset[Signal]:
        """Signals that the scores need, of all scores together."""
        return scores.needs_of(self.scores)
