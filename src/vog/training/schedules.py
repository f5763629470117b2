"""Schedules of a training: the rows of each epoch, by a curriculum or by weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vog.analysis.selection.criteria import easiest_first, rank_in_class
from vog.errors import ResultError, first_few, unknown
from vog.result import Run

# Functions of progress and the share at the start, both in [0, 1], that give the share to draw.
PACINGS: dict[str, Callable[[float, float], float]] = {
    "linear": lambda progress, start: start + (1 - start) * progress,
    "root": lambda progress, start: math.sqrt(start**2 + (1 - start**2) * progress),
    "step": lambda progress, start: start if progress < 0.5 else 1.0,
    "exponential": lambda progress, start: start ** (1 - progress),
}

Pacing = str | Callable[[float], float]

Positions = Int[np.ndarray, "m"]


@dataclass(frozen=True)
class Curriculum:
    """A schedule that adds rows step by step.

    Attributes:
        entry_share: a row is drawn when the share is larger than this.
        shares: the share to draw in each epoch; in later epochs it is 1.
    """

    entry_share: Float[np.ndarray, "m"]
    shares: tuple[float, ...]

    def rows_of_epoch(self, epoch: int) -> Positions:
        """Return the rows of an epoch, in the order of the data."""
        share = self.shares[epoch] if epoch < len(self.shares) else 1.0
        return np.flatnonzero(self.entry_share < share)

    def count(self, epoch: int) -> int:
        """Return the number of rows of an epoch."""
        return len(self.rows_of_epoch(epoch))

    def draw(self, epoch: int, random: np.random.Generator) -> Positions:
        """Return the rows of an epoch, shuffled."""
        return random.permutation(self.rows_of_epoch(epoch))

    def identity(self) -> bytes:
        """Return bytes that determine which rows each epoch has."""
        return self.entry_share.tobytes() + np.array(self.shares).tobytes()


@dataclass(frozen=True)
class Weighted:
    """A schedule that draws rows with replacement, each with its probability."""

    probabilities: Float[np.ndarray, "m"]
    draws: int

    def count(self, epoch: int) -> int:
        """Return the number of draws, which is the same in each epoch."""
        return self.draws

    def draw(self, epoch: int, random: np.random.Generator) -> Positions:
        """Return the rows of an epoch; draws of different epochs are independent."""
        return random.choice(len(self.probabilities), self.draws, p=self.probabilities)

    def identity(self) -> bytes:
        """Return bytes that determine the probabilities and the number of draws."""
        return self.probabilities.tobytes() + str(self.draws).encode()


Schedule = Curriculum | Weighted


def epoch_shares(epochs: int, pacing: Pacing, start: float) -> tuple[float, ...]:
    if epochs < 1:
        raise ResultError(f"epochs={epochs!r}: after how many epochs (from 1) are all rows drawn?")
    if isinstance(pacing, str) and pacing not in PACINGS:
        raise ResultError(f"there is no pacing {pacing!r}.{unknown(pacing, PACINGS)}")
    progress = [epoch / epochs for epoch in range(epochs)]
    if isinstance(pacing, str):
        # Rounded, because 0.1 + 0.2 is more than 0.3 and would let in a fourth of ten rows.
        return tuple(round(PACINGS[pacing](fraction, start), 12) for fraction in progress)
    gains = [float(pacing(fraction)) for fraction in progress]
    pairs = zip(progress, gains, strict=True)
    wrong = [f"{fraction:.2g} gives {gain:.3g}" for fraction, gain in pairs if not 0 <= gain <= 1]
    if wrong:
        raise ResultError(f"the pacing must stay in [0, 1]: {first_few(wrong)}.")
    return tuple(round(start + (1 - start) * gain, 12) for gain in gains)


def entry_order(run: Run, positions: Positions, by: str, reverse: bool, seed: int) -> Positions:
    """Return the rows in the order in which they enter; those without a value last."""
    order = easiest_first(run, by, seed)
    with_value = int((~np.isnan(run.values(by))).sum())
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    ranks = np.where(ranks < with_value, with_value - 1 - ranks, ranks) if reverse else ranks
    return np.argsort(ranks[positions], kind="stable")


def entry_shares(order: Positions, labels: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Return for each row the share of its class that enters before it."""
    _, code, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shares = np.empty(len(order))
    shares[order] = rank_in_class(order, labels) / sizes[code[order]]
    return shares


def base_weights(run: Run, weights: str, by: str | None) -> Float[np.ndarray, "n"]:
    """Return the weight of each row of the run, in [0, 1]; NaN where it is unknown."""
    if weights == "hardness":
        return run.hardness(run.sort_column(by))
    from vog.analysis.label_errors.suspects import require_verdict  # scikit-learn takes a second

    return 1 - require_verdict(run).probability


def draw_probabilities(
    base: Float[np.ndarray, "m"], temperature: float, floor: float
) -> Float[np.ndarray, "m"]:
    weights = floor + (1 - floor) * base ** (1 / temperature)
    if np.isnan(weights).all():
        raise ResultError("no row has a weight, as none has a value. Give another column as by=.")
    weights = np.where(np.isnan(weights), np.nanmean(weights), weights)
    return weights / weights.sum()
