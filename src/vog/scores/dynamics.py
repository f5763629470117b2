"""Scores that count changes of the prediction from one checkpoint to the next."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vog.observation import Observation, Outcome, Signal
from vog.scores.protocol import Direction


@dataclass(frozen=True, slots=True)
class Streak:
    """The state of `Forgetting`: the right predictions of some consecutive checkpoints."""

    right_at_start: Bool[Tensor, "n"]
    right_at_end: Bool[Tensor, "n"]
    ever_right: Bool[Tensor, "n"]
    lapses: Int[Tensor, "n"]


@dataclass(frozen=True)
class Forgetting:
    """The number of times an example is right at one checkpoint and wrong at the next.

    An example that is never right scores infinity: it cannot be forgotten, and it is
    not easy. Source: Toneva et al., ICLR 2019, arXiv:1812.05159.
    """

    name: str = "forgetting"
    needs: frozenset[Signal | Outcome] = frozenset({Outcome.CORRECT})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    unit: str = "events"
    source: str = "Toneva et al., ICLR 2019"
    min_checkpoints: int = 2

    def init(self, observation: Observation) -> Streak:
        right = _is_right(observation)
        lapses = (right[:-1] & ~right[1:]).sum(dim=0)
        return Streak(right[0], right[-1], right.any(dim=0), lapses)

    def merge(self, earlier: Streak, later: Streak) -> Streak:
        across = earlier.right_at_end & ~later.right_at_start
        return Streak(
            earlier.right_at_start,
            later.right_at_end,
            earlier.ever_right | later.ever_right,
            earlier.lapses + later.lapses + across,
        )

    def compute(self, state: Streak) -> Float[Tensor, "n"]:
        return state.lapses.float().masked_fill(~state.ever_right, torch.inf)


@dataclass(frozen=True, slots=True)
class Wait:
    """The state of `FirstLearned`: how many checkpoints, and how many before one is right."""

    checkpoints: int
    before_right: Float[Tensor, "n"]


@dataclass(frozen=True)
class FirstLearned:
    """The number of checkpoints in the stage before the first that is right; infinity if none is.

    An example that the first checkpoint of the stage gets right scores 0.
    """

    name: str = "first_learned"
    needs: frozenset[Signal | Outcome] = frozenset({Outcome.CORRECT})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    unit: str = "checkpoints"
    source: str = "Toneva et al., ICLR 2019 (first learning event)"
    min_checkpoints: int = 1

    def init(self, observation: Observation) -> Wait:
        right = _is_right(observation)
        first = right.int().argmax(dim=0).float()  # the first of equal maxima
        return Wait(len(right), first.masked_fill(~right.any(dim=0), torch.inf))

    def merge(self, earlier: Wait, later: Wait) -> Wait:
        before = torch.minimum(earlier.before_right, earlier.checkpoints + later.before_right)
        return Wait(earlier.checkpoints + later.checkpoints, before)

    def compute(self, state: Wait) -> Float[Tensor, "n"]:
        return state.before_right


def _is_right(observation: Observation) -> Bool[Tensor, "k n"]:
    """Return which examples are right; of several tokens, all must be."""
    return observation.outcome(Outcome.CORRECT) == 1
