"""The scores as a task has them: in its units, and of every tag of a multi-label task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from vog.observation import Observation, Outcome
from vog.scores import Score
from vog.scores.means import MeanOverTraining
from vog.tasks import Task

# Columns of more tags would make every table of the run long.
MOST_TAGS = 32
_OF_TAGS = {"loss": Outcome.TAG_LOSS, "aum": Outcome.TAG_MARGIN}


@dataclass(frozen=True)
class ReadTag:
    """Reads an outcome of one tag."""

    outcome: Outcome
    tag: int

    def __call__(self, observation: Observation) -> Float[Tensor, "k n"]:
        """Return the outcome of the tag for each example under each checkpoint."""
        return observation.outcome(self.outcome)[..., self.tag]


def scores_of_task(
    scores: Sequence[Score], task: Task, outputs: int, names: Sequence[str] | None
) -> tuple[Score, ...]:
    """Return scores in the units of the task, followed by those of tags.

    Args:
        scores: as they were chosen.
        task: the task.
        outputs: the number of its outputs.
        names: of the outputs, if they are known.
    """
    in_units = [_in_units(score, task) for score in scores]
    has_tags = Outcome.TAG_LOSS in task.outcomes and outputs <= MOST_TAGS
    tags = range(outputs) if has_tags else range(0)
    return (*in_units, *(s for score in scores for s in _tag_scores(score, tags, names)))


def _in_units(score: Score, task: Task) -> Score:
    if not isinstance(score, MeanOverTraining) or len(score.needs) != 1:
        return score
    (need,) = score.needs
    if need not in task.units:
        return score
    unit, limits = task.units[need]  # type: ignore[index]  # an outcome, since it is in there
    return replace(score, unit=unit, range=limits)


def _tag_scores(
    score: Score, tags: Sequence[int], names: Sequence[str] | None
) -> Iterator[MeanOverTraining]:
    outcome = _OF_TAGS.get(score.name)
    if outcome is None or not isinstance(score, MeanOverTraining):
        return
    for tag in tags:
        name = f" {names[tag]!r}" if names is not None and tag < len(names) else ""
        yield replace(
            score,
            name=f"{score.name}_tag{tag}",
            per_checkpoint=ReadTag(outcome, tag),
            needs=frozenset({outcome}),
            source=f"{score.source}, of tag {tag}{name}",
        )
