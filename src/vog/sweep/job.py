"""What a sweep needs to know."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from vog import scores
from vog.checkpoints import CheckpointFile, Stage
from vog.data import Examples
from vog.models import Model
from vog.models.torch import memory
from vog.scores import Score, Signal
from vog.sweep.memory_plan import MemoryPlan
from vog.sweep.request import Request
from vog.sweep.weights import AllWeights, Held

# What rows on their way to a part may take.
_UNWRITTEN_BYTES = 2**27


@dataclass(frozen=True)
class Job:
    """A request whose parts are found, read, matched and checked; see `vog.sweep.prepare`.

    Attributes:
        input_shape: of one example, as the model takes it.
        aim_at_prediction: the target is that of the class the last checkpoint predicts.
        share: how large batches are, and what memory that takes.
        left_out: scores of the default that cannot be had of this model or these data, and why.
        told: what was found out about faster ways, in words, by the flag it is about.
        question: everything that determines the numbers.
    """

    model: Model
    weights: AllWeights
    files: tuple[CheckpointFile, ...]
    stages: tuple[Stage, ...]
    scores: tuple[Score, ...]
    examples: Examples
    classes: int
    input_shape: tuple[int, ...]
    aim_at_prediction: bool
    memory_plan: MemoryPlan
    workers: int
    left_out: Mapping[str, str]
    notes: Mapping[str, str]
    question: dict[str, Any]
    request: Request

    @property
    def batch_size(self) -> int:
        """How many examples are computed together."""
        return self.memory_plan.batch_size

    @property
    def keeps_probabilities(self) -> bool:
        """Whether the probabilities of all classes are stored."""
        return bool(self.question.get("probabilities"))

    def memory_allocation(self) -> AbstractContextManager[Callable[[], None]]:
        """How memory is allocated while batches are computed; see `vog.models.torch.memory`."""
        if not isinstance(self.weights, Held):  # they come and go, whatever was planned
            return memory.map_large_tensors()
        may_grow = self.memory_plan.total - self.weights.nbytes
        return memory.keep_freed_memory(
            min(may_grow, 2 * self.memory_plan.needed + _UNWRITTEN_BYTES)
        )

    @property
    def needs(self) -> frozenset[Signal]:
        """The signals that the scores need together."""
        return scores.needs_of(self.scores)
