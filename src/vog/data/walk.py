"""The files below a folder, each once: no link leads in a circle or to what was found already.

A link to a folder elsewhere is followed, as many data sets are folders of such links. A link to
a folder above, inside, or reached before is not: its files are found under another name, and
would be found again and again. Real paths decide, as not every file system numbers its folders.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vog.errors import DataError


@dataclass(frozen=True)
class Walk:
    """What a walk found.

    Attributes:
        folders: the names of the folders directly below, in alphabetical order.
        files: paths with `/` as seen from the folder, in order within each of those.
        links: those to folders that were not followed.
    """

    folders: tuple[str, ...]
    files: list[str]
    links: list[str]


def walk(folder: Path, endings: Collection[str]) -> Walk:
    """Return the files below a folder that have one of some endings, without hidden ones.

    Raises:
        DataError: a folder may not be read.
    """
    found = _Found(folder, endings, [Path(os.path.realpath(folder))])
    names, files = found.entries("")
    names = [name for name in sorted(names) if name[0] != "."]
    # Folders come before links to them, so that a link never takes the place of a class.
    first = {name: found.below(name) for name in names if not found.is_link(name)}
    first |= {name: found.below(name) for name in names if found.may_follow(name)}
    folders = tuple(name for name in names if name in first)
    files.sort()
    for name in folders:
        files += sorted(first[name], key=lambda path: path.split("/"))
    return Walk(folders, files, sorted(found.links))


@dataclass(frozen=True)
class _Found:
    """A walk under way.

    Attributes:
        roots: the real paths of what is walked, of which each is walked once.
        links: those to folders that are not followed.
    """

    folder: Path
    endings: Collection[str]
    roots: list[Path]
    links: list[str] = field(default_factory=list)

    def below(self, name: str) -> list[str]:
        """Return the files below a folder, which is a path as seen from the first."""
        files: list[str] = []
        waiting = [name]
        while waiting:
            folders, here = self.entries(waiting.pop())
            files += here
            waiting += [one for one in folders if not self.is_link(one) or self.may_follow(one)]
        return files

    def entries(self, name: str) -> tuple[list[str], list[str]]:
        """Return the folders and the files directly in a folder.

        Raises:
            DataError: it may not be read.
        """
        folders: list[str] = []
        files: list[str] = []
        place = self.folder / name
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    path = f"{name}/{entry.name}" if name else entry.name
                    if _is_folder(entry):
                        folders.append(path)
                    elif entry.name[0] != "." and Path(entry.name).suffix.lower() in self.endings:
                        files.append(path)
        except OSError as error:
            raise DataError(
                f"the folder {error.filename or place} cannot be read: {error.strerror}. Its "
                f"images would be missing. Get the permission, or take the folder out."
            ) from error
        return folders, files

    def is_link(self, name: str) -> bool:
        """Return whether a folder is a link."""
        return (self.folder / name).is_symlink()

    def may_follow(self, name: str) -> bool:
        """Return whether a folder is a link to what is not walked otherwise, and note which."""
        if not self.is_link(name):
            return False
        real = Path(os.path.realpath(self.folder / name))
        known = any(real.is_relative_to(root) or root.is_relative_to(real) for root in self.roots)
        (self.links.append(name) if known else self.roots.append(real))
        return not known


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except PermissionError:
        raise
    except OSError:  # a link in a circle, which is no file either and has a row that says so
        return False
