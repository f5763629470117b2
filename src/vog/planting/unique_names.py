"""Names of planted examples, unique even on disks that ignore capital letters."""

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vog.errors import DataError, first_few
from vog.wording import option

THRESHOLD_CLASS = "~threshold"


class UniqueNames:
    """The names that are taken, compared without regard to capital letters."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken}

    def take(self, preferred: str) -> str:
        """Return the name, with `-2`, `-3`, ... before its ending if it is taken; mark it taken."""
        path, number, name = PurePosixPath(preferred), 1, preferred
        while name.casefold() in self._taken:
            number += 1
            name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        self._taken.add(name.casefold())
        return name


def below_one_folder(paths: Sequence[str], root: Path) -> list[str]:
    """Return the paths relative to one folder that all files are below.

    If no path leads out of `root`, they stay as they are. Otherwise, such as for `../b/1.jpg`
    and `a/1.jpg`, all become relative to the folder that they share.

    Args:
        paths: of files, with `/`.
        root: the folder that they are relative to.

    Raises:
        DataError: two paths name the same file, or they share no folder.
    """
    plain = [posixpath.normpath(path) for path in paths]
    if any(path.startswith(("../", "/")) for path in plain):
        # Relative paths alone do not give the name of the folder `..`.
        absolute_paths = [posixpath.normpath((root.absolute() / path).as_posix()) for path in plain]
        try:
            shared = posixpath.commonpath([posixpath.dirname(name) for name in absolute_paths])
        except ValueError as error:
            raise DataError(
                f"the list names files that no common folder holds: {first_few(plain)}. "
                f"Give paths below one folder, and that folder as {option('root')}."
            ) from error
        plain = [posixpath.relpath(name, shared) for name in absolute_paths]
    if len(set(plain)) < len(plain):
        raise DataError("the list names a file more than once, by different paths.")
    return plain
