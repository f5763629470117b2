"""Checkpoint files in training order, from the globs, folders and lists that a user names."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vog.checkpoints import globs
from vog.checkpoints.checkpoint_folders import (
    Reads,
    checkpoints_in,
    is_hidden,
    is_training_state,
    is_unrelated,
    reads_nothing,
    refuse_foreign_name,
    weights_file,
)
from vog.checkpoints.left_out import (
    LeftOutFile,
    separate_copies,
    separate_repeated_steps,
    without_weights,
)
from vog.checkpoints.steps import read_steps, refuse_same_step
from vog.checkpoints.tensorflow_paths import INDEX, index_of, joined
from vog.errors import CheckpointError, first_few
from vog.files.file_names import expanded
from vog.wording import option


@dataclass(frozen=True)
class CheckpointFile:
    """The path with the weights of one training step: a file, or a path for the `read` function."""

    path: Path
    step: int


@dataclass(frozen=True)
class CheckpointSearch:
    """The checkpoint files that a user named.

    Attributes:
        files: in ascending order of steps.
        notes: sentences for the user, by topic (`found in`, `left out`).
    """

    files: tuple[CheckpointFile, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Takes:
    """Which paths are checkpoints as they are named: see `search`."""

    custom_reader: bool
    reads: Reads

    def as_named(self, path: Path) -> bool:
        """Return whether a path is one checkpoint, whatever it contains."""
        return path.exists() and (self.custom_reader or self.reads(path))


@dataclass(frozen=True)
class _Matches:
    """The paths that one spec names, the folder if it is a deeper one, and the files left out."""

    paths: list[Path]
    folder: str | None = None
    left_out: tuple[LeftOutFile, ...] = ()


def find_checkpoints(
    specs: Sequence[str | Path], custom_reader: bool = False, reads: Reads | None = None
) -> list[CheckpointFile]:
    """Return the checkpoint files that the specs name, in ascending order; see `search`."""
    return list(search(specs, custom_reader, reads).files)


def search(
    specs: Sequence[str | Path], custom_reader: bool = False, reads: Reads | None = None
) -> CheckpointSearch:
    """Return the checkpoint files that the specs name, in ascending order of steps, with notes.

    Args:
        specs: globs, folders, files, or one `@list.txt` with one path per line, in the order
            of training. Paths in a list are relative to the list.
        custom_reader: the user's own function reads the paths, so take files and folders as
            they are named, whatever they contain.
        reads: returns True for a path, a file or a folder, that the model reads in its own way:
            one checkpoint, as it is named.

    Raises:
        CheckpointError: there is no such file, it may not be read, or a step is unclear.
    """
    texts = [str(spec) for spec in specs]
    takes = _Takes(custom_reader, reads or reads_nothing)
    try:
        if any(text.startswith("@") for text in texts):
            return CheckpointSearch(tuple(_read_list(texts, takes)))
        return _search_specs(texts, takes)
    except PermissionError as error:
        raise _permission_denied(error.filename) from error
    except OSError as error:
        raise CheckpointError(
            f"{option('checkpoints')}: {str(error.filename or first_few(texts))[:200]!r} cannot be "
            f"read: {error.strerror}."
        ) from error


def _permission_denied(path: object) -> CheckpointError:
    return CheckpointError(
        f"{option('checkpoints')}: {path} cannot be read: permission denied. Run as a user who may "
        f"read it, or change its permissions."
    )


def _search_specs(specs: Sequence[str], takes: _Takes) -> CheckpointSearch:
    specs_text = first_few([repr(spec) for spec in specs])
    matches = [_match_spec(spec, takes) for spec in specs]
    unique = list(dict.fromkeys(path for match in matches for path in match.paths))
    if not unique:
        raise CheckpointError(f"{option('checkpoints')}: {specs_text} names no file.")
    paths, left_out = separate_copies(unique)
    steps = read_steps(paths, specs_text)
    files, repeated = separate_repeated_steps(paths, steps)
    refuse_same_step([path for path, _ in files], [step for _, step in files])
    all_left_out = [*(entry for match in matches for entry in match.left_out), *left_out, *repeated]
    folders = [match.folder for match in matches if match.folder is not None]
    notes = {"found in": first_few(folders)} if folders else {}
    if all_left_out:
        notes["left out"] = first_few([entry.summary for entry in all_left_out], 8)
    ordered = sorted((CheckpointFile(*file) for file in files), key=lambda file: file.step)
    return CheckpointSearch(tuple(ordered), notes)


def _read_list(specs: Sequence[str], takes: _Takes) -> list[CheckpointFile]:
    if len(specs) > 1:
        raise CheckpointError(
            f"{option('checkpoints')}: {first_few(specs)}: a list gives the whole order of "
            f"training, so it must be alone. Put all files into one list."
        )
    list_file = expanded(specs[0][1:])
    if not list_file.is_file():
        raise CheckpointError(f"{option('checkpoints')}: there is no list {list_file}.")
    try:
        lines = [line.strip() for line in list_file.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{option('checkpoints')}: the list {list_file} is not text in UTF-8, a path per line."
        ) from error
    lines = [line for line in lines if line and line[0] != "#"]
    if any("\0" in line for line in lines):
        raise CheckpointError(f"{option('checkpoints')}: the list {list_file} is no text file.")
    paths = [_one_checkpoint(list_file.parent / expanded(line), takes) for line in lines]
    if not paths:
        raise CheckpointError(f"{option('checkpoints')}: the list {list_file} names no file.")
    try:
        steps = read_steps(paths, specs[0])
        refuse_same_step(paths, steps)
    except CheckpointError:
        steps = []
    # The list decides the order. Numbers in the names count as steps only if they agree with it.
    if steps != sorted(steps) or not steps:
        steps = list(range(len(paths)))
    return list(map(CheckpointFile, paths, steps))


def _match_spec(spec: str, takes: _Takes) -> _Matches:
    """Return the files of one glob, folder or file."""
    path = expanded(spec)
    if "\0" in spec:
        raise CheckpointError(f"{option('checkpoints')}: {spec!r} is no path.")
    if path.is_dir() and takes.custom_reader:
        return _match_numbered_entries(path, spec)
    if takes.as_named(path):
        return _Matches([path])
    if path.is_dir():
        return _match_folder(path, spec, takes)
    if path.suffix == ".txt" and path.is_file():
        raise CheckpointError(f"{option('checkpoints')}: {spec} is text. To pass a list: @{spec}")
    if path.exists() or index_of(path) is not None:
        return _Matches([_one_checkpoint(path, takes)])
    return _match_glob(path, spec, takes)


def _match_folder(folder: Path, spec: str, takes: _Takes) -> _Matches:
    content = checkpoints_in(folder, spec, takes.reads)
    subfolder = None if content.folder == folder else str(content.folder)
    rest = [path for path in sorted(content.folder.iterdir()) if path not in content.paths]
    return _Matches(content.paths, subfolder, without_weights(rest))


def _match_numbered_entries(folder: Path, spec: str) -> _Matches:
    """Return the entries of a folder that have a number in their name, whatever they contain."""
    entries = sorted(entry for entry in folder.iterdir() if entry.name[0] != ".")
    numbered = [entry for entry in entries if any(letter.isdecimal() for letter in entry.name)]
    if not numbered:
        raise CheckpointError(
            f"{option('checkpoints')}: nothing in the folder {spec} has a step in its name."
        )
    left_out = tuple(LeftOutFile(entry.name) for entry in entries if entry not in numbered)
    return _Matches(numbered, left_out=left_out)


def _match_glob(path: Path, spec: str, takes: _Takes) -> _Matches:
    """Return the files that a glob matches, and for each matching folder its one weights file."""
    matches = globs.matches(path) or globs.matches(path.with_name(path.name + INDEX))
    if takes.custom_reader and matches:
        return _Matches(matches)
    matches = [match for match in matches if not is_hidden(match)] or matches
    own = [match for match in matches if takes.reads(match)]
    rest = [match for match in matches if match not in own]
    rest = joined(rest)
    for match in rest:
        refuse_foreign_name(match)
    folders = {match: weights_file(match) for match in rest if match.is_dir()}
    files = [folders.get(match, match) for match in rest]
    files = own + [file for file in files if file is not None and file.is_file()]
    unrelated = [
        file for file in files if is_training_state(file) or (file in rest and is_unrelated(file))
    ]
    if 0 < len(unrelated) < len(files):
        files = [file for file in files if file not in unrelated]
        left_out = tuple(LeftOutFile(file.name) for file in unrelated)
        return _Matches(files, left_out=(*left_out, *without_weights(rest)))
    if not files:
        raise _no_match_error(path, spec, list(folders))
    return _Matches(files, left_out=without_weights(rest))


def _no_match_error(path: Path, spec: str, folders: list[Path]) -> CheckpointError:
    """Return the error for a glob without a file, which tells the folders that it matches."""
    if folders:
        entries = sorted(entry.name for entry in folders[0].iterdir())
        entries_text = first_few(entries) if entries else "nothing"
        return CheckpointError(
            f"{option('checkpoints')}: the glob {spec!r} matches {len(folders)} folders and no "
            f"file: {first_few([folder.name for folder in folders])}. In {folders[0].name} "
            f"there is: {entries_text}. Add file names, such as {spec.rstrip('/') + '/*.pt'!r}."
        )
    existing_part = globs.existing_part(path)
    if existing_part.is_dir() and not os.access(existing_part, os.R_OK | os.X_OK):
        return _permission_denied(existing_part)
    if globs.is_glob(spec):
        return CheckpointError(f"{option('checkpoints')}: the glob {spec!r} matches no file.")
    return CheckpointError(f"{option('checkpoints')}: there is no file {spec!r}.")


def _one_checkpoint(path: Path, takes: _Takes) -> Path:
    if takes.as_named(path):
        return path
    if path.is_dir():
        content = checkpoints_in(path, str(path), takes.reads)
        if len(content.paths) != 1:
            raise CheckpointError(
                f"checkpoint {path}: the folder holds {len(content.paths)} checkpoints. Name the "
                f"files."
            )
        return content.paths[0]
    index = index_of(path)
    if index is not None:
        return index
    if not path.is_file():
        problem = "is no regular file. Name a file" if path.exists() else "there is no such file"
        raise CheckpointError(f"checkpoint {path}: {problem}.")
    return path
