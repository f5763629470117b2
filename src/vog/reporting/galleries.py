"""The galleries of the report: which examples each shows, within the size limit of the page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from vog import pages
from vog.analysis.label_errors.suspect_list import Suspect
from vog.analysis.one_run.row_facts import row_summaries
from vog.figures.previews import Previewer
from vog.pages import GalleryTile, format_number
from vog.reporting.findings import Findings, Missing
from vog.result import Run

SIZE = 112
_SMALL_SIZE = 80
_END_TILES, _GROUP_TILES = 14, 9
# The largest number of tiles at each end of a class, and of all classes together.
_CLASS_TILES, _ALL_CLASS_TILES = 12, 2600
# The largest length of all pictures as text in the page, so that it stays below 15 MB.
_MOST_TEXT = 11_000_000


@dataclass(frozen=True)
class SelectedRow:
    """An example of a gallery, and the lines of text below it."""

    index: int
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class GalleryPlan:
    """The examples of each gallery.

    Attributes:
        galleries: examples by name of the gallery.
        classes: the hardest and the easiest examples of each class.
        left_out: the number of classes without a gallery.
    """

    galleries: Mapping[str, Sequence[SelectedRow]]
    classes: Mapping[int, tuple[Sequence[SelectedRow], Sequence[SelectedRow]]]
    left_out: int

    @property
    def example_count(self) -> int:
        """Return the number of different examples."""
        return len(set(self.indices))

    @property
    def indices(self) -> list[int]:
        """Return the rows of all examples; those of classes come last, as room may run out."""
        rows = [*self.galleries.values(), *(end for ends in self.classes.values() for end in ends)]
        return [entry.index for gallery in rows for entry in gallery]


@dataclass(frozen=True)
class Galleries:
    """The galleries of a plan, with pictures.

    Attributes:
        tiles: tiles by name of the gallery.
        classes: tiles of the hardest and the easiest examples of each class.
        left_out: the number of classes without a gallery.
        missing: why the first example without a preview has none; None if all have one.
        example_count: the number of examples with a tile.
        without_preview: the number of these that have no preview.
    """

    tiles: Mapping[str, list[GalleryTile]]
    classes: Mapping[int, tuple[list[GalleryTile], list[GalleryTile]]]
    left_out: int
    missing: str | None
    example_count: int
    without_preview: int


def plan_galleries(run: Run, findings: Findings) -> GalleryPlan:
    """Choose the hardest and the easiest of all and of each class, and examples of sections."""
    values = run.values(findings.by)
    sign = -1 if run.higher_is_harder(findings.by) else 1
    order = np.lexsort((np.arange(len(values)), sign * values))
    order = order[: int((~np.isnan(values)).sum())]
    ends = min(_END_TILES, len(order) // 2)

    index = run.table(["index"])["index"].to_numpy()  # not the position if parts are missing

    def select_rows(places: Int[np.ndarray, "few"]) -> list[SelectedRow]:
        return [
            SelectedRow(int(index[i]), (f"{findings.by} {format_number(float(values[i]))}",))
            for i in places
        ]

    galleries = {"hardest": select_rows(order[:ends]), "easiest": select_rows(order[::-1][:ends])}
    classes, left_out = _class_galleries(run, order, select_rows)
    return GalleryPlan(galleries | _section_galleries(findings), classes, left_out)


def fill_galleries(
    run: Run, plan: GalleryPlan, preview_example: Previewer, advance: Callable[[int], None]
) -> Galleries:
    """Preview each example once; leave out classes if the page would become too large."""
    times = Counter(plan.indices)
    indices = list(times)
    places = np.searchsorted(run.table(["index"])["index"].to_numpy(), indices)
    rows = {row["index"]: row for row in row_summaries(run, places, "all")}
    tiles: dict[int, GalleryTile] = {}
    missing, letters, unseen = None, 0, 0
    size = SIZE if len(indices) < 1000 else _SMALL_SIZE
    for index in indices:
        if letters > _MOST_TEXT:
            break
        row = rows[index]
        preview = preview_example(index, row["id"])
        missing, unseen = missing or preview.missing, unseen + (preview.missing is not None)
        tiles[index] = pages.make_tile(run, row, **pages.preview_fields(preview, size))
        letters += len(tiles[index].picture or "") * times[index]
        advance(1)

    def make_tiles(group: Sequence[SelectedRow]) -> list[GalleryTile]:
        return [replace(tiles[row.index], facts=row.facts) for row in group if row.index in tiles]

    classes = {
        label: (make_tiles(hard), make_tiles(easy))
        for label, (hard, easy) in plan.classes.items()
        if all(entry.index in tiles for entry in [*hard, *easy])
    }
    return Galleries(
        tiles={name: make_tiles(gallery) for name, gallery in plan.galleries.items()},
        classes=classes,
        left_out=plan.left_out + len(plan.classes) - len(classes),
        missing=missing,
        example_count=len(tiles),
        without_preview=unseen,
    )


def _class_galleries(
    run: Run,
    order: Int[np.ndarray, "n"],
    select_rows: Callable[[Int[np.ndarray, "few"]], list[SelectedRow]],
) -> tuple[dict[int, tuple[list[SelectedRow], list[SelectedRow]]], int]:
    """Return the hardest and easiest rows of each class, and the number of classes left out."""
    labels = run.table(["label"])["label"].fill_null(-1).to_numpy()[order]
    grouped = np.argsort(labels, kind="stable")
    numbers, start, count = np.unique(labels[grouped], return_index=True, return_counts=True)
    groups = zip(numbers, start, count, strict=True)
    labelled = [(label, first, size) for label, first, size in groups if label >= 0]
    fitting = labelled[: _ALL_CLASS_TILES // 2]
    each = max(1, min(_CLASS_TILES, _ALL_CLASS_TILES // (2 * max(1, len(fitting)))))
    classes = {}
    for label, first, size in fitting:
        rows = order[grouped[first : first + size]]
        hard = min(each, max(1, size // 2))
        easy = min(each, size - hard)
        classes[int(label)] = (select_rows(rows[:hard]), select_rows(rows[::-1][:easy]))
    return classes, len(labelled) - len(fitting)


def _section_galleries(findings: Findings) -> dict[str, list[SelectedRow]]:
    """Return the examples of the sections on stages, disputes and labels."""
    galleries: dict[str, list[SelectedRow]] = {}
    if not isinstance(findings.stage_shift, Missing):
        galleries |= {
            group.name: [SelectedRow(row) for row in group.rows[:_GROUP_TILES]]
            for group in findings.stage_shift.groups
        }
    galleries["disputed"] = [
        SelectedRow(
            example.index,
            (
                f"{example.hardest:.0%} hard by {example.hardest_by.partition('@')[0]}",
                f"{example.easiest:.0%} by {example.easiest_by.partition('@')[0]}",
            ),
        )
        for example in findings.disputes
    ]
    if not isinstance(findings.suspects, Missing):
        galleries["suspects"] = [
            SelectedRow(example.index, _why_suspicious(example, findings.suspects.scores[0]))
            for example in findings.suspects.suspects
        ]
    return galleries


def _why_suspicious(suspect: Suspect, first: str) -> tuple[str, ...]:
    more = " and others" if "all classes" not in first else ""
    reason = f"{suspect.hardness:.1%} by {first}{more}"
    if suspect.probability is not None:
        reason = f"wrong with {suspect.probability:.0%}"
    return (reason,) if suspect.vog is None else (reason, f"{suspect.vog:.0%} by vog")
