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

_MAX_CLASS_SHARE = 0.5  # of a class, so that its own examples stay the more
_POOL_FACTOR = 2  # times as many as are flipped: of the most ambiguous half stay right

_RowsAndLabels = Iterator[tuple[int, int]]
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

    def draw(self, labels: _Labels, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """So many rows, each with the class that it gets.

        Args:
            labels: of each row; below 0 where it is not known.
            count: how many.
            rng: decides which.

        Raises:
            DataError: fewer can be flipped so.
        """
        labelled = labels >= 0
        if len(np.unique(labels[labelled])) < 2 and self.confusion is None:
            raise DataError("--flip needs examples of at least 2 classes; the data have 1.")
        if self.kind == CLASS:
            return list(_draw_from_classes(labels, labelled, count, rng))
        if self.kind == BOUNDARY:
            return self._draw_ambiguous(labels, labelled, count, rng)
        if self.kind == CLUSTER:
            return self._draw_groups(labels, labelled, count, rng)
        return self._draw_uniform(labels, labelled, count, rng)

    def _draw_uniform(
        self, labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        rows, classes = np.flatnonzero(labelled), np.unique(labels[labelled])
        weights = np.ones(len(rows))
        if self.confusion is not None:
            weights = self.confusion.sum(axis=1)[labels[rows]]
        if (weights > 0).sum() < count:
            raise DataError(
                f"--flip asks for {count:,} examples, but the classes that --confusion flips have "
                f"{(weights > 0).sum():,}. Ask for a smaller share."
            )
        flips: list[tuple[int, int]] = []
        for row in rng.choice(rows, count, replace=False, p=weights / weights.sum()).tolist():
            label = int(labels[row])
            if self.confusion is None:
                new_label = rng.choice(classes[classes != label])
            else:
                odds = self.confusion[label]
                new_label = rng.choice(len(odds), p=odds / odds.sum())
            flips.append((row, int(new_label)))
        return flips

    def _draw_ambiguous(
        self, labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        assert self.runner_up is not None, "it was made with a run"
        assert self.gap is not None, "it was made with a run"
        rows = np.flatnonzero(labelled & (self.runner_up >= 0) & np.isfinite(self.gap))
        if len(rows) < count:
            raise DataError(
                f"--flip asks for {count:,} examples, but --run tells the runner-up of "
                f"{len(rows):,} alone, those whose label it contradicts at some stage. Ask for a "
                f"smaller share, or score it with --keep-probabilities, which tells that of all."
            )
        pool = rows[np.argsort(np.abs(self.gap[rows]), kind="stable")][: _POOL_FACTOR * count]
        flipped_rows = np.sort(rng.choice(pool, count, replace=False)).tolist()
        return [(row, int(self.runner_up[row])) for row in flipped_rows]

    def _draw_groups(
        self, labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        assert self.cluster is not None, "groups were found"
        flips: list[tuple[int, int]] = []
        classes = np.unique(labels[labelled])
        for group in rng.permutation(np.unique(self.cluster[self.cluster >= 0])).tolist():
            rows = np.flatnonzero((self.cluster == group) & labelled)
            if not len(rows):
                continue
            common_label = int(np.bincount(labels[rows]).argmax())
            new_label = int(rng.choice(classes[classes != common_label]))
            flips += [(row, new_label) for row in rows[labels[rows] == common_label].tolist()]
            if len(flips) >= count:
                return flips[:count]
        raise DataError(
            f"--flip asks for {count:,} examples, and the groups have {len(flips):,} of the class "
            f"that most of theirs are. Ask for a smaller share."
        )


def _draw_from_classes(
    labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
) -> _RowsAndLabels:
    """Rows of one class, and of another where that is not enough, each class to one other."""
    classes, remaining = np.unique(labels[labelled]), count
    for label in rng.permutation(classes).tolist():
        rows = np.flatnonzero(labelled & (labels == label))
        size = min(remaining, int(_MAX_CLASS_SHARE * len(rows)))
        new = int(rng.choice(classes[classes != label]))
        yield from ((row, new) for row in np.sort(rng.choice(rows, size, replace=False)).tolist())
        remaining -= size
        if not remaining:
            return
    raise DataError(
        f"--flip asks for {count:,} examples, and of each class at most half is called another: "
        f"{count - remaining:,}. Ask for a smaller share."
    )
