"""Files of the selected rows: ids, row numbers, lists of images, and `.npz`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vog.data.kinds import source_of
from vog.data.protocol import Subset
from vog.data.run_data import find_run_data
from vog.errors import ResultError, first_few, unknown
from vog.files.writing import write_array, write_text
from vog.item_keys import ItemKeys
from vog.result import Run
from vog.result.data_location import current_location, refuse_to_overwrite_inputs
from vog.wording import option

if TYPE_CHECKING:
    from vog.analysis.selection.select import Selection

_ARRAYS = ".npz"
FORMS = ("ids", "indices", "list", "npy", "npz", "table")


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
    if list_form in ("indices", "npy", "npz", "table"):
        selection.run.require_row_numbers()
    refuse_to_overwrite_inputs(selection.run, path, data)
    if list_form == "npz":
        _write_arrays(selection, path, data)
    elif list_form == "table":
        _write_table(selection, path, data)
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
    if _is_table_like(run, path):
        return "table"
    if _image_folder(run) is not None:
        return "list"
    return "ids" if run.question["data"].get("part", False) else "indices"


def _is_table_like(run: Run, path: Path) -> bool:
    """Return whether a run was made of a table whose files have this ending."""
    data = current_location(run, "data")
    return data is not None and source_of(data).writes_like(Path(data), path)


def _image_folder(run: Run) -> Path | None:
    """Return the folder that the ids of image files are relative to; None for other data."""
    run_data = find_run_data(run)
    return None if run_data is None or run_data.source.by_number else run_data.place


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


def _write_arrays(selection: "Selection", out: Path, data: str | Path | None) -> None:
    """Write every array of the scored `.npz`; those with one entry a row with the kept rows only.

    Raises:
        ResultError: the data are not an `.npz`, or not the one that was scored.
    """
    run = selection.run
    path = data or current_location(run, "data")
    source = None if path is None else source_of(path)
    if path is None or source is None or source.subset_ending != _ARRAYS:
        if data is not None:
            raise ResultError(
                f"{option('data', str(data))} is not an .npz. Give the .npz that was scored, or "
                f"another form, such as {_form('ids')}."
            )
        raise ResultError(
            f"{run.folder} was made of {path or 'an object in Python'}, which is not an .npz. Give "
            f"the file as {option('data')}, or another form, such as {_form('ids')}."
        )
    if not source.write_subset(Path(path), _subset(selection), out):
        raise ResultError(
            f"{path} is not what {run.folder} was made of: its labels or ids differ. Give the .npz "
            f"that was scored as {option('data')}."
        )


def _write_table(selection: "Selection", out: Path, data: str | Path | None) -> None:
    """Write the kept rows of the scored table, with all columns.

    Raises:
        ResultError: the data are no table of this form, or not the one that was scored.
    """
    run = selection.run
    path = data or current_location(run, "data")
    source = None if path is None else source_of(path)
    if path is None or source is None or not source.writes_like(Path(path), out):
        raise ResultError(
            f"{out} is not of the form of {path or 'an object in Python'}. Give a file with the "
            f"ending of the table that was scored, and the table as {option('data')} if it has "
            f"moved; or another form, such as {_form('ids')}."
        )
    if not source.write_subset(Path(path), _subset(selection), out):
        raise ResultError(
            f"{path} is not what {run.folder} was made of: its labels or ids differ. Give the "
            f"table that was scored as {option('data')}."
        )


def _subset(selection: "Selection") -> Subset:
    run = selection.run
    table, question = run.table(["index", "id"]), run.question
    inputs = question.get("input")
    return Subset(
        selection.indices,
        selection.labels,
        table["index"].to_numpy(),
        run.class_labels,
        table["id"].to_pylist(),
        ItemKeys(None if inputs is None else tuple(inputs), question.get("label")),
        question.get("id"),
    )
