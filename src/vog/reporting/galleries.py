"""Previews the examples of all galleries, within the size limit of the page."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vog import pages
from vog.analysis.one_run.row_facts import row_summaries
from vog.figures.previews import Previewer
from vog.pages import GalleryTile
from vog.reporting.section import Pictures, SelectedRow
from vog.result import Run

SIZE = 112
_SMALL_SIZE = 80
# The largest length of all pictures as text in the page, so that it stays below 15 MB.
_MOST_TEXT = 11_000_000


@dataclass(frozen=True)
class SectionGalleries:
    """The galleries of one section.

    Attributes:
        tiles: tiles by name of the gallery.
        classes: tiles of the hardest and the easiest examples of each class.
        left_out: the number of classes without a gallery.
    """

    tiles: Mapping[str, list[GalleryTile]] = field(default_factory=dict)
    classes: Mapping[int, tuple[list[GalleryTile], list[GalleryTile]]] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True)
class Galleries:
    """The galleries of all sections, and how many of their examples have a preview.

    Attributes:
        sections: galleries by id of the section.
        missing: why the first example without a preview has none; None if all have one.
        example_count: the number of examples with a tile.
        without_preview: the number of these that have no preview.
    """

    sections: Mapping[str, SectionGalleries]
    missing: str | None
    example_count: int
    without_preview: int


def examples_shown(pictures: Mapping[str, Pictures]) -> Counter[int]:
    """Return how often each example is shown; those of classes come last, as room may run out."""
    sections = list(pictures.values())
    galleries = [gallery for section in sections for gallery in section.galleries.values()]
    galleries += [end for section in sections for ends in section.classes.values() for end in ends]
    return Counter(row.index for gallery in galleries for row in gallery)


def fill_galleries(
    run: Run,
    pictures: Mapping[str, Pictures],
    preview_example: Previewer,
    advance: Callable[[int], None],
) -> Galleries:
    """Preview each example once; leave out classes if the page would become too large."""
    times = examples_shown(pictures)
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
    return Galleries(
        sections={name: _with_tiles(examples, tiles) for name, examples in pictures.items()},
        missing=missing,
        example_count=len(tiles),
        without_preview=unseen,
    )


def _with_tiles(pictures: Pictures, tiles: Mapping[int, GalleryTile]) -> SectionGalleries:
    """Return the galleries of a section; a class without room for all its tiles is left out."""
    classes = {
        label: (_gallery_tiles(hard, tiles), _gallery_tiles(easy, tiles))
        for label, (hard, easy) in pictures.classes.items()
        if all(row.index in tiles for row in [*hard, *easy])
    }
    return SectionGalleries(
        tiles={name: _gallery_tiles(rows, tiles) for name, rows in pictures.galleries.items()},
        classes=classes,
        left_out=pictures.left_out + len(pictures.classes) - len(classes),
    )


def _gallery_tiles(
    gallery: Sequence[SelectedRow], tiles: Mapping[int, GalleryTile]
) -> list[GalleryTile]:
    return [replace(tiles[row.index], facts=row.facts) for row in gallery if row.index in tiles]
