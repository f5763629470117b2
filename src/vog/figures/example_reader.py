"""What an example looks like, found again from what its run folder says of the data."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image

from vog import pixels, user_functions
from vog.errors import ResultError
from vog.files import npz
from vog.files.file_names import path_below
from vog.item_keys import INPUT_KEYS, key_of
from vog.result import Run
from vog.result.data_location import data_container, data_place, missing_data_places

# From row number and id to an image, a text, or an array that the model was given.
Reader = Callable[[int, str], Any]
Opener = Callable[[int, str], Image.Image]

# What the imagenet transform keeps of the shorter side: 224 of 256 pixels.
_SEEN = 224 / 256
# Of an `.npz`, what is shown of a row, and the names of its columns.
_KINDS, _FEATURES = ("texts", "images", "inputs"), "feature_names"
_ENDINGS = sorted(Image.registered_extensions(), key=lambda ending: ending != ".jpg")
# What damaged images raise when they are decoded.
UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)


def opener(run: Run, root: Path | None = None, data: Any = None) -> Opener:
    """A function from the row number and the id of an example to its picture; see `reader`.

    Raises:
        ResultError: as for `reader`. The function raises it also where an example is no image.
    """
    read = reader(run, root, data)

    def opened(index: int, name: str) -> Image.Image:
        found = read(index, name)
        return found if isinstance(found, Image.Image) else to_image(np.asarray(found))

    return opened


def reader(
    run: Run,
    root: Path | None = None,
    data: Any = None,
    size: int | None = None,
    inside: bool = False,
) -> Reader:
    """A function from the row number and the id of an example to what it is.

    They are what was scored: image files, cut to what the `imagenet` transform shows the model
    where that was used; rows of an `.npz`, its `texts` where it has them, its `feature_names`
    with the values; images beside stored gradients; items of a dataset.

    Args:
        run: says where the data were when it was begun.
        root: where they are now, if they have moved: the folder that the ids are relative to,
            the `.npz`, or the folder of the stored gradients.
        data: where the data are now, the dataset that was scored, or `file.py:function` that
            returns it. Nothing that only the run names is imported.
        size: pictures are wanted in about this many pixels; large JPEG files are then decoded at
            a fraction of theirs.
        inside: refuse files that are reached through links out of the folder.

    Raises:
        ResultError: the run does not say where its data are, or holds a part of their rows that
            are found by number. The function raises it where an example is missing or cannot be
            read.
        FunctionError: `data` names no function, or it fails.
    """
    if isinstance(data, str | Path) and Path(data).exists():
        root, data = root or data_container(Path(data)), None
    if data is not None:
        run.require_row_numbers()
        return _items(data)
    where = run.question.get("where", {})
    seen = _SEEN if "images.imagenet" in str(run.question["data"].get("transform")) else 1.0
    exif = bool(run.question["data"].get("exif"))
    place = data_place(run, root)
    if place is None:
        raise ResultError(_unknown_place(run, where.get("data")))
    lost = missing_data_places(run) if root is None else None
    if lost is not None:
        what = "file" if place.suffix == ".npz" else "folder that the ids are relative to"
        raise ResultError(
            f"{place} with the images of the run cannot be read: nothing is there. It was looked "
            f"for as {lost}. Give the {what} as --root."
        )
    if place.suffix == ".npz":
        run.require_row_numbers()
        return _of_arrays(place)
    stored = sorted((p for p in place.glob("weight_*") if p.is_dir()), reverse=True)
    if stored and where.get("gradients"):
        if "combined" in run.question:  # else its numbers are those of the stored gradients
            run.require_row_numbers()
        return lambda index, _: _cropped(
            _open(_beside_gradients(stored, index, inside), size, exif), seen
        )
    return lambda _, name: _cropped(_open(_below(place, name, inside), size, exif), seen)


def to_image(values: Shaped[np.ndarray, "*shape"]) -> Image.Image:
    """A row of an array as a picture: h x w, colours x h x w, or h x w x colours.

    Whole numbers are taken as they are, and floats within [0, 1] times 255; other floats, which
    were standardised, are stretched between their smallest and largest value.

    Raises:
        ResultError: of another shape.
    """
    array = np.asarray(values)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[-1] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    flat = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3)
    if not flat or not array.size:
        raise ResultError(f"an example of shape {values.shape} is no image.")
    if array.dtype.kind == "f":
        array = _within_0_and_1(array.astype(np.float64)) * 255  # float16 would overflow
    return Image.fromarray(array.round().clip(0, 255).astype(np.uint8))


def _within_0_and_1(array: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The same, stretched if some are outside; infinities at the ends, and NaN black."""
    known = array[np.isfinite(array)]
    if ((known < 0) | (known > 1)).any():
        array = (array - known.min()) / max(float(np.ptp(known)), 1e-12)
    return np.nan_to_num(array).clip(0, 1)


def _unknown_place(run: Run, data: str | None) -> str:
    said = f"{run.folder} does not say where its images are: its data came from "
    if data is None:
        return f"{said}an object in Python. Give the folder that the ids are relative to as --root."
    return f"{said}{data}. Give the function as --data {data}, or a folder of images as --root."


def _items(data: Any) -> Reader:
    """What a dataset has of a row: what its `preview(row)` returns, or the input of its item."""
    if isinstance(data, str):
        data = user_functions.call_function(
            user_functions.load_function(data, "--data"), data, "--data"
        )

    def read(index: int, name: str) -> Any:
        try:
            if hasattr(data, "preview"):
                return data.preview(index)
            item = data[index]
            if isinstance(item, Mapping) and (key := key_of(item, INPUT_KEYS)):
                return item[key]
            return item[0] if isinstance(item, tuple | list) else item
        except Exception as error:
            raise ResultError(
                f"the example {name!r} cannot be read: {user_functions.describe_error(error)}"
            ) from error

    return read


def _beside_gradients(folders: Sequence[Path], index: int, inside: bool) -> Path:
    """The image of a row in the last of these folders that has it."""
    place = folders[0].parent
    for folder in folders:
        for ending in _ENDINGS:
            path = folder / f"img_{index:05d}{ending}"
            if path.exists():
                return _below(place, str(path.relative_to(place)), inside)
    raise ResultError(
        f"{place} holds no weight_STEP/img_{index:05d}.jpg. Give the folder of the "
        f"images as --root, if the ids are paths in it."
    )


def _of_arrays(path: Path) -> Reader:
    """What an `.npz` has of a row; with names of features, values by name."""
    rows, names = _rows(path)

    def read(index: int, name: str) -> Any:
        if index >= len(rows):
            raise ResultError(
                f"{path} has {len(rows)} rows, and {name!r} was row {index} of what was scored. "
                f"Give that file as --root."
            )
        row = rows[index]
        return row if names is None else dict(zip(names, row.tolist(), strict=True))

    return read


def _rows(path: Path) -> tuple[Shaped[np.ndarray, "n *shape"], list[str] | None]:
    """The rows of an `.npz`, its `texts` if it has such; and the names of features, if it has."""
    try:
        there = npz.array_names(path)
        kind = next((one for one in _KINDS if one in there), _KINDS[-1])
        arrays = npz.load_arrays(path, (kind, _FEATURES))
        rows = np.atleast_1d(arrays[kind])
        names = None
        if rows.ndim == 2 and _FEATURES in arrays:
            names = [str(one) for one in arrays[_FEATURES]]
        return rows, names if names and len(names) == rows.shape[1] else None
    except npz.UNPACKABLE as error:
        raise ResultError(
            f"{path} with the images of the run cannot be read: {error}. Give the file as --root, "
            f"if it has moved."
        ) from error


def _below(place: Path, name: str, inside: bool) -> Path:
    """The file of an id below its folder.

    Raises:
        ResultError: it must not lead out of the folder, and does.
    """
    path = path_below(place, name)
    try:
        out = inside and not path.resolve().is_relative_to(place.resolve())
    except (OSError, ValueError, RuntimeError):  # names no file could have, or links in a circle
        out = True
    if out:
        raise ResultError(f"{name!r} leads out of {place}, so it is not shown.")
    return path


def _open(path: Path, size: int | None = None, exif: bool = False) -> Image.Image:
    """The picture of a file, whose values are scaled where it has more than eight bits."""

    def shown(image: Image.Image) -> Image.Image:
        if size is not None:
            image.draft("RGB", (2 * size, 2 * size))
        return pixels.rgb_for_display(pixels.as_stored(image, exif))

    try:
        return pixels.open_file(path, shown)
    except pixels.UNREADABLE as error:
        raise ResultError(
            f"the image {path} cannot be read: {error}. Give the folder that the ids are "
            f"relative to as --root."
        ) from error


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """The central square, with this share of the shorter side."""
    edge = round(min(image.size) * share)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((left, top, left + edge, top + edge))
