"""Which labels are flipped, and to what: as chance does it, or as people do.

uniform    any example, to any other class alike, or by a confusion
class      a part of one class, all to one other, as who takes one class for another
boundary   ambiguous examples, to their runner-up, as who cannot tell
cluster    whole groups of examples that look alike, as who labels many at a glance
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vog.errors import DataError
from vog.result.planting_record import BOUNDARY

UNIFORM, CLASS, CLUSTER = "uniform", "class", "cluster"
FLIP_KINDS = (UNIFORM, CLASS, BOUNDARY, CLUSTER)
CONFUSION = "confusion"

_MOST_OF_CLASS = 0.5  # of a class, so that its own examples stay the more
_AMBIGUOUS = 2  # times as many as are flipped: of the most ambiguous half stay right

Flipped = Iterator[tuple[int, int]]
_Labels = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Flips:
    """How labels are flipped.

    Attributes:
        kind: `uniform`, `class`, `boundary` or `cluster`.
        confusion: of `uniform`, the odds of each class for each other; None for all alike.
        runner_up: of `boundary`, what an earlier run says next to the label; -1 for none.
        gap: of `boundary`, how far the label is from it, the smaller the more ambiguous.
        cluster: of `cluster`, which group each row is in; -1 where it could not be read.
    """

    kind: str = UNIFORM
    confusion: Float[np.ndarray, "c c"] | None = None
    runner_up: _Labels | None = None
    gap: Float[np.ndarray, "n"] | None = None
    cluster: _Labels | None = None

    @property
    def how(self) -> str:
        """What the record calls it."""
        return self.kind if self.confusion is None else CONFUSION

    def drawn(self, labels: _Labels, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """So many rows, each with the class that it gets.

        Args:
            labels: of each row; below 0 where it is not known.
            count: how many.
            rng: decides which.

        Raises:
            DataError: fewer can be flipped so.
        """
        known = labels >= 0
        if len(np.unique(labels[known])) < 2 and self.confusion is None:
            raise DataError("--flip needs examples of at least 2 classes; the data have 1.")
        if self.kind == CLASS:
            return list(_of_classes(labels, known, count, rng))
        if self.kind == BOUNDARY:
            return self._ambiguous(labels, known, count, rng)
        if self.kind == CLUSTER:
            return self._groups(labels, known, count, rng)
        return self._uniform(labels, known, count, rng)

    def _uniform(
        self, labels: _Labels, known: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        rows, present = np.flatnonzero(known), np.unique(labels[known])
        mass = np.ones(len(rows))
        if self.confusion is not None:
            mass = self.confusion.sum(axis=1)[labels[rows]]
        if (mass > 0).sum() < count:
            raise DataError(
                f"--flip asks for {count:,} examples, but the classes that --confusion flips have "
                f"{(mass > 0).sum():,}. Ask for a smaller share."
            )
        found: list[tuple[int, int]] = []
        for row in rng.choice(rows, count, replace=False, p=mass / mass.sum()).tolist():
            label = int(labels[row])
            if self.confusion is None:
                to = rng.choice(present[present != label])
            else:
                odds = self.confusion[label]
                to = rng.choice(len(odds), p=odds / odds.sum())
            found.append((row, int(to)))
        return found

    def _ambiguous(
        self, labels: _Labels, known: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        assert self.runner_up is not None, "it was made with a run"
        assert self.gap is not None, "it was made with a run"
        rows = np.flatnonzero(known & (self.runner_up >= 0) & np.isfinite(self.gap))
        if len(rows) < count:
            raise DataError(
                f"--flip asks for {count:,} examples, but --run tells the runner-up of "
                f"{len(rows):,} alone, those whose label it contradicts at some stage. Ask for a "
                f"smaller share, or score it with --keep-probabilities, which tells that of all."
            )
        first = rows[np.argsort(np.abs(self.gap[rows]), kind="stable")][: _AMBIGUOUS * count]
        chosen = np.sort(rng.choice(first, count, replace=False)).tolist()
        return [(row, int(self.runner_up[row])) for row in chosen]

    def _groups(
        self, labels: _Labels, known: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        assert self.cluster is not None, "groups were found"
        found: list[tuple[int, int]] = []
        present = np.unique(labels[known])
        for group in rng.permutation(np.unique(self.cluster[self.cluster >= 0])).tolist():
            rows = np.flatnonzero((self.cluster == group) & known)
            if not len(rows):
                continue
            most = int(np.bincount(labels[rows]).argmax())
            to = int(rng.choice(present[present != most]))
            found += [(row, to) for row in rows[labels[rows] == most].tolist()]
            if len(found) >= count:
                return found[:count]
        raise DataError(
            f"--flip asks for {count:,} examples, and the groups have {len(found):,} of the class "
            f"that most of theirs are. Ask for a smaller share."
        )


def _of_classes(
    labels: _Labels, known: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
) -> Flipped:
    """Rows of one class, and of another where that is not enough, each class to one other."""
    present, left = np.unique(labels[known]), count
    for label in rng.permutation(present).tolist():
        rows = np.flatnonzero(known & (labels == label))
        taken = min(left, int(_MOST_OF_CLASS * len(rows)))
        to = int(rng.choice(present[present != label]))
        yield from ((row, to) for row in np.sort(rng.choice(rows, taken, replace=False)).tolist())
        left -= taken
        if not left:
            return
    raise DataError(
        f"--flip asks for {count:,} examples, and of each class at most half is called another: "
        f"{count - left:,}. Ask for a smaller share."
    )
