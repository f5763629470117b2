"""Where the data and the other input files of a run are now.

A question stores names as the user gave them, which may be relative to the working directory of
that time. Beside them it stores the same places as absolute paths (`absolute`) and relative to the
run folder (`from_run`), so that the data are still found after both were moved together.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vog.errors import ResultError
from vog.files.file_names import expanded, split_scheme
from vog.result import marks, part_digests, part_names, question
from vog.result.parts import LOCK
from vog.result.run import Run
from vog.wording import option as option_text

ABSOLUTE, FROM_RUN = "absolute", "from_run"
# Options that may name a path, and options that may name a `file.py:function`.
_PATHS = ("data", "root", "gradients", "checkpoints", "fold", "names", "model")
_FUNCTIONS = ("model", "data", "transform", "target", "read", "fold", "names")


def places_to_store(where: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the places that a question stores beside names, under `absolute` and `from_run`.

    Args:
        where: names by option, relative to the working directory; missing files are left out.
            Their places have no scheme, such as `jax:`, which the names keep.
        folder: the run folder.
    """
    forms = {ABSOLUTE: _absolute_path, FROM_RUN: lambda path: _path_from_run(path, folder)}
    places: dict[str, dict[str, Any]] = {form: {} for form in forms}
    for option in dict.fromkeys((*_PATHS, *_FUNCTIONS)):
        names = where.get(option)
        rests = [_scheme_and_rest(option, name)[1] for name in _as_list(names)]
        pairs = [_split_name(option, name) for name in rests]
        if not pairs:
            continue
        for form, convert in forms.items():
            texts = [None if pair is None else _join(convert(pair[0]), pair[1]) for pair in pairs]
            if None not in texts:
                places[form][option] = texts if isinstance(names, list) else texts[0]
    return {form: entries for form, entries in places.items() if entries}


def current_location(run: Run, option: str) -> str | None:
    """Return where an input of a run is now, or None if the run does not name it.

    Searched in this order: the stored absolute path, the path relative to the run folder, and the
    name relative to the working directory. If nothing exists, return the name as the user gave it.

    Args:
        run: the run.
        option: an option of `vog score`, such as `data` or `model`.
    """
    name = _input_names(run).get(option)
    if name is None:
        return None
    scheme, rest = _scheme_and_rest(option, str(name))
    return scheme + _first_existing(option, rest, _candidates(run, option))


def checkpoint_locations(run: Run) -> list[str]:
    """Return where the checkpoints of a run are, in training order; see `current_location`."""
    names = [str(name) for name in _input_names(run).get("checkpoints") or []]
    columns = [_as_list(places) for places in _stored_places(run, "checkpoints")]
    complete = [column for column in columns if len(column) == len(names)]
    return [
        _first_existing("checkpoints", name, [*(str(column[index]) for column in complete), name])
        for index, name in enumerate(names)
    ]


def data_option(run: Run) -> str | None:
    """Return the option that says where the data are; None if no option does."""
    where = _input_names(run)
    return next((key for key in ("gradients", "root", "data") if where.get(key)), None)


def searched_places(run: Run, option: str) -> str:
    """Return all places where the file of an option may be, as text."""
    places = dict.fromkeys(str(expanded(name).absolute()) for name in _candidates(run, option))
    return ", ".join(places)


def refuse_to_overwrite_inputs(run: Run, path: Path, data: str | Path | None = None) -> None:
    """Raise ResultError if an output file would replace the data of a run or a file of the run.

    Args:
        run: the run that is read.
        path: the output file.
        data: where the data are now, if they have moved.

    Raises:
        ResultError: the output file is one of these.
    """
    output, advice = path.resolve(), f"Give another file as {option_text('out')}."
    sources = [data, *_candidates(run, "data")]
    if any(source is not None and Path(source).resolve() == output for source in sources):
        raise ResultError(f"{path} is the data that {run.folder} was made of. {advice}")
    run_files = {question.FILE, marks.FILE, part_digests.FILE, LOCK, *run.part_names}
    run_files |= {path.name for path in part_names.digest_files(run.folder).values()}
    if output.parent == run.folder.resolve() and output.name in run_files:
        raise ResultError(f"{path} is a part of the run. {advice}")


def _input_names(run: Run) -> Mapping[str, Any]:
    return run.question.get(question.WHERE, {})


def _candidates(run: Run, option: str) -> list[str]:
    """Return the places where the file of an option may be now, the most reliable first."""
    name = _input_names(run).get(option)
    places = [str(place) for place in _stored_places(run, option)]
    return places if name is None else [*places, _scheme_and_rest(option, str(name))[1]]


def _stored_places(run: Run, option: str) -> Iterator[Any]:
    """Yield the stored places of an option, as paths that hold from the working directory."""
    where, folder = _input_names(run), run.folder
    absolute, from_run = (where.get(form) or {} for form in (ABSOLUTE, FROM_RUN))
    if not _places_match_names(option, where.get(option), absolute.get(option)):
        return  # the name was edited after the places were stored, so it decides
    yield absolute[option]
    if option in from_run:
        # With and without following links: the run folder or the data may be a link.
        for start in (os.path.abspath(folder), os.path.realpath(folder)):  # noqa: PTH100
            names = [os.path.normpath(f"{start}/{name}") for name in _as_list(from_run[option])]
            yield names if isinstance(from_run[option], list) else names[0]


def _places_match_names(option: str, names: Any, places: Any) -> bool:
    """Return whether each place ends in the name that it was stored for."""
    names = [_scheme_and_rest(option, str(name))[1] for name in _as_list(names)]
    places = _as_list(places)
    return (
        bool(places)
        and len(names) == len(places)
        and all(
            os.path.normpath(str(place)).endswith(os.path.normpath(str(name)).lstrip("./~"))
            for name, place in zip(names, places, strict=True)
        )
    )


def _scheme_and_rest(option: str, name: str) -> tuple[str, str]:
    """Return the scheme of a model's name, such as `jax:`, and the rest; others have none."""
    return split_scheme(name) if option == "model" else ("", name)


def _first_existing(option: str, name: str, candidates: list[str]) -> str:
    """Return the first place that exists, spelled as `name` if both are the same file."""
    existing = next((place for place in candidates if _split_name(option, place) is not None), name)
    new, old = _split_name(option, existing), _split_name(option, name)
    is_same_path = new and old and os.path.realpath(new[0]) == os.path.realpath(old[0])
    return name if is_same_path else existing


def _split_name(option: str, name: str) -> tuple[Path, str] | None:
    """Return the path in a name and its `:function` or ""; None if the path does not exist."""
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
    except ValueError:  # no relative path leads to another drive
        return None


def _join(path: str | None, function: str) -> str | None:
    return None if path is None else f"{path}{function}"


def _as_list(names: Any) -> list[Any]:
    if names is None:
        return []
    return names if isinstance(names, list) else [names]


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (`Path.exists` raises for names no file could have)
