"""Previews of examples on a page: a picture, a text, or values."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vog import pixels
from vog.errors import ResultError
from vog.figures import example_reader
from vog.result import Run

_TEXT_LETTERS, _MOST_VALUES = 2000, 400


@dataclass(frozen=True)
class TokenMap:
    """How much the gradient of a text varies at each of its tokens.

    Attributes:
        words: the tokens.
        shares: of the largest value of the text, in [0, 1].
    """

    words: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Preview:
    """The preview of an example: an image, a text, values, or why there is none.

    Attributes:
        image: a picture, in RGB.
        text: the beginning of a text.
        tokens: of a text, its map, if that was computed; beside `text`.
        values: feature values by name; if there are many, the largest in absolute value.
        missing: a sentence that says why there is no preview.
    """

    image: Image.Image | None = None
    text: str | None = None
    tokens: TokenMap | None = None
    values: dict[str, float] | None = None
    missing: str | None = None


Previewer = Callable[[int, str], Preview]


def previewer(
    run: Run,
    root: Path | None = None,
    data: Any = None,
    size: int | None = None,
    inside: bool = False,
) -> Previewer:
    """Return a function from the row number and id of an example to its preview; it never raises.

    Args:
        run: the run.
        root: as for `example_reader.reader`, which documents all arguments.
        data: the dataset, or `file.py:function`.
        size: approximate size of pictures, in pixels.
        inside: refuse links that lead out of the folder.

    Raises:
        FunctionError: `data` names no function, or the function fails.
    """
    try:
        read = example_reader.reader(run, root, data, size, inside)
    except ResultError as error:
        reason = str(error)
        return lambda index, name: Preview(missing=reason)

    def preview(index: int, name: str) -> Preview:
        try:
            return preview_of(read(index, name))
        except ResultError as error:
            return Preview(missing=str(error))

    return preview


def preview_of(example: Any) -> Preview:
    """Return the preview of an image, a text, values by name, or an array of any shape."""
    if isinstance(example, Image.Image):
        return _image_preview(example)
    if isinstance(example, str):
        text = str(example)
        return Preview(text=text if len(text) <= _TEXT_LETTERS else text[:_TEXT_LETTERS] + "\u2026")
    try:
        if isinstance(example, Mapping):
            return Preview(values={str(name): float(value) for name, value in example.items()})
        array = np.asarray(example)
    except (TypeError, ValueError, RuntimeError):
        return preview_of(str(example))
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        return preview_of(str(example))
    if not array.size:
        return Preview(missing=f"an example of shape {array.shape} has no values.")
    try:
        return _image_preview(example_reader.to_image(array))
    except ResultError:
        return Preview(values=_largest_values(array))


def _image_preview(image: Image.Image) -> Preview:
    """Return the preview of a picture, which a dataset may have opened but not yet read."""
    try:
        return Preview(image=pixels.rgb_for_display(image))
    except pixels.UNREADABLE as error:
        return Preview(missing=f"the picture cannot be read: {error}.")


def _largest_values(array: np.ndarray) -> dict[str, float]:
    """Return values by position in the order of the data; if there are many, the largest."""
    flat = array.reshape(-1).astype(np.float64)
    largest = np.sort(np.argsort(-np.abs(flat), kind="stable")[:_MOST_VALUES])  # NaN sorts last
    names = (", ".join(map(str, np.unravel_index(i, array.shape))) for i in largest.tolist())
    return dict(zip(names, flat[largest].tolist(), strict=True))


def encode_thumbnail(image: Image.Image, size: int) -> tuple[bytes, str]:
    """Return an image with sides of at most `size` pixels as bytes, and their media type.

    Small images keep their size, without loss: a page shows their pixels as squares.
    """
    out = io.BytesIO()
    if max(image.size) <= min(size, 64):
        image.save(out, "PNG", optimize=True)
        return out.getvalue(), "image/png"
    image = image.copy()
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    image.save(out, "WEBP", quality=78, method=4)
    return out.getvalue(), "image/webp"
