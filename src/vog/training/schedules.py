"""Which rows an epoch has: who comes in when, and how often each is drawn."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vog.analysis.selection.criteria import easiest_first, place_in_class
from vog.errors import ResultError, first_few, unknown
from vog.result import Run

# From progress and the share at the start to the share that is drawn, both in [0, 1].
PACINGS: dict[str, Callable[[float, float], float]] = {
    "linear": lambda progress, start: start + (1 - start) * progress,
    "root": lambda progress, start: math.sqrt(start**2 + (1 - start**2) * progress),
    "step": lambda progress, start: start if progress < 0.5 else 1.0,
    "exponential": lambda progress, start: start ** (1 - progress),
}

Pacing = str | Callable[[float], float]

Rows = Int[np.ndarray, "m"]


@dataclass(frozen=True)
class Curriculum:
    """Rows that come in one after the other.

    Attributes:
        enters: a row is drawn when the share is larger than this.
        shares: by epoch, how much is drawn; after the last of them everything.
    """

    enters: Float[np.ndarray, "m"]
    shares: tuple[float, ...]

    def inside(self, epoch: int) -> Rows:
        """The rows of an epoch, in the order of the data."""
        share = self.shares[epoch] if epoch < len(self.shares) else 1.0
        return np.flatnonzero(self.enters < share)

    def count(self, epoch: int) -> int:
        """How many they are."""
        return len(self.inside(epoch))

    def drawn(self, epoch: int, random: np.random.Generator) -> Rows:
        """The same, shuffled."""
        return random.permutation(self.inside(epoch))

    def identity(self) -> bytes:
        """Who comes in when."""
        return self.enters.tobytes() + np.array(self.shares).tobytes()


@dataclass(frozen=True)
class Weighted:
    """Rows drawn with replacement, each with its probability."""

    chance: Float[np.ndarray, "m"]
    draws: int

    def count(self, epoch: int) -> int:
        """The same in each epoch."""
        return self.draws

    def drawn(self, epoch: int, random: np.random.Generator) -> Rows:
        """So many, whatever was drawn before."""
        return random.choice(len(self.chance), self.draws, p=self.chance)

    def identity(self) -> bytes:
        """The probabilities, and how often."""
        return self.chance.tobytes() + str(self.draws).encode()


Schedule = Curriculum | Weighted


def shares_of(epochs: int | None, pacing: Pacing, start: float) -> tuple[float, ...]:
    if epochs is None or epochs < 1:
        raise ResultError(f"epochs={epochs!r}: after how many, at least 1, are all rows drawn?")
    if isinstance(pacing, str) and pacing not in PACINGS:
        raise ResultError(f"there is no pacing {pacing!r}.{unknown(pacing, PACINGS)}")
    progress = [epoch / epochs for epoch in range(epochs)]
    if isinstance(pacing, str):
        # Rounded, so that 3 of 10 rows are not more than a share of 0.1 + 0.2.
        return tuple(round(PACINGS[pacing](done, start), 12) for done in progress)
    gone = [float(pacing(done)) for done in progress]
    pairs = zip(progress, gone, strict=True)
    wrong = [f"{done:.2g} gives {far:.3g}" for done, far in pairs if not 0 <= far <= 1]
    if wrong:
        raise ResultError(f"the pacing leaves [0, 1]: {first_few(wrong)}.")
    return tuple(round(start + (1 - start) * far, 12) for far in gone)


def first_to_come(run: Run, at: Rows, by: str, reverse: bool, seed: int) -> Rows:
    """The rows in the order in which they come in; those without a value last."""
    order = easiest_first(run, by, seed)
    known = int((~np.isnan(run.numbers(by))).sum())
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    place = np.where(place < known, known - 1 - place, place) if reverse else place
    return np.argsort(place[at], kind="stable")


def entries(first: Rows, labels: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """The share of its class that has come in before each row."""
    _, code, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    enters = np.empty(len(first))
    enters[first] = place_in_class(first, labels) / sizes[code[first]]
    return enters


def wanted(run: Run, weights: str, by: str | None) -> Float[np.ndarray, "n"]:
    """By row of the run, in [0, 1], how much it is to be drawn; NaN where that is not known."""
    if weights == "hardness":
        return run.hardness(by or run.default_column)
    from vog.analysis.label_errors.suspects import known_verdict  # scikit-learn takes a second

    return 1 - known_verdict(run).probability


def chances(
    worth: Float[np.ndarray, "m"], temperature: float, floor: float
) -> Float[np.ndarray, "m"]:
    weights = floor + (1 - floor) * worth ** (1 / temperature)
    if np.isnan(weights).all():
        raise ResultError("no row has a weight: none has a value. Choose another column as by=.")
    weights = np.where(np.isnan(weights), np.nanmean(weights), weights)
    return weights / weights.sum()
