"""Kept rows as files: ids, row numbers, lists of images, and `.npz`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vog.errors import ResultError, first_few, unknown
from vog.files import npz
from vog.files.writing import write_array, write_text, write_whole
from vog.result import Run
from vog.result.data_location import data_place, noted_name, refuse_to_replace

if TYPE_CHECKING:
    from vog.analysis.selection.select import Selection

FORMS = ("ids", "indices", "list", "npy", "npz")


def write_lists(
    chosen: "Selection",
    path: Path,
    form: str | None,
    root: str | Path | None,
    data: str | Path | None,
) -> Path:
    """Write the kept rows to a file; see `Selection.save`."""
    kind = form or _usual_form(chosen.run, path)
    if kind not in FORMS:
        raise ResultError(f"there is no form {kind!r}.{unknown(kind, FORMS)}")
    if not chosen.ids:
        raise ResultError(f"no row is kept, so {path} is not written. Ask for more.")
    if root is not None and kind != "list":
        raise ResultError("--root is for lists of image files. Add --as list.")
    if kind in ("indices", "npy", "npz"):
        chosen.run.require_row_numbers()
    refuse_to_replace(chosen.run, path, data)
    if kind == "npz":
        arrays = _kept_arrays(chosen, data)
        write_whole(path, lambda beside: _save_arrays(beside, arrays))
    elif kind == "npy" or (kind == "indices" and path.suffix.lower() == ".npy"):
        write_array(path, chosen.indices)
    else:
        write_text(path, "".join(f"{line}\n" for line in _lines(chosen, kind, root)))
    return path


def _usual_form(run: Run, path: Path) -> str:
    if path.suffix.lower() in (".npy", ".npz"):
        return path.suffix[1:].lower()
    if _image_folder(run) is not None:
        return "list"
    return "ids" if run.question["data"].get("part", False) else "indices"


def _image_folder(run: Run) -> Path | None:
    """What the ids of image files are relative to; None where the data were something else."""
    place = data_place(run)
    beside_gradients = run.question.get("where", {}).get("gradients")
    return None if place is None or place.suffix == ".npz" or beside_gradients else place


def _lines(chosen: "Selection", form: str, root: str | Path | None) -> list[str]:
    if form == "indices":
        return [str(index) for index in chosen.indices.tolist()]
    names = chosen.ids
    if root is not None:
        folder = _image_folder(chosen.run)
        if folder is None:
            raise ResultError(
                f"{chosen.run.folder} was not made of image files, so --root says nothing."
            )
        if not Path(root).is_dir():
            raise ResultError(f"--root {root} is no folder.")
        if not any((folder / one).is_file() for one in names):
            raise ResultError(
                f"none of the images is in {folder}, seen from here. Start where "
                f"{chosen.run.folder} was scored, or leave --root out: paths are then as the run "
                f"has them."
            )
        here = folder.resolve(), Path(root).resolve()
        names = [Path(os.path.relpath(here[0] / one, here[1])).as_posix() for one in names]
    for name in names:
        if name.splitlines() != [name] or name != name.strip():
            raise ResultError(
                f"the id {name!r} has line breaks, or spaces at its ends, so it is no line of a "
                f"text file. Add --as indices."
            )
    if form == "ids":
        return list(names)
    if (chosen.labels < 0).all():
        return list(names)
    nameless = [one for one, label in zip(names, chosen.labels, strict=True) if label < 0]
    if nameless:
        raise ResultError(
            f"{len(nameless):,} kept rows have no label, and each line of a list needs one: "
            f"{first_few(nameless)}. Add --as ids."
        )
    return [f"{one} {label}" for one, label in zip(names, chosen.labels.tolist(), strict=True)]


def _kept_arrays(chosen: "Selection", data: str | Path | None) -> dict[str, np.ndarray]:
    """Every array of the scored `.npz`: the kept rows of those that have one a row.

    Raises:
        ResultError: the data were no `.npz`, or it is not what was scored.
    """
    run = chosen.run
    place = data or noted_name(run, "data")
    if data is not None and Path(data).suffix != ".npz":
        raise ResultError(
            f"--data {data} is no .npz. Give the .npz that was scored, or another form with --as."
        )
    if place is None or Path(place).suffix != ".npz":
        raise ResultError(
            f"{run.folder} was made of {place or 'an object in Python'}, which is no .npz. Give "
            f"the file as --data, or another form with --as."
        )
    try:
        arrays = npz.load_arrays(Path(place))
    except npz.UNPACKABLE as error:
        raise ResultError(
            f"{place} cannot be read: {error}. Give the .npz that was scored as --data."
        ) from error
    _refuse_others(run, arrays, place)
    labels = _labels_of(arrays)
    rows = len(labels)
    kept = {
        name: array[chosen.indices]
        if array.ndim and len(array) == rows and not name.endswith("_names")
        else array
        for name, array in arrays.items()
    }
    if "labels" not in arrays:
        return kept
    return kept | {"labels": chosen.labels.astype(labels.dtype)}


def _labels_of(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The labels of the rows, -1 where the file has none."""
    rows = len(np.atleast_1d(arrays.get("images", arrays.get("inputs", np.zeros(0)))))
    return np.atleast_1d(arrays.get("labels", np.full(rows, -1)))


def _refuse_others(run: Run, arrays: Mapping[str, np.ndarray], place: str | Path) -> None:
    """Nothing where rows, labels and ids of the arrays are those of the run."""
    table = run.table(["index", "id", "label"])
    index, labels = table["index"].to_numpy(), _labels_of(arrays)
    known = table["label"].fill_null(-1).to_numpy()
    same = len(labels) > index.max() and np.array_equal(labels[index], known)
    if same and "ids" in arrays:
        ids = arrays["ids"]
        same = ids.shape == (len(labels),) and (
            [str(one) for one in ids[index].tolist()] == table["id"].to_pylist()
        )
    if not same:
        raise ResultError(
            f"{place} is not what {run.folder} was made of: its labels or ids are others. Give the "
            f".npz that was scored as --data."
        )


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # by its name numpy would add an ending
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
