"""What planted examples are called: never as another, not even where capitals do not count."""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vog.errors import DataError, first_few

THRESHOLD_CLASS = "~threshold"


class UniqueNames:
    """The names that are taken."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken}

    def take(self, preferred: str) -> str:
        """The name, or with `-2`, `-3`, ... before its ending where that is taken."""
        path, number, name = PurePosixPath(preferred), 1, preferred
        while name.casefold() in self._taken:
            number += 1
            name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        self._taken.add(name.casefold())
        return name


def below_one_folder(paths: Sequence[str], root: Path) -> list[str]:
    """The paths as seen from one folder, none of which leads out of it.

    Paths that stay below where they start remain as they are; others, as `../b/1.jpg` beside
    `a/1.jpg`, are seen from the folder that all of them share.

    Args:
        paths: of files, with `/`.
        root: what they are relative to.

    Raises:
        DataError: two of them are the same file, or they share no folder.
    """
    plain = [posixpath.normpath(path) for path in paths]
    if any(path.startswith(("../", "/")) for path in plain):
        # Of relative ones alone it cannot be told what `..` is called.
        absolute_paths = [posixpath.normpath((root.absolute() / path).as_posix()) for path in plain]
        try:
            shared = posixpath.commonpath([posixpath.dirname(name) for name in absolute_paths])
        except ValueError as error:
            raise DataError(
                f"the list names files in folders that share none: {first_few(plain)}. "
                f"Give paths below one folder, and that as --root."
            ) from error
        plain = [posixpath.relpath(name, shared) for name in absolute_paths]
    if len(set(plain)) < len(plain):
        raise DataError("the list names a file more than once, by different paths.")
    return plain
