"""What the heads of some image files say before any is decoded: rotation by EXIF, and depth."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from vog import pixels
from vog.data.examples import Examples, UnreadableError
from vog.data.images import ImageReader, open_image
from vog.errors import DataError

# How many files tell of all of them.
_SAMPLE_SIZE = 64


def with_header_facts(examples: Examples, exif: bool) -> Examples:
    """The same examples, turned as their EXIF says if `exif`; else with a note if some would be.

    Raises:
        DataError: they are to be turned, and are no image files.
    """
    reader = examples.read
    if not isinstance(reader, ImageReader):
        if exif:
            raise DataError(
                "--exif turns image files, and the data are none: their images are opened by the "
                "dataset or were decoded before. Turn them there, with ImageOps.exif_transpose."
            )
        return examples
    step = max(1, len(reader.paths) // _SAMPLE_SIZE)
    headers = [_read_header(reader.root / path) for path in reader.paths[::step][:_SAMPLE_SIZE]]
    deep, rotated = any(deep for _, deep in headers), sum(rotated for rotated, _ in headers)
    examples = replace(examples, read=replace(reader, exif=exif, deep=deep))
    if exif or not rotated:
        return examples
    sample_note = " looked at" if len(headers) < len(reader.paths) else ""
    note = (
        f"{rotated} of {len(headers)} images{sample_note} carry an EXIF rotation, which is not "
        f"applied; --exif applies it"
    )
    return replace(examples, notes=(*examples.notes, note))


def _read_header(path: Path) -> tuple[bool, bool]:
    """Whether a file is to be turned, and whether a pixel of it has more than eight bits."""

    def rotation_and_depth(image: Image.Image) -> tuple[bool, bool]:
        return pixels.exif_orientation(image) != pixels.UPRIGHT, pixels.is_deep(image)

    try:
        return open_image(path, rotation_and_depth)
    except UnreadableError:
        return False, False
