"""Files of the selected rows: ids, row numbers, lists of images, and `.npz`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vog.errors import ResultError, first_few, unknown
from vog.files import npz
from vog.files.writing import write_array, write_text, write_whole
from vog.result import Run
from vog.result.data_location import current_location, data_place, refuse_to_overwrite_inputs
from vog.wording import option

if TYPE_CHECKING:
    from vog.analysis.selection.select import Selection

FORMS = ("ids", "indices", "list", "npy", "npz")


def write_lists(
    selection: "Selection",
    path: Path,
    form: str | None,
    root: str | Path | None,
    data: str | Path | None,
) -> Path:
    """Write the selected rows to a file; see `Selection.save`."""
    list_form = form or _default_form(selection.run, path)
    if list_form not in FORMS:
        raise ResultError(f"there is no form {list_form!r}.{unknown(list_form, FORMS)}")
    if not selection.ids:
        raise ResultError(f"no row is kept, so {path} is not written. Select more rows.")
    if root is not None and list_form != "list":
        raise ResultError(f"{option('root')} is for lists of image files. Add {_form('list')}.")
    if list_form in ("indices", "npy", "npz"):
        selection.run.require_row_numbers()
    refuse_to_overwrite_inputs(selection.run, path, data)
    if list_form == "npz":
        arrays = _selected_arrays(selection, data)
        write_whole(path, lambda beside: _save_arrays(beside, arrays))
    elif list_form == "npy" or (list_form == "indices" and path.suffix.lower() == ".npy"):
        write_array(path, selection.indices)
    else:
        write_text(path, "".join(f"{line}\n" for line in _lines(selection, list_form, root)))
    return path


def _form(name: str) -> str:
    """Return how the caller asks for a form: `form='ids'`, or `--as ids` and not `--format ids`."""
    return option("form", name, flag="--as")


def _default_form(run: Run, path: Path) -> str:
    if path.suffix.lower() in (".npy", ".npz"):
        return path.suffix[1:].lower()
    if _image_folder(run) is not None:
        return "list"
    return "ids" if run.question["data"].get("part", False) else "indices"


def _image_folder(run: Run) -> Path | None:
    """Return the folder that the ids of image files are relative to; None for other data."""
    path = data_place(run)
    beside_gradients = run.question.get("where", {}).get("gradients")
    return None if path is None or path.suffix == ".npz" or beside_gradients else path


def _lines(selection: "Selection", form: str, root: str | Path | None) -> list[str]:
    if form == "indices":
        return [str(index) for index in selection.indices.tolist()]
    names = selection.ids
    if root is not None:
        folder = _image_folder(selection.run)
        if folder is None:
            raise ResultError(
                f"{selection.run.folder} was not made of image files. Leave {option('root')} out."
            )
        if not Path(root).is_dir():
            raise ResultError(f"{option('root', str(root))}: there is no such folder.")
        if not any((folder / id).is_file() for id in names):
            raise ResultError(
                f"none of the images is in {folder}, seen from the current folder. Start where "
                f"{selection.run.folder} was scored, or leave {option('root')} out: the paths are "
                f"then those of the run."
            )
        roots = folder.resolve(), Path(root).resolve()
        names = [Path(os.path.relpath(roots[0] / id, roots[1])).as_posix() for id in names]
    for name in names:
        if name.splitlines() != [name] or name != name.strip():
            raise ResultError(
                f"the id {name!r} has line breaks, or spaces at its ends, so it cannot be a line "
                f"of a text file. Add {_form('indices')}."
            )
    if form == "ids":
        return list(names)
    if (selection.labels < 0).all():
        return list(names)
    unlabelled = [id for id, label in zip(names, selection.labels, strict=True) if label < 0]
    if unlabelled:
        raise ResultError(
            f"{len(unlabelled):,} kept rows have no label, and each line of a list needs one: "
            f"{first_few(unlabelled)}. Add {_form('ids')}."
        )
    return [f"{id} {label}" for id, label in zip(names, selection.labels.tolist(), strict=True)]


def _selected_arrays(selection: "Selection", data: str | Path | None) -> dict[str, np.ndarray]:
    """Return every array of the scored `.npz`; those with one entry a row with the kept rows only.

    Raises:
        ResultError: the data are not an `.npz`, or not the one that was scored.
    """
    run = selection.run
    path = data or current_location(run, "data")
    if data is not None and Path(data).suffix != ".npz":
        raise ResultError(
            f"{option('data', str(data))} is not an .npz. Give the .npz that was scored, or "
            f"another form, such as {_form('ids')}."
        )
    if path is None or Path(path).suffix != ".npz":
        raise ResultError(
            f"{run.folder} was made of {path or 'an object in Python'}, which is not an .npz. Give "
            f"the file as {option('data')}, or another form, such as {_form('ids')}."
        )
    try:
        arrays = npz.load_arrays(Path(path))
    except npz.UNPACKABLE as error:
        raise ResultError(
            f"{path} cannot be read: {error}. Give the .npz that was scored as {option('data')}."
        ) from error
    _check_same_data(run, arrays, path)
    labels = _labels_of(arrays)
    rows = len(labels)
    selected = {
        name: array[selection.indices]
        if array.ndim and len(array) == rows and not name.endswith("_names")
        else array
        for name, array in arrays.items()
    }
    if "labels" not in arrays:
        return selected
    return selected | {"labels": selection.labels.astype(labels.dtype)}


def _labels_of(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the labels of the rows, -1 where the file has none."""
    rows = len(np.atleast_1d(arrays.get("images", arrays.get("inputs", np.zeros(0)))))
    return np.atleast_1d(arrays.get("labels", np.full(rows, -1)))


def _check_same_data(run: Run, arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Raise ResultError unless rows, labels and ids of the arrays are those of the run."""
    table = run.table(["index", "id", "label"])
    index, labels = table["index"].to_numpy(), _labels_of(arrays)
    run_labels = table["label"].fill_null(-1).to_numpy()
    same = len(labels) > index.max() and np.array_equal(labels[index], run_labels)
    if same and "ids" in arrays:
        ids = arrays["ids"]
        same = ids.shape == (len(labels),) and (
            [str(id) for id in ids[index].tolist()] == table["id"].to_pylist()
        )
    if not same:
        raise ResultError(
            f"{path} is not what {run.folder} was made of: its labels or ids differ. Give the .npz "
            f"that was scored as {option('data')}."
        )


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, numpy would append .npz
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
