"""The files below a folder, each once, even if links lead in a circle or to the same folder.

A link to a folder elsewhere is followed: many data sets are folders of such links. A link to a
folder above, inside, or visited before is not followed: its files would be listed again, under a
second name. Real paths are compared, because not every file system has inode numbers of folders.
"""

import json
import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vog.errors import DataError


@dataclass(frozen=True)
class Walk:
    """The contents of a folder.

    Attributes:
        folders: the names of the folders directly below, in alphabetical order.
        files: paths with `/`, relative to the folder; sorted within each of `folders`.
        links: links to folders that were not followed.
        runs: folders that hold a run, which are left out.
    """

    folders: tuple[str, ...]
    files: list[str]
    links: list[str]
    runs: list[str]


def walk(folder: Path, endings: Collection[str], hidden: bool = False) -> Walk:
    """Return the files below a folder that have one of `endings`, without hidden files.

    Args:
        folder: the folder to walk.
        endings: suffixes in lower case, with the dot.
        hidden: include hidden folders within classes, as version 0.1 did.

    Raises:
        DataError: a folder may not be read.
    """
    state = _WalkState(folder, endings, hidden)
    state.mark_walked(os.path.realpath(folder))
    names, loose_files = state.list_folder("")
    names = sorted(names)
    links = deque(name for name in names if state.is_link(name))
    classes = {name: list[str]() for name in names}
    folders = [name for name in names if name not in links]
    followed = set(folders)
    # Real folders come before links, and classes that are links before links within classes, so
    # that files are listed under their real folder and not under a link to it.
    while folders or links:
        if folders:
            subfolders, files = state.list_folder(folder_name := folders.pop())
            classes[folder_name.partition("/")[0]] += files
            links += sorted(name for name in subfolders if state.is_link(name))
            folders += [name for name in subfolders if not state.is_link(name)]
        elif state.may_follow(folder_name := links.popleft()):
            followed.add(folder_name)
            folders.append(folder_name)
    by_class = {name: _sorted_by_parts(classes[name]) for name in names if name in followed}
    files = sorted(loose_files) + [path for paths in by_class.values() for path in paths]
    return Walk(tuple(by_class), files, sorted(state.links), sorted(state.runs))


@dataclass(frozen=True)
class _WalkState:
    """The state of a walk.

    Attributes:
        roots: the real paths of the folder and of followed links; each is walked once.
        ancestors: the roots and all folders above them.
        links: links to folders that are not followed.
        runs: folders that hold a run.
    """

    folder: Path
    endings: Collection[str]
    hidden: bool
    roots: set[str] = field(default_factory=set)
    ancestors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def list_folder(self, name: str) -> tuple[list[str], list[str]]:
        """Return the folders, without runs, and the files directly in a folder.

        Raises:
            DataError: it cannot be read.
        """
        folders: list[str] = []
        files: list[str] = []
        folder_path = self.folder / name
        prefix = f"{name}/" if name else ""
        try:
            with os.scandir(folder_path) as entries:
                for entry in entries:
                    path = prefix + entry.name
                    is_hidden = entry.name[0] == "."
                    if _is_folder(entry):
                        if is_hidden and not (self.hidden and name):
                            continue
                        (self.runs if _is_run(Path(entry.path)) else folders).append(path)
                    elif not is_hidden and _ending(entry.name) in self.endings:
                        files.append(path)
        except OSError as error:
            raise DataError(
                f"the folder {error.filename or folder_path} cannot be read: {error.strerror}. Its "
                f"images would be missing. Get the permission, or take the folder out."
            ) from error
        return folders, files

    def is_link(self, name: str) -> bool:
        """Return whether a folder is a link."""
        return (self.folder / name).is_symlink()

    def may_follow(self, name: str) -> bool:
        """Return whether a link leads to a folder that is not walked otherwise, and record it."""
        real_path = os.path.realpath(self.folder / name)
        if real_path in self.ancestors or not self.roots.isdisjoint(_with_parents(real_path)):
            self.links.append(name)
            return False
        self.mark_walked(real_path)
        return True

    def mark_walked(self, real_path: str) -> None:
        """Record the real path of a folder that is walked."""
        self.roots.add(real_path)
        self.ancestors.update(_with_parents(real_path))


def _is_run(folder: Path) -> bool:
    """Return whether a folder holds the question of a run, even a damaged one."""
    try:
        question = json.loads((folder / "question.json").read_bytes())
    except OSError:
        return False
    except (ValueError, RecursionError):
        return True
    return isinstance(question, dict) and "data" in question


def _with_parents(real_path: str) -> list[str]:
    return [real_path, *map(str, Path(real_path).parents)]


def _ending(name: str) -> str:
    """Return the suffix of a file in lower case; `Path.suffix` would take most of a listing."""
    return name[max(name.rfind("."), 0) :].lower()


def _sorted_by_parts(paths: list[str]) -> list[str]:
    """Return paths sorted by their parts, which differs from sorting by text if depths differ."""
    if len({path.rpartition("/")[0] for path in paths}) <= 1:
        return sorted(paths)
    return sorted(paths, key=lambda path: path.split("/"))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except PermissionError:
        raise
    except OSError:  # a link in a circle; it has a row, which says that it is unreadable
        return False
