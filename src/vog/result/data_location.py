"""Where the data and the other files of a run are, for whoever opens them again.

A question keeps names as the user gave them, which may be relative to where the user stood. Beside
them it keeps, under `absolute` and `from_run`, what they meant: as absolute paths, and as seen from
the run folder, so that a run is found together with its data where both were moved as a whole.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vog.errors import ResultError
from vog.files.file_names import expanded
from vog.result import marks, part_digests, question
from vog.result.parts import LOCK
from vog.result.run import Run

ABSOLUTE, FROM_RUN = "absolute", "from_run"
# What may be named by a path alone. All others are words, or functions in files.
_PATHS = ("data", "root", "gradients", "checkpoints", "fold")
_FUNCTIONS = ("model", "data", "transform", "target", "read", "fold")


def places_to_store(where: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """Return what a question keeps beside the names of files, by `absolute` and `from_run`.

    Args:
        where: by option, names as they are seen from here; those of no file are left out.
        folder: the run folder.
    """
    forms = {ABSOLUTE: _absolute_path, FROM_RUN: lambda path: _path_from_run(path, folder)}
    places: dict[str, dict[str, Any]] = {form: {} for form in forms}
    for option in dict.fromkeys((*_PATHS, *_FUNCTIONS)):
        names = where.get(option)
        pairs = [_split_name(option, name) for name in _as_list(names)]
        if not pairs:
            continue
        for form, convert in forms.items():
            texts = [None if pair is None else _join(convert(pair[0]), pair[1]) for pair in pairs]
            if None not in texts:
                places[form][option] = texts if isinstance(names, list) else texts[0]
    return {form: entries for form, entries in places.items() if entries}


def current_location(run: Run, option: str) -> str | None:
    """Return the name of what a run was made with: the place where it is now.

    That is where it was when the run was begun, else where it is as seen from the run folder, else
    what is called so as seen from here. Where it is nowhere, the name as it was given is returned.

    Args:
        run: the run.
        option: of the command, such as `data` or `model`.
    """
    name = _input_names(run).get(option)
    return None if name is None else _first_existing(option, str(name), _candidates(run, option))


def checkpoint_locations(run: Run) -> list[str]:
    """Return the files of the checkpoints of a run in training order, each as `named` does."""
    names = [str(name) for name in _input_names(run).get("checkpoints") or []]
    columns = [_as_list(places) for places in _stored_places(run, "checkpoints")]
    complete = [column for column in columns if len(column) == len(names)]
    return [
        _first_existing("checkpoints", name, [*(str(column[index]) for column in complete), name])
        for index, name in enumerate(names)
    ]


def data_place(run: Run, root: str | Path | None = None) -> Path | None:
    """What the ids of a run are relative to, or rows of: a folder or an `.npz`; None if unknown.

    Args:
        run: says where its data were when it was begun.
        root: where they are now, if they have moved.
    """
    if root:
        return data_container(Path(root))
    option = _data_option(run)
    name = None if option is None else current_location(run, option)
    if name is None:
        return None
    path = Path(name)
    if option == "data" and ":" in name and not _exists(path):  # names a function
        return None
    return data_container(path)


def missing_data_places(run: Run) -> str | None:
    """Return where the data of a run were looked for, in words; None where something is there."""
    option, place = _data_option(run), data_place(run)
    if option is None or place is None or _exists(place):
        return None
    places = dict.fromkeys(str(expanded(name).absolute()) for name in _candidates(run, option))
    return ", ".join(places)


def data_container(data: Path) -> Path:
    """What the ids of a folder, an `.npz` or a list file are relative to, or are rows of.

    A path that is not there is a folder if its name has no ending.
    """
    is_folder = data.is_dir() or not (data.suffix or data.is_file())
    return data if is_folder or data.suffix == ".npz" else data.parent


def refuse_to_overwrite_inputs(run: Run, path: Path, data: str | Path | None = None) -> None:
    """Nothing where a file that is written is neither the data of a run nor a part of it.

    Args:
        run: was read.
        path: the file.
        data: where the data are now, if they have moved.

    Raises:
        ResultError: it is.
    """
    output = path.resolve()
    sources = [data, *_candidates(run, "data")]
    if any(source is not None and Path(source).resolve() == output for source in sources):
        raise ResultError(
            f"{path} is the data that {run.folder} was made of. Give another file as --out."
        )
    run_files = (question.FILE, marks.FILE, part_digests.FILE, LOCK, *run.part_names)
    if output.parent == run.folder.resolve() and output.name in run_files:
        raise ResultError(f"{path} is a part of the run. Give another file as --out.")


def _input_names(run: Run) -> Mapping[str, Any]:
    return run.question.get(question.WHERE, {})


def _data_option(run: Run) -> str | None:
    """The option that says where the data are."""
    where = _input_names(run)
    return next((key for key in ("gradients", "root", "data") if where.get(key)), None)


def _candidates(run: Run, option: str) -> list[str]:
    """The names that an option may have now, the surest first."""
    name = _input_names(run).get(option)
    places = [str(place) for place in _stored_places(run, option)]
    return places if name is None else [*places, str(name)]


def _stored_places(run: Run, option: str) -> Iterator[Any]:
    """What is noted beside the name of an option, as it is seen from here."""
    where, folder = _input_names(run), run.folder
    absolute, from_run = (where.get(form) or {} for form in (ABSOLUTE, FROM_RUN))
    if not _places_match_names(where.get(option), absolute.get(option)):
        return  # the name was edited since, and is what holds
    yield absolute[option]
    if option in from_run:
        # By the names of folders, and by where links lead: the run or the data may be one.
        for start in (os.path.abspath(folder), os.path.realpath(folder)):  # noqa: PTH100
            names = [os.path.normpath(f"{start}/{name}") for name in _as_list(from_run[option])]
            yield names if isinstance(from_run[option], list) else names[0]


def _places_match_names(names: Any, places: Any) -> bool:
    """Whether these are the places that were noted of these names."""
    names, places = _as_list(names), _as_list(places)
    return (
        bool(places)
        and len(names) == len(places)
        and all(
            os.path.normpath(str(place)).endswith(os.path.normpath(str(name)).lstrip("./~"))
            for name, place in zip(names, places, strict=True)
        )
    )


def _first_existing(option: str, name: str, candidates: list[str]) -> str:
    """The first name that is there; as the user gave it where that is the same."""
    existing = next((place for place in candidates if _split_name(option, place) is not None), name)
    new, old = _split_name(option, existing), _split_name(option, name)
    is_same_path = new and old and os.path.realpath(new[0]) == os.path.realpath(old[0])
    return name if is_same_path else existing


def _split_name(option: str, name: str) -> tuple[Path, str] | None:
    """The path that a name begins with, and `:function` or nothing; None where nothing is there."""
    path = expanded(name)
    if option in _PATHS and _exists(path):
        return path, ""
    file, colon, function = name.rpartition(":")
    path = expanded(file)
    if option in _FUNCTIONS and colon and os.path.isfile(path):  # noqa: PTH113
        return path, f":{function}"
    return None


def _absolute_path(path: Path) -> str:
    return str(path.absolute())


def _path_from_run(path: Path, folder: Path) -> str | None:
    try:
        return os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:  # on another drive
        return None


def _join(path: str | None, function: str) -> str | None:
    return None if path is None else f"{path}{function}"


def _as_list(names: Any) -> list[Any]:
    if names is None:
        return []
    return names if isinstance(names, list) else [names]


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (`Path.exists` raises for names no file could have)
