"""The files in zip and tar archives: listed once, and read by their place."""

import os
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from vog.data.examples import UnreadableError
from vog.errors import DataError

_DAMAGED = (*(OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError),)
_DAMAGED_ZIP = (*_DAMAGED, zipfile.BadZipFile, zlib.error)
_COMPRESSED = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst")


@dataclass(frozen=True)
class Members:
    """The files in archives, of the same kind.

    Attributes:
        paths: the archives.
        stamps: sizes and times of the archives.
        names: the name of each file in its archive.
        archives: the number of the archive of each file.
        starts: where the bytes of each file begin in a tar archive; -1 in a zip archive.
        sizes: the number of bytes of each file, unpacked.
    """

    paths: tuple[Path, ...]
    stamps: tuple[int, ...]
    names: Sequence[str]
    archives: Int[np.ndarray, "n"]
    starts: Int[np.ndarray, "n"]
    sizes: Int[np.ndarray, "n"]

    def read(self, member: int) -> bytes:
        """Return the content of a file; each process opens the archives for itself.

        Raises:
            UnreadableError: the archive is damaged there, or has been shortened.
        """
        path = self.paths[int(self.archives[member])]
        start, size = int(self.starts[member]), int(self.sizes[member])
        try:
            if start < 0:
                return _zip(path, self.stamps, os.getpid()).read(self.names[member])
            content = os.pread(_descriptor(path, self.stamps, os.getpid()), size, start)
        except _DAMAGED_ZIP as error:
            raise UnreadableError(f"{self.names[member]} in {path.name}: {error}") from error
        if len(content) < size:
            raise UnreadableError(f"{path.name} ends within {self.names[member]}")
        return content


def members_of(paths: tuple[Path, ...]) -> Members:
    """Return the files in archives, without hidden ones, in the order of the archives.

    Raises:
        DataError: an archive is compressed as a whole, or cannot be read.
    """
    names: list[str] = []
    places: list[tuple[int, int, int]] = []
    stamps: list[int] = []
    for number, path in enumerate(paths):
        if path.suffix.lower() in _COMPRESSED:
            raise DataError(
                f"{path} is a compressed tar archive, in which a file is found only by unpacking "
                f"all before it. Unpack it once, or to a tar archive that is not compressed."
            )
        try:
            status = path.stat()
            listed = _zip_places(path) if path.suffix.lower() == ".zip" else _tar_places(path)
        except (*_DAMAGED_ZIP, tarfile.TarError) as error:
            raise DataError(
                f"{path} cannot be read as an archive: {error}. Expected a zip or tar file."
            ) from error
        stamps += [status.st_size, status.st_mtime_ns]
        for name, start, size in listed:
            if not any(part.startswith((".", "__MACOSX")) for part in name.split("/")):
                names.append(name)
                places.append((number, start, size))
    columns = np.array(places, np.int64).reshape(-1, 3)
    return Members(paths, tuple(stamps), names, columns[:, 0], columns[:, 1], columns[:, 2])


def _zip_places(path: Path) -> list[tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.flag_bits & 1 for info in infos):
        raise ValueError("its files are encrypted")
    return [(info.filename.removeprefix("./"), -1, info.file_size) for info in infos]


def _tar_places(path: Path) -> list[tuple[str, int, int]]:
    with tarfile.open(path, "r:") as archive:
        return [
            (member.name.removeprefix("./"), member.offset_data, member.size)
            for member in archive
            if member.isreg() and not member.issparse()
        ]


@lru_cache(maxsize=64)
def _zip(path: Path, stamps: tuple[int, ...], process: int) -> zipfile.ZipFile:
    """Return an archive that stays open in a process, which forks do not share."""
    return zipfile.ZipFile(path)


@lru_cache(maxsize=1024)
def _descriptor(path: Path, stamps: tuple[int, ...], process: int) -> int:
    return os.open(path, os.O_RDONLY)
