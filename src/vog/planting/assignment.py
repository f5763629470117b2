"""The random choice of examples to plant, at most one fault each; a seed decides everything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import cycle, islice

import numpy as np
from jaxtyping import Bool, Int

from vog.errors import DataError
from vog.planting import corruptions
from vog.planting.corruptions import COLUMNS, OTHER, STATIC
from vog.planting.flips import FlipRule
from vog.result.planting_record import CORRUPT, DUPLICATE, FLIP, KINDS, OUTSIDE, THRESHOLD, Plant
from vog.wording import option

ADDED = (DUPLICATE, OUTSIDE)
MOVED = "moved"
# The share of examples that must stay unchanged: planted ones are compared with these.
_MIN_CLEAN_SHARE = 0.1


@dataclass(frozen=True)
class PlannedFault:
    """One fault to plant.

    Attributes:
        kind: one of `KINDS` of `result.planting_record`.
        how: the variant of the kind, such as `uniform`, `noise` or `patches`.
        row: the example that is changed, or that a new one is made from; for `other`, the row in
            the outside data.
        label: the class in the planted data.
        number: seeds the random numbers of this fault, together with the kind.
    """

    kind: str
    how: str
    row: int
    label: int
    number: int

    @property
    def digest_text(self) -> str:
        """The text in the digest of planted data; runs compare it, so it is the same for ever."""
        named = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"Change({', '.join(named)})"

    def rng(self, seed: int) -> np.random.Generator:
        """Return the random numbers of this fault alone."""
        return np.random.default_rng(
            np.random.SeedSequence([seed, KINDS.index(self.kind), self.number])
        )

    def plant(self, name: str, ids: Sequence[str], labels: Int[np.ndarray, "n"]) -> Plant:
        """Return its line in the record; `ids` and `labels` are those of the original data."""
        if self.how in (STATIC, COLUMNS, OTHER):
            return Plant(name, self.kind, self.how, self.label, None, None)
        source, original_label = ids[self.row], int(labels[self.row])
        return Plant(name, self.kind, self.how, self.label, source, original_label)


@dataclass(frozen=True)
class PlantingTarget:
    """The properties of the data that the choice of faults depends on.

    Attributes:
        labels: the class of each example; below 0 where it is not known.
        classes: the number of classes.
        is_image: True for images, False for other rows of numbers.
        usable: says of a row whether it can be decoded, and so altered.
        outside_count: the number of examples in the outside data; None without such data.
        outside_usable: says of a row of the outside data whether it can be decoded.
    """

    labels: Int[np.ndarray, "n"]
    classes: int
    is_image: bool
    usable: Callable[[int], bool]
    outside_count: int | None = None
    outside_usable: Callable[[int], bool] = bool

    @property
    def present(self) -> Int[np.ndarray, "c"]:
        """The classes that have examples."""
        return np.unique(self.labels[self.labels >= 0])


def fault_counts(
    shares: Mapping[str, float], target: PlantingTarget, threshold: bool
) -> dict[str, int]:
    """Return how many examples of each kind to plant.

    Raises:
        DataError: too few examples would stay unchanged.
    """
    n = len(target.labels)
    counts = {kind: max(1, round(share * n)) if share else 0 for kind, share in shares.items()}
    counts[THRESHOLD] = max(1, round(n / (target.classes + 1))) if threshold else 0
    changed = counts[FLIP] + counts[CORRUPT] + counts[THRESHOLD]
    clean, min_clean = n - changed, max(1, round(_MIN_CLEAN_SHARE * n), counts[DUPLICATE])
    if clean < min_clean:
        raise DataError(
            f"of {n:,} examples {changed:,} would be changed and {max(clean, 0):,} left as they "
            f"are; expected {min_clean:,} at least. Ask for smaller shares."
        )
    return counts


def draw(
    target: PlantingTarget,
    counts: Mapping[str, int],
    methods: Sequence[str],
    flips: FlipRule,
    seed: int,
) -> list[PlannedFault]:
    """Return the faults to plant, ordered by kind.

    Each kind has its own random numbers. So more faults of one kind leave those of the other
    kinds in place, unless both draw the same example.

    Args:
        target: the data to plant into.
        counts: the number of faults of each kind.
        methods: the corruptions, which are used equally often.
        flips: how labels are flipped.
        seed: decides everything that is random.

    Raises:
        DataError: too few examples can be decoded, or flipped.
    """
    rngs = {
        kind: np.random.default_rng(np.random.SeedSequence([seed, number]))
        for number, kind in enumerate(KINDS)
    }
    labels, free = target.labels, target.labels >= 0
    flipped = flips.draw(labels, counts[FLIP], rngs[FLIP]) if counts[FLIP] else []
    faults = [PlannedFault(FLIP, flips.how, row, new_label, row) for row, new_label in flipped]
    free[[fault.row for fault in faults]] = False
    rows = _draw_rows(CORRUPT, counts[CORRUPT], free, target.usable, rngs[CORRUPT])
    faults += [
        PlannedFault(CORRUPT, how, row, int(labels[row]), row)
        for row, how in zip(rows, cycle(methods), strict=False)
    ]
    rows = _draw_rows(THRESHOLD, counts[THRESHOLD], free, _always_usable, rngs[THRESHOLD])
    faults += [PlannedFault(THRESHOLD, MOVED, row, target.classes, row) for row in rows]
    how = corruptions.SHIFTED if target.is_image else corruptions.JITTERED
    rows = _draw_rows(DUPLICATE, counts[DUPLICATE], free, target.usable, rngs[DUPLICATE])
    faults += [PlannedFault(DUPLICATE, how, row, int(labels[row]), row) for row in rows]
    return faults + _outsiders(target, counts[OUTSIDE], rngs[OUTSIDE])


def _always_usable(row: int) -> bool:
    return True


def _draw_rows(
    kind: str,
    count: int,
    free: Bool[np.ndarray, "n"],
    usable: Callable[[int], bool],
    rng: np.random.Generator,
) -> list[int]:
    """Return random rows that are free and usable, and mark them as no longer free."""
    order = (int(row) for row in rng.permutation(len(free)) if free[row])
    rows = list(islice((row for row in order if usable(row)), count))
    if len(rows) < count:
        raise DataError(
            f"{option(kind)} asks for {count:,} examples, but only {len(rows):,} can be decoded "
            f"and have no other fault. Ask for a smaller share."
        )
    free[rows] = False
    return rows


def _outsiders(target: PlantingTarget, count: int, rng: np.random.Generator) -> list[PlannedFault]:
    labels = rng.choice(target.present, count).tolist() if count else []
    if target.outside_count is not None:
        methods = (OTHER,)
        rows = _draw_outside_rows(target, count, rng)
    else:
        methods = (corruptions.PATCHES, STATIC) if target.is_image else (COLUMNS,)
        rows = _draw_rows(OUTSIDE, count, target.labels >= 0, target.usable, rng)
    return [
        PlannedFault(OUTSIDE, how, row, label, number)
        for number, (row, label, how) in enumerate(zip(rows, labels, cycle(methods), strict=False))
    ]


def _draw_outside_rows(target: PlantingTarget, count: int, rng: np.random.Generator) -> list[int]:
    free = np.ones(target.outside_count or 0, bool)
    try:
        return _draw_rows(OUTSIDE, count, free, target.outside_usable, rng)
    except DataError as error:
        raise DataError(
            f"{option('outside')} asks for {count:,} examples, but {option('outside_from')} has "
            f"only {target.outside_count:,}, or fewer that can be decoded. Ask for a smaller share."
        ) from error
