"""The choice of labels to flip, at random or as people mislabel.

uniform    any example, to any other class with equal odds, or by a confusion matrix
class      a part of one class, all to one other class: two classes were mixed up
boundary   ambiguous examples, to their runner-up: the annotator could not tell
cluster    whole groups of similar examples: many were labelled at a glance
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from vog.errors import DataError
from vog.result.planting_record import BOUNDARY
from vog.wording import option

UNIFORM, CLASS, CLUSTER = "uniform", "class", "cluster"
FLIP_KINDS = (UNIFORM, CLASS, BOUNDARY, CLUSTER)
CONFUSION = "confusion"

_MAX_CLASS_SHARE = 0.5  # so that at least half the examples of a class keep its label
_POOL_FACTOR = 2  # draw from twice as many ambiguous examples: half of these keep their label

_RowsAndLabels = Iterator[tuple[int, int]]
_Labels = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class FlipRule:
    """The rule by which labels are flipped.

    Attributes:
        kind: `uniform`, `class`, `boundary` or `cluster`.
        confusion: for `uniform`, the odds of flipping class i to j; None for equal odds.
        runner_up: for `boundary`, the most likely class besides the label; -1 for none.
        gap: for `boundary`, the lead of the label over the runner-up; near 0 is ambiguous.
        cluster: for `cluster`, the group of each row; -1 where it could not be read.
    """

    kind: str = UNIFORM
    confusion: Float[np.ndarray, "c c"] | None = None
    runner_up: _Labels | None = None
    gap: Float[np.ndarray, "n"] | None = None
    cluster: _Labels | None = None

    @property
    def how(self) -> str:
        """Return the name of the rule in the record."""
        return self.kind if self.confusion is None else CONFUSION

    def draw(self, labels: _Labels, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Return the rows to flip, each with its new class.

        Args:
            labels: the class of each row; below 0 where it is not known.
            count: the number of rows to flip.
            rng: decides everything that is random.

        Raises:
            DataError: fewer rows can be flipped in this way.
        """
        labelled = labels >= 0
        if len(np.unique(labels[labelled])) < 2 and self.confusion is None:
            raise DataError(f"{option('flip')} needs at least 2 classes; the data have 1.")
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
                f"{option('flip')} asks for {count:,} examples, but {(weights > 0).sum():,} are of "
                f"the classes that {option('confusion')} flips. Ask for a smaller share."
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
        assert self.runner_up is not None, "boundary flips come with the scores of a run"
        assert self.gap is not None, "boundary flips come with the scores of a run"
        rows = np.flatnonzero(labelled & (self.runner_up >= 0) & np.isfinite(self.gap))
        if len(rows) < count:
            raise DataError(
                f"{option('flip')} asks for {count:,} examples, but {option('run')} gives a "
                f"runner-up for only {len(rows):,}, whose label it contradicts at some stage. For "
                f"all, score with {option('keep_probabilities', True)}, or ask for a smaller share."
            )
        pool = rows[np.argsort(np.abs(self.gap[rows]), kind="stable")][: _POOL_FACTOR * count]
        flipped_rows = np.sort(rng.choice(pool, count, replace=False)).tolist()
        return [(row, int(self.runner_up[row])) for row in flipped_rows]

    def _draw_groups(
        self, labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
    ) -> list[tuple[int, int]]:
        assert self.cluster is not None, "cluster flips come with groups"
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
            f"{option('flip')} asks for {count:,} examples, but only {len(flips):,} have the most "
            f"frequent label of their group. Ask for a smaller share."
        )


def _draw_from_classes(
    labels: _Labels, labelled: Bool[np.ndarray, "n"], count: int, rng: np.random.Generator
) -> _RowsAndLabels:
    """Yield rows of one class, then of the next if needed; each class gets one new label."""
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
        f"{option('flip')} asks for {count:,} examples, but at most half of each class is flipped: "
        f"{count - remaining:,}. Ask for a smaller share."
    )
