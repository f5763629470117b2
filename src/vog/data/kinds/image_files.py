"""Image files whose ids are paths in a folder, opened to be shown, cropped as they were scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vog import pixels
from vog.data.protocol import Display, Source, StoredReader
from vog.errors import ResultError
from vog.files.file_names import path_below
from vog.wording import option


@dataclass(frozen=True)
class ImageFileSource(Source):
    """What sources of image files share: an example is found by its id, the path of its file."""

    form = "files"
    by_number = False

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what opens the file that an id names."""
        return reader_by_id(data, display)

    def file_names(
        self, place: Path, rows: Sequence[int], ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Return the ids, which are paths."""
        return ids


def reader_by_id(folder: Path, display: Display) -> StoredReader:
    """Return a reader of image files whose ids are paths in a folder."""
    return lambda _, name: open_shown(path_inside(folder, name, display.inside), display)


def open_shown(path: Path, display: Display) -> Image.Image:
    """Return the picture of a file, cropped.

    Raises:
        ResultError: it cannot be read.
    """
    return _crop(open_picture(path, display.size, display.exif), display.share)


def path_inside(folder: Path, name: str, inside: bool) -> Path:
    """Return the file of an id below its folder.

    Raises:
        ResultError: with `inside`, the file is not inside the folder.
    """
    path = path_below(folder, name)
    try:
        is_outside = inside and not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # names that no file can have; circular links
        is_outside = True
    if is_outside:
        raise ResultError(f"{name!r} leads out of {folder}, so it is not shown.")
    return path


def open_picture(path: Path, size: int | None = None, exif: bool = False) -> Image.Image:
    """Return the picture of a file; values of more than eight bits are scaled.

    Raises:
        ResultError: it cannot be read.
    """

    def to_display(image: Image.Image) -> Image.Image:
        if size is not None:
            image.draft("RGB", (2 * size, 2 * size))
        return pixels.rgb_for_display(pixels.as_stored(image, exif))

    try:
        return pixels.open_file(path, to_display)
    except pixels.UNREADABLE as error:
        raise ResultError(
            f"the image {path} cannot be read: {error}. Give the folder that the ids are "
            f"relative to as {option('root')}."
        ) from error


def _crop(image: Image.Image, share: float) -> Image.Image:
    """Return the central square, with this share of the shorter side."""
    edge = round(min(image.size) * share)
    x, y = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((x, y, x + edge, y + edge))
