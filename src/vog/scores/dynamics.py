"""Scores that count what happens between one checkpoint and the next."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vog.scores.protocol import Direction, Observation, Signal


@dataclass(frozen=True, slots=True)
class Streak:
    """A stretch of training, as far as forgetting is concerned."""

    right_at_start: Bool[Tensor, "n"]
    right_at_end: Bool[Tensor, "n"]
    ever_right: Bool[Tensor, "n"]
    lapses: Int[Tensor, "n"]


@dataclass(frozen=True)
class Forgetting:
    """How often an example goes from right at one checkpoint to wrong at the next.

    An example that is never right scores infinity: it cannot be forgotten, and it is
    not easy. Source: Toneva et al., ICLR 2019, arXiv:1812.05159.
    """

    name: str = "forgetting"
    needs: frozenset[Signal] = frozenset({Signal.LOGITS})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    unit: str = "events"
    source: str = "Toneva et al., ICLR 2019"
    min_checkpoints: int = 2

    def init(self, seen: Observation) -> Streak:
        right = _is_right(seen)
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
    """How many checkpoints a stretch of training has, and how many pass before the first right."""

    checkpoints: int
    before_right: Float[Tensor, "n"]


@dataclass(frozen=True)
class FirstLearned:
    """How many checkpoints of the stage pass before the first that is right; never: infinity.

    0 is an example that the first checkpoint of the stage already gets right.
    """

    name: str = "first_learned"
    needs: frozenset[Signal] = frozenset({Signal.LOGITS})
    higher_means: Direction = "harder"
    range: tuple[float, float] = (0.0, float("inf"))
    unit: str = "checkpoints"
    source: str = "Toneva et al., ICLR 2019 (first learning event)"
    min_checkpoints: int = 1

    def init(self, seen: Observation) -> Wait:
        right = _is_right(seen)
        first = right.int().argmax(dim=0).float()  # the first of equal maxima
        return Wait(len(right), first.masked_fill(~right.any(dim=0), torch.inf))

    def merge(self, earlier: Wait, later: Wait) -> Wait:
        before = torch.minimum(earlier.before_right, earlier.checkpoints + later.before_right)
        return Wait(earlier.checkpoints + later.checkpoints, before)

    def compute(self, state: Wait) -> Float[Tensor, "n"]:
        return state.before_right


def _is_right(observation: Observation) -> Bool[Tensor, "k n"]:
    return observation.signal(Signal.LOGITS).argmax(dim=-1) == observation.labels
