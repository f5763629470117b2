"""Rotation by EXIF and bit depth of image files, from the headers of some of them."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from vog import pixels
from vog.data.examples import Examples, UnreadableError
from vog.data.images import ImageReader, open_image
from vog.errors import DataError
from vog.wording import option

# The number of files that stand for all of them.
_SAMPLE_SIZE = 64


def with_header_facts(examples: Examples, exif: bool) -> Examples:
    """Return the examples, rotated by EXIF if `exif`; else with a note if some are rotated.

    Raises:
        DataError: `exif` is given, but the examples are not image files.
    """
    reader = examples.read
    if not isinstance(reader, ImageReader):
        if exif:
            raise DataError(
                f"{option('exif', True)} rotates image files, but the data are not image files: "
                f"the dataset opens or decodes them. Rotate there, by ImageOps.exif_transpose."
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
        f"applied; {option('exif', True)} applies it"
    )
    return replace(examples, notes=(*examples.notes, note))


def _read_header(path: Path) -> tuple[bool, bool]:
    """Return whether EXIF rotates a file, and whether a pixel of it has more than eight bits."""

    def rotation_and_depth(image: Image.Image) -> tuple[bool, bool]:
        return pixels.exif_orientation(image) != pixels.UPRIGHT, pixels.is_deep(image)

    try:
        return open_image(path, rotation_and_depth)
    except UnreadableError:
        return False, False
