"""Reads examples again, from the location of the data in the run folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image

from vog.data import kinds
from vog.data.built_in_transforms import share_of_name
from vog.data.kinds.python_function import PythonFunction
from vog.data.protocol import Display, StoredReader
from vog.data.run_data import RunData, find_run_data, missing_data_places
from vog.errors import ResultError
from vog.item_keys import ItemKeys
from vog.result import Run
from vog.result.data_location import current_location
from vog.wording import option

ImageReader = Callable[[int, str], Image.Image]

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
) -> StoredReader:
    """Return a function from the row number and id of an example to the example.

    The examples are those that were scored: image files, cropped as the transform `imagenet` or
    `tf1` crops them if it was used; rows of an `.npz`, preferably its `texts`, with `feature_names`
    if it has them; images beside stored gradients; items of a dataset.

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
        root, data = root or kinds.source_at(data).place(data), None
    if data is not None:
        run.require_row_numbers()
        keys, root = _table_settings(run)
        return _data_reader(data, Display(size, inside, keys=keys, root=root))
    run_data = find_run_data(run, root)
    if run_data is None:
        raise ResultError(_unknown_location(run, run.question.get("where", {}).get("data")))
    searched = missing_data_places(run) if root is None else None
    if searched is not None:
        is_folder = run_data.source.form == "files"
        expected = "folder that the ids are relative to" if is_folder else "file"
        raise ResultError(
            f"{run_data.place} with the images of the run cannot be read: nothing is there. "
            f"Searched: {searched}. Give the {expected} as {option('root')}."
        )
    if _needs_row_numbers(run, run_data):
        run.require_row_numbers()
    share = share_of_name(str(run.question["data"].get("transform")))
    exif = bool(run.question["data"].get("exif"))
    display = Display(size, inside, share, exif, *_table_settings(run))
    return run_data.source.reader(run_data.place, display)


def _table_settings(run: Run) -> tuple[ItemKeys, Path | None]:
    """Return the columns of the input of a table, and the folder that paths in it start from."""
    columns, label = run.question.get("input"), run.question.get("label")
    keys = ItemKeys(None if columns is None else tuple(columns), label)
    root = current_location(run, "root")
    return keys, None if root is None else Path(root)


def _needs_row_numbers(run: Run, run_data: RunData) -> bool:
    """Return whether row numbers have to be those of the data."""
    if "gradients" in run.question.get("where", {}) and run_data.source.form == "files":
        # Otherwise the row numbers of the run are those of the gradients.
        return "combined" in run.question and run_data.source.opens(run_data.place)
    return run_data.source.by_number


def _data_reader(data: Any, display: Display) -> StoredReader:
    """Return the reader of a dataset, or of one that a function returns."""
    source = kinds.source_of(data)
    if source.place(data) is not None:  # nothing is there, so a function is expected
        source = PythonFunction()
    return source.reader(data, display)


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
