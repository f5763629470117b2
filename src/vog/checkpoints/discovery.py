"""From globs, folders and lists to checkpoint files in training order."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vog.checkpoints import globs
from vog.checkpoints.checkpoint_folders import (
    checkpoints_in,
    is_beside,
    is_clearly_other,
    is_hidden,
    refuse_foreign_name,
    single_in,
)
from vog.checkpoints.left_out import LeftOut, without_copies, without_file, without_repeated
from vog.checkpoints.steps import read_steps, refuse_same_step
from vog.errors import CheckpointError, first_few
from vog.files.file_names import expanded


@dataclass(frozen=True)
class CheckpointFile:
    """Where the weights of one step of training are: a file, or what `--read` takes."""

    path: Path
    step: int


@dataclass(frozen=True)
class CheckpointSearch:
    """What the words of `--checkpoints` name.

    Attributes:
        files: by rising step.
        notes: what the user should know, in words, by what it is about.
    """

    files: tuple[CheckpointFile, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Paths:
    """What one word names, with where it was found and what was left out."""

    paths: list[Path]
    where: str | None = None
    left_out: tuple[LeftOut, ...] = ()


def find_checkpoints(
    specs: Sequence[str | Path], as_they_match: bool = False
) -> list[CheckpointFile]:
    """Return the checkpoint files that the specs name, by rising step; see `search`."""
    return list(search(specs, as_they_match).files)


def search(specs: Sequence[str | Path], as_they_match: bool = False) -> CheckpointSearch:
    """Return the checkpoint files that the specs name, by rising step, with notes.

    Args:
        specs: globs, folders, files, or one `@list.txt` with a path a line, whose order is
            then the order of training. Paths in a list are relative to the list.
        as_they_match: take files and folders as they are named, whatever is in them, for a
            reader of the user's.

    Raises:
        CheckpointError: nothing there, it may not be read, or a step that cannot be told.
    """
    words = [str(spec) for spec in specs]
    try:
        if any(word.startswith("@") for word in words):
            return CheckpointSearch(tuple(_listed(words, as_they_match)))
        return _searched(words, as_they_match)
    except PermissionError as error:
        raise _not_permitted(error.filename) from error
    except OSError as error:
        raise CheckpointError(
            f"--checkpoints: {str(error.filename or first_few(words))[:200]!r} cannot be read: "
            f"{error.strerror}."
        ) from error


def _not_permitted(path: object) -> CheckpointError:
    return CheckpointError(
        f"--checkpoints: {path} cannot be read: permission denied. Run as a user who may read it, "
        f"or change its permissions."
    )


def _searched(words: Sequence[str], as_they_match: bool) -> CheckpointSearch:
    asked = first_few([repr(word) for word in words])
    named = [_named(word, as_they_match) for word in words]
    unique = list(dict.fromkeys(path for each in named for path in each.paths))
    if not unique:
        raise CheckpointError(f"--checkpoints: {asked} names no file.")
    kept, left_out = without_copies(unique)
    steps = read_steps(kept, asked)
    files, repeated = without_repeated(kept, steps)
    refuse_same_step([path for path, _ in files], [step for _, step in files])
    everything = [*(one for each in named for one in each.left_out), *left_out, *repeated]
    where = [each.where for each in named if each.where is not None]
    notes = {"found in": first_few(where)} if where else {}
    if everything:
        notes["left out"] = first_few([one.said for one in everything], 8)
    ordered = sorted((CheckpointFile(*file) for file in files), key=lambda file: file.step)
    return CheckpointSearch(tuple(ordered), notes)


def _listed(words: Sequence[str], as_they_match: bool) -> list[CheckpointFile]:
    if len(words) > 1:
        raise CheckpointError(
            f"--checkpoints: {first_few(words)}: a list gives the whole order of training, so it "
            f"cannot be joined with others. Put all files into one list."
        )
    source = expanded(words[0][1:])
    if not source.is_file():
        raise CheckpointError(f"--checkpoints: there is no list {source}.")
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"--checkpoints: the list {source} is not text in UTF-8. Expected one path a line."
        ) from error
    lines = [line for line in lines if line and line[0] != "#"]
    if any("\0" in line for line in lines):
        raise CheckpointError(f"--checkpoints: the list {source} is no text file.")
    paths = [_existing(source.parent / expanded(line), as_they_match) for line in lines]
    if not paths:
        raise CheckpointError(f"--checkpoints: the list {source} names no file.")
    try:
        steps = read_steps(paths, words[0])
        refuse_same_step(paths, steps)
    except CheckpointError:
        steps = []
    # The list decides the order; steps that are not in the names, or contradict it, are not steps.
    if steps != sorted(steps) or not steps:
        steps = list(range(len(paths)))
    return list(map(CheckpointFile, paths, steps))


def _named(word: str, as_they_match: bool) -> _Paths:
    """Return the files of one glob, folder or file."""
    path = expanded(word)
    if "\0" in word:
        raise CheckpointError(f"--checkpoints: {word!r} is no path.")
    if path.is_dir():
        return _entries(path, word) if as_they_match else _of_folder(path, word)
    if path.suffix == ".txt" and path.is_file() and not as_they_match:
        raise CheckpointError(f"--checkpoints: {word} is a text file. For a list: @{word}")
    if path.exists():
        return _Paths([_existing(path, as_they_match)])
    return _matching(path, word, as_they_match)


def _of_folder(path: Path, word: str) -> _Paths:
    inside = checkpoints_in(path, word)
    where = None if inside.folder == path else str(inside.folder)
    return _Paths(inside.paths, where, without_file(sorted(inside.folder.iterdir())))


def _entries(path: Path, word: str) -> _Paths:
    """Return what is in a folder whose files only the user's reader knows: names with a number."""
    names = sorted(entry for entry in path.iterdir() if entry.name[0] != ".")
    numbered = [entry for entry in names if any(letter.isdecimal() for letter in entry.name)]
    if not numbered:
        raise CheckpointError(
            f"--checkpoints: nothing in the folder {word} has a step in its name."
        )
    others = tuple(LeftOut(entry.name) for entry in names if entry not in numbered)
    return _Paths(numbered, left_out=others)


def _matching(path: Path, word: str, as_they_match: bool) -> _Paths:
    """Return the files that a glob matches; of a folder, the one file of weights in it."""
    matches = globs.matches(path)
    if as_they_match and matches:
        return _Paths(matches)
    matches = [match for match in matches if not is_hidden(match)] or matches
    for match in matches:
        refuse_foreign_name(match)
    folders = {match: single_in(match) for match in matches if match.is_dir()}
    files = [folders.get(match, match) for match in matches]
    files = [file for file in files if file is not None and file.is_file()]
    others = [file for file in files if is_clearly_other(file) or is_beside(file)]
    if 0 < len(others) < len(files):
        files = [file for file in files if file not in others]
        aside = tuple(LeftOut(file.name) for file in others)
        return _Paths(files, left_out=(*aside, *without_file(matches)))
    if not files:
        raise _no_match(path, word, list(folders))
    return _Paths(files, left_out=without_file(matches))


def _no_match(path: Path, word: str, folders: list[Path]) -> CheckpointError:
    """Return what to say of a glob without a file: what it does match, if anything."""
    if folders:
        inside = sorted(entry.name for entry in folders[0].iterdir())
        shown = first_few(inside) if inside else "nothing"
        return CheckpointError(
            f"--checkpoints: the glob {word!r} matches {len(folders)} folders and no file: "
            f"{first_few([folder.name for folder in folders])}. In {folders[0].name} there is: "
            f"{shown}. Add what the files are called, as in {word.rstrip('/') + '/*.pt'!r}."
        )
    known = globs.literal_part(path)
    if known.is_dir() and not os.access(known, os.R_OK | os.X_OK):
        return _not_permitted(known)
    if globs.is_glob(word):
        return CheckpointError(f"--checkpoints: the glob {word!r} matches no file.")
    return CheckpointError(f"--checkpoints: there is no file {word!r}.")


def _existing(path: Path, as_they_match: bool) -> Path:
    if as_they_match and path.exists():
        return path
    if path.is_dir():
        inside = checkpoints_in(path, str(path))
        if len(inside.paths) != 1:
            raise CheckpointError(
                f"checkpoint {path}: the folder holds {len(inside.paths)} checkpoints. Name the "
                f"files."
            )
        return inside.paths[0]
    if not path.is_file():
        what = "is no regular file. Name a file" if path.exists() else "there is no such file"
        raise CheckpointError(f"checkpoint {path}: {what}.")
    return path
