"""What the heads of some image files say before any is decoded: rotation by EXIF, and depth."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from vog import pixels
from vog.data.examples import Examples, UnreadableError
from vog.data.images import ImageReader, open_image
from vog.errors import DataError

# How many files tell of all of them.
_LOOKED_AT = 64


def with_heads(examples: Examples, exif: bool) -> Examples:
    """The same examples, turned as their EXIF says if `exif`; else with a note if some would be.

    Raises:
        DataError: they are to be turned, and are no image files.
    """
    files = examples.read
    if not isinstance(files, ImageReader):
        if exif:
            raise DataError(
                "--exif turns image files, and the data are none: their images are opened by the "
                "dataset or were decoded before. Turn them there, with ImageOps.exif_transpose."
            )
        return examples
    step = max(1, len(files.paths) // _LOOKED_AT)
    heads = [_head(files.root / path) for path in files.paths[::step][:_LOOKED_AT]]
    deep, turned = any(deep for _, deep in heads), sum(turned for turned, _ in heads)
    examples = replace(examples, read=replace(files, exif=exif, deep=deep))
    if exif or not turned:
        return examples
    sampled = " looked at" if len(heads) < len(files.paths) else ""
    note = (
        f"{turned} of {len(heads)} images{sampled} carry an EXIF rotation, which is not "
        f"applied; --exif applies it"
    )
    return replace(examples, notes=(*examples.notes, note))


def _head(path: Path) -> tuple[bool, bool]:
    """Whether a file is to be turned, and whether a pixel of it has more than eight bits."""

    def looked_at(image: Image.Image) -> tuple[bool, bool]:
        return pixels.way_up(image) != pixels.UPRIGHT, pixels.is_deep(image)

    try:
        return open_image(path, looked_at)
    except UnreadableError:
        return False, False
