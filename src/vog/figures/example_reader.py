"""Reads examples again, from the location of the data in the run folder."""

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
from vog.wording import option

# A function from row number and id to an image, a text, or the input array of the model.
Reader = Callable[[int, str], Any]
ImageReader = Callable[[int, str], Image.Image]

# The share of the shorter side that the imagenet transform keeps: 224 of 256 pixels.
_CROP_SHARE = 224 / 256
# Arrays of an `.npz`: those that can be shown, in order of preference; and names of features.
_ARRAY_NAMES, _FEATURE_NAMES = ("texts", "images", "inputs"), "feature_names"
_SUFFIXES = sorted(Image.registered_extensions(), key=lambda suffix: suffix != ".jpg")
# Exceptions of decoding a damaged image.
UNREADABLE = (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError)


def image_reader(run: Run, root: Path | None = None, data: Any = None) -> ImageReader:
    """Return a function from the row number and id of an example to its picture; see `reader`.

    Raises:
        ResultError: as for `reader`. The function also raises it if an example is no image.
    """
    read = reader(run, root, data)

    def read_image(index: int, name: str) -> Image.Image:
        example = read(index, name)
        return example if isinstance(example, Image.Image) else to_image(np.asarray(example))

    return read_image


def reader(
    run: Run,
    root: Path | None = None,
    data: Any = None,
    size: int | None = None,
    inside: bool = False,
) -> Reader:
    """Return a function from the row number and id of an example to the example.

    The examples are those that were scored: image files, cropped as the `imagenet` transform crops
    them if it was used; rows of an `.npz`, preferably its `texts`, with `feature_names` if it has
    them; images beside stored gradients; items of a dataset.

    Args:
        run: the run, which names the location of the data when it was started.
        root: the present location, if the data have moved: the folder that the ids are relative
            to, the `.npz`, or the folder of the stored gradients.
        data: the present location of the data, the dataset that was scored, or `file.py:function`
            that returns it. No function is imported that only the run names.
        size: approximate size of pictures, in pixels: large JPEG files are decoded at a fraction
            of their size.
        inside: refuse files that are reached through links out of the folder.

    Raises:
        ResultError: the run does not name the location of its data, or lacks some rows of data
            whose rows are found by number. The function raises it if an example cannot be read.
        FunctionError: `data` names no function, or the function fails.
    """
    if isinstance(data, str | Path) and Path(data).exists():
        root, data = root or data_container(Path(data)), None
    if data is not None:
        run.require_row_numbers()
        return _dataset_reader(data)
    locations = run.question.get("where", {})
    share = _CROP_SHARE if "images.imagenet" in str(run.question["data"].get("transform")) else 1.0
    exif = bool(run.question["data"].get("exif"))
    source = data_place(run, root)
    if source is None:
        raise ResultError(_unknown_location(run, locations.get("data")))
    searched = missing_data_places(run) if root is None else None
    if searched is not None:
        expected = "file" if source.suffix == ".npz" else "folder that the ids are relative to"
        raise ResultError(
            f"{source} with the images of the run cannot be read: nothing is there. "
            f"Searched: {searched}. Give the {expected} as {option('root')}."
        )
    if source.suffix == ".npz":
        run.require_row_numbers()
        return _array_reader(source)
    folders = sorted((path for path in source.glob("weight_*") if path.is_dir()), reverse=True)
    if folders and locations.get("gradients"):
        if "combined" in run.question:  # otherwise its row numbers are those of the gradients
            run.require_row_numbers()
        return lambda index, _: _crop(
            _open_image(_gradient_image_path(folders, index, inside), size, exif), share
        )
    return lambda _, name: _crop(_open_image(_path_below(source, name, inside), size, exif), share)


def to_image(values: Shaped[np.ndarray, "*shape"]) -> Image.Image:
    """Return a row of an array as a picture: h x w, colours x h x w, or h x w x colours.

    Whole numbers stay unchanged, and floats within [0, 1] are multiplied by 255. Other floats,
    which were standardised, are stretched from their smallest to their largest value.

    Raises:
        ResultError: the array has a different shape.
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
        array = _scale_to_0_and_1(array.astype(np.float64)) * 255  # float16 would overflow
    return Image.fromarray(array.round().clip(0, 255).astype(np.uint8))


def _scale_to_0_and_1(array: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return values stretched to [0, 1] if some are outside; infinities at the ends, NaN as 0."""
    finite = array[np.isfinite(array)]
    if ((finite < 0) | (finite > 1)).any():
        array = (array - finite.min()) / max(float(np.ptp(finite)), 1e-12)
    return np.nan_to_num(array).clip(0, 1)


def _unknown_location(run: Run, data: str | None) -> str:
    intro = f"{run.folder} does not say where its images are: its data came from "
    root = option("root")
    if data is None:
        return f"{intro}an object in Python. Give the folder that ids are relative to as {root}."
    setting = option("data", data)
    return f"{intro}{data}. Give the function as {setting}, or a folder of images as {root}."


def _dataset_reader(data: Any) -> Reader:
    """Return a reader of `preview(row)` of a dataset, or of the input in its item."""
    if isinstance(data, str):
        what = option("data")
        data = user_functions.call_function(user_functions.load_function(data, what), data, what)

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


def _gradient_image_path(folders: Sequence[Path], index: int, inside: bool) -> Path:
    """Return the path of the image of a row in the first of these folders that has it."""
    parent = folders[0].parent
    for folder in folders:
        for suffix in _SUFFIXES:
            path = folder / f"img_{index:05d}{suffix}"
            if path.exists():
                return _path_below(parent, str(path.relative_to(parent)), inside)
    raise ResultError(
        f"{parent} holds no weight_STEP/img_{index:05d}.jpg. Give the folder of the "
        f"images as {option('root')}, if the ids are paths in it."
    )


def _array_reader(path: Path) -> Reader:
    """Return a reader of rows of an `.npz`; with names of features, values by name."""
    rows, names = _read_rows(path)

    def read(index: int, name: str) -> Any:
        if index >= len(rows):
            raise ResultError(
                f"{path} has {len(rows)} rows, and {name!r} was row {index} of what was scored. "
                f"Give that file as {option('root')}."
            )
        row = rows[index]
        return row if names is None else dict(zip(names, row.tolist(), strict=True))

    return read


def _read_rows(path: Path) -> tuple[Shaped[np.ndarray, "n *shape"], list[str] | None]:
    """Return the rows of an `.npz`, preferably its `texts`; and its names of features or None."""
    try:
        stored = npz.array_names(path)
        array_name = next((name for name in _ARRAY_NAMES if name in stored), _ARRAY_NAMES[-1])
        arrays = npz.load_arrays(path, (array_name, _FEATURE_NAMES))
        rows = np.atleast_1d(arrays[array_name])
        names = None
        if rows.ndim == 2 and _FEATURE_NAMES in arrays:
            names = [str(name) for name in arrays[_FEATURE_NAMES]]
        return rows, names if names and len(names) == rows.shape[1] else None
    except npz.UNPACKABLE as error:
        raise ResultError(
            f"{path} with the images of the run cannot be read: {error}. Give the file as "
            f"{option('root')}, if it has moved."
        ) from error


def _path_below(folder: Path, name: str, inside: bool) -> Path:
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


def _open_image(path: Path, size: int | None = None, exif: bool = False) -> Image.Image:
    """Return the picture of a file; values of more than eight bits are scaled."""

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
