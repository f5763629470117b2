"""Arrays of an `.npz` file, whose sizes are checked before anything in it is unpacked.

A few bytes can claim to unpack to more than any memory holds, and so can the header of an
array. Sizes are compared here with each other and with the free memory.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import psutil
from numpy.lib import format as npy

# The errors that damaged archives raise when they are unpacked.
UNPACKABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError),
    *(SyntaxError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error),
)
_ENDING = ".npy"
# The most bytes that one compressed byte unpacks to, and an allowance for each member.
_MAX_EXPANSION, _SLACK = 1032, 1024
_MAX_HEADER_BYTES = 2**16


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in a file.

    Raises:
        UNPACKABLE: the file cannot be read, or is not an archive.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return list(_members(archive))


def load_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name: those of `names` that it has, by default all.

    Raises:
        ValueError: impossible sizes, more than fits into memory, or pickled objects.
        UNPACKABLE: the file cannot be read, or is not an archive.
    """
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = {
            name: member
            for name, member in _members(archive).items()
            if names is None or name in names
        }
        needed = sum(_bytes_of(archive, name, member) for name, member in members.items())
        free = psutil.virtual_memory().available
        if needed > free:
            raise ValueError(
                f"its arrays unpack to {needed / 1e9:,.1f} GB, but only {free / 1e9:,.1f} GB of "
                f"memory are free"
            )
        return {name: _unpack(archive, member) for name, member in members.items()}


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by name; for equal names the last one, as NumPy does."""
    return {
        member.filename.removesuffix(_ENDING): member
        for member in archive.infolist()
        if member.filename.endswith(_ENDING)
    }


def _bytes_of(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> int:
    """Return the unpacked size of an array in bytes, from its header alone.

    Raises:
        ValueError: its header and its size contradict each other, or it holds pickled objects.
    """
    packed = member.compress_size
    has_known_limit = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if has_known_limit and member.file_size > packed * _MAX_EXPANSION + _SLACK:
        raise ValueError(f"{name} claims that {packed} bytes unpack to {member.file_size:,}")
    with archive.open(member) as stream:
        shape, dtype, length = _read_header(stream.read(_MAX_HEADER_BYTES), name)
    available = member.file_size - length
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled objects, which are not loaded")
    declared = math.prod(shape) * dtype.itemsize
    if any(length < 0 for length in shape) or declared > available:
        raise ValueError(
            f"{name} claims the shape {shape} of {dtype}, which needs {declared:,} bytes, but the "
            f"file holds {available:,} of them"
        )
    return declared


def _read_header(start: bytes, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return the shape and the type in the header of an array, and the header's length in bytes.

    Raises:
        ValueError: it is not an array, or its header is too long.
    """
    stream = io.BytesIO(start)
    version = npy.read_magic(stream)
    digits = 2 if version == (1, 0) else 4
    length = npy.MAGIC_LEN + digits + int.from_bytes(stream.read(digits), "little")
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"{name} has a header of {length:,} bytes")
    stream.seek(npy.MAGIC_LEN)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    return shape, dtype, length


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as stream:
        return npy.read_array(stream, allow_pickle=False)
