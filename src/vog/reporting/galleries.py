"""The pictures of the report: which examples are shown where, and how many there is room for."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from vog import pages
from vog.analysis.label_errors.suspect_list import Suspect
from vog.analysis.one_run.row_facts import row_summaries
from vog.figures.previews import Previewer
from vog.pages import GalleryTile, number
from vog.reporting.findings import Findings, Missing
from vog.result import Run

SIZE = 112
_SMALL = 80
_ENDS, _OF_GROUP = 14, 9
# Of each end of a class at most so many, and of all classes together.
_OF_CLASS, _OF_ALL = 12, 2600
# What all pictures may take, as text in the page: the report is to stay below 15 MB.
_ROOM = 11_000_000


@dataclass(frozen=True)
class SelectedRows:
    """An example that is to be shown, and what stands below it."""

    index: int
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class GalleryPlan:
    """Which examples are shown, by the name of the gallery.

    Attributes:
        shown: by gallery.
        classes: by class, its hardest and its easiest.
        left_out: how many classes have no gallery of their own.
    """

    shown: Mapping[str, Sequence[SelectedRows]]
    classes: Mapping[int, tuple[Sequence[SelectedRows], Sequence[SelectedRows]]]
    left_out: int

    @property
    def pictures(self) -> int:
        """How many examples have to be looked at."""
        return len(set(self.indices))

    @property
    def indices(self) -> list[int]:
        """Their rows; those of the classes come last, where there may be no room any more."""
        several = [*self.shown.values(), *(end for both in self.classes.values() for end in both)]
        return [one.index for gallery in several for one in gallery]


@dataclass(frozen=True)
class Galleries:
    """The plan with pictures.

    Attributes:
        tiles: by gallery.
        classes: by class, its hardest and its easiest.
        left_out: classes without a gallery of their own.
        missing: why there is no picture of an example, where there is none.
        looked_at: how many examples were to be shown; `unseen`, how many of them cannot be.
    """

    tiles: Mapping[str, list[GalleryTile]]
    classes: Mapping[int, tuple[list[GalleryTile], list[GalleryTile]]]
    left_out: int
    missing: str | None
    looked_at: int
    unseen: int


def plan_galleries(run: Run, found: Findings) -> GalleryPlan:
    """The hardest and the easiest of all and of each class, and those that sections speak of."""
    values = run.numbers(found.by)
    sign = -1 if run.hard_is_high(found.by) else 1
    order = np.lexsort((np.arange(len(values)), sign * values))
    order = order[: int((~np.isnan(values)).sum())]
    ends = min(_ENDS, len(order) // 2)

    index = run.table(["index"])["index"].to_numpy()  # not the place, where parts are missing

    def wanted(places: Int[np.ndarray, "few"]) -> list[SelectedRows]:
        return [
            SelectedRows(int(index[at]), (f"{found.by} {number(float(values[at]))}",))
            for at in places
        ]

    shown = {"hardest": wanted(order[:ends]), "easiest": wanted(order[::-1][:ends])}
    classes, left_out = _by_class(run, order, wanted)
    return GalleryPlan(shown | _of_sections(found), classes, left_out)


def fill_galleries(
    run: Run, asked: GalleryPlan, look: Previewer, advance: Callable[[int], None]
) -> Galleries:
    """Look at each example once; classes are left out when the page would become too large."""
    times = Counter(asked.indices)
    indices = list(times)
    places = np.searchsorted(run.table(["index"])["index"].to_numpy(), indices)
    rows = {row["index"]: row for row in row_summaries(run, places, "all")}
    tiles: dict[int, GalleryTile] = {}
    missing, taken, unseen = None, 0, 0
    size = SIZE if len(indices) < 1000 else _SMALL
    for index in indices:
        if taken > _ROOM:
            break
        row = rows[index]
        preview = look(index, row["id"])
        missing, unseen = missing or preview.missing, unseen + (preview.missing is not None)
        tiles[index] = pages.tile(run, row, **pages.embedded(preview, size))
        taken += len(tiles[index].picture or "") * times[index]
        advance(1)

    def made(wanted: Sequence[SelectedRows]) -> list[GalleryTile]:
        return [replace(tiles[w.index], facts=w.facts) for w in wanted if w.index in tiles]

    classes = {
        label: (made(hard), made(easy))
        for label, (hard, easy) in asked.classes.items()
        if all(one.index in tiles for one in [*hard, *easy])
    }
    return Galleries(
        tiles={name: made(gallery) for name, gallery in asked.shown.items()},
        classes=classes,
        left_out=asked.left_out + len(asked.classes) - len(classes),
        missing=missing,
        looked_at=len(tiles),
        unseen=unseen,
    )


def _by_class(
    run: Run,
    order: Int[np.ndarray, "n"],
    wanted: Callable[[Int[np.ndarray, "few"]], list[SelectedRows]],
) -> tuple[dict[int, tuple[list[SelectedRows], list[SelectedRows]]], int]:
    """By class, its hardest and its easiest; and how many classes there is no room for."""
    labels = run.table(["label"])["label"].fill_null(-1).to_numpy()[order]
    grouped = np.argsort(labels, kind="stable")
    known, start, count = np.unique(labels[grouped], return_index=True, return_counts=True)
    kept = [(label, a, n) for label, a, n in zip(known, start, count, strict=True) if label >= 0]
    fit = kept[: _OF_ALL // 2]
    each = max(1, min(_OF_CLASS, _OF_ALL // (2 * max(1, len(fit)))))
    classes = {}
    for label, first, members in fit:
        mine = order[grouped[first : first + members]]
        hard = min(each, max(1, members // 2))
        easy = min(each, members - hard)
        classes[int(label)] = (wanted(mine[:hard]), wanted(mine[::-1][:easy]))
    return classes, len(kept) - len(fit)


def _of_sections(found: Findings) -> dict[str, list[SelectedRows]]:
    """What the sections on stages, disputes and labels speak of."""
    shown: dict[str, list[SelectedRows]] = {}
    if not isinstance(found.course, Missing):
        shown |= {
            group.name: [SelectedRows(row) for row in group.rows[:_OF_GROUP]]
            for group in found.course.groups
        }
    shown["disputed"] = [
        SelectedRows(
            one.index,
            (
                f"{one.hardest:.0%} hard by {one.hardest_by.partition('@')[0]}",
                f"{one.easiest:.0%} by {one.easiest_by.partition('@')[0]}",
            ),
        )
        for one in found.disputed
    ]
    if not isinstance(found.suspects, Missing):
        shown["suspects"] = [
            SelectedRows(one.index, _why_suspicious(one, found.suspects.scores[0]))
            for one in found.suspects.suspects
        ]
    return shown


def _why_suspicious(one: Suspect, first: str) -> tuple[str, ...]:
    said = f"{one.hardness:.1%} by {first}" + (" and others" if "all classes" not in first else "")
    if one.probability is not None:
        said = f"wrong with {one.probability:.0%}"
    return (said,) if one.vog is None else (said, f"{one.vog:.0%} by vog")
