"""Read the variables of a TensorFlow checkpoint (`.index`, `.data-00000-of-00001`) without it.

The index is a table from names to places in the data files. What it claims is compared with the
sizes of the data files before anything is allocated, and the bytes with their checksums.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vog.checkpoints.readers.crc32c import masked_crc32c
from vog.checkpoints.readers.leveldb_table import read_table
from vog.checkpoints.readers.ordered_code import slice_key
from vog.checkpoints.readers.protobuf_wire import Fields, read_fields
from vog.checkpoints.safe_pickle import Unreadable
from vog.errors import CheckpointError, first_few

# Types of TensorFlow by number. NumPy lacks bfloat16 and the floats of 8 bits.
_TYPES: Mapping[int, tuple[str, torch.dtype | None]] = {
    1: ("f4", None),
    2: ("f8", None),
    3: ("i4", None),
    4: ("u1", None),
    5: ("i2", None),
    6: ("i1", None),
    8: ("c8", None),
    9: ("i8", None),
    10: ("?", None),
    14: ("u2", torch.bfloat16),
    17: ("u2", None),
    18: ("c16", None),
    19: ("f2", None),
    22: ("u4", None),
    23: ("u8", None),
    24: ("u1", torch.float8_e5m2),
    25: ("u1", torch.float8_e4m3fn),
}
_NEWEST_VERSION = 1
_MOST_SHARDS = 100_000  # as many as the names of data files can count
_MOST_AXES, _MOST_VALUES = 32, 2**48
_WHOLE_AXIS = (0, -1)
_HEADER = b""


@dataclass(frozen=True)
class _Entry:
    """A variable, or a slice of one, and its place in the data files.

    Attributes:
        slices: starts and lengths along each axis, of a variable that is stored in slices.
    """

    dtype: np.dtype
    torch_dtype: torch.dtype | None
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[tuple[tuple[int, int], ...], ...] = ()

    @property
    def nbytes(self) -> int:
        """Return the bytes that shape and type need."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Bundle:
    """The variables of a TensorFlow checkpoint, which are read when they are asked for.

    Attributes:
        index: the path of the index.
        shards: the data files, in order.
        others: names of entries that are not numbers, such as the graph of objects.
    """

    index: Path
    shards: tuple[Path, ...]
    entries: Mapping[str, _Entry]
    slices: Mapping[bytes, _Entry]
    others: tuple[str, ...]

    def read(self, name: str) -> Tensor:
        """Return a variable whose checksums are right.

        Raises:
            CheckpointError: its bytes are damaged.
        """
        entry = self.entries[name]
        try:
            array = self._join(name, entry) if entry.slices else self._array(name, entry)
        except Unreadable as error:
            raise CheckpointError(
                f"checkpoint {self.index} is damaged: {error}. Restore a copy, or leave it out."
            ) from error
        tensor = torch.from_numpy(array)
        return tensor if entry.torch_dtype is None else tensor.view(entry.torch_dtype)

    def _array(self, name: str, entry: _Entry) -> np.ndarray:
        shard = self.shards[entry.shard]
        with shard.open("rb") as file:
            file.seek(entry.offset)
            data = np.fromfile(file, np.uint8, entry.size)
        if len(data) != entry.size or masked_crc32c(data) != entry.checksum:
            raise Unreadable(f"the checksum of {name} in {shard.name} does not fit its bytes")
        if entry.dtype.kind == "b":
            data = (data != 0).astype(np.uint8)
        array = data.view(entry.dtype).reshape(entry.shape)
        return array.astype(entry.dtype.newbyteorder("="), copy=False)

    def _join(self, name: str, entry: _Entry) -> np.ndarray:
        """Return a variable from its slices, which must cover it once."""
        joined = np.empty(entry.shape, entry.dtype.newbyteorder("="))
        is_filled = np.zeros(entry.shape, bool)
        for extents, part in _parts(name, entry, self.slices):
            place = tuple(
                slice(None) if extent == _WHOLE_AXIS else slice(extent[0], sum(extent))
                for extent in extents
            )
            if is_filled[place].any():
                raise Unreadable(f"two slices of {name} overlap")
            joined[place], is_filled[place] = self._array(name, part), True
        return joined


def open_bundle(index: Path) -> Bundle:
    """Return the variables of a checkpoint, by its index.

    Raises:
        CheckpointError: the index is damaged or of another form, or data are missing.
        OSError: a file cannot be opened.
    """
    try:
        return _open(index)
    except Unreadable as error:
        raise CheckpointError(
            f"checkpoint {index} is damaged or no index of TensorFlow: {error} "
            f"({index.stat().st_size:,} bytes). Restore a copy, or leave it out."
        ) from error


def _open(index: Path) -> Bundle:
    table = read_table(index.read_bytes())
    if _HEADER not in table:
        raise Unreadable("it has no header")
    order, shards = _read_header(read_fields(table.pop(_HEADER)), index)
    entries: dict[str, _Entry] = {}
    slices: dict[bytes, _Entry] = {}
    others: list[str] = []
    for key, value in table.items():
        entry = _read_entry(read_fields(value), order, len(shards))
        name = key.decode("utf-8", "backslashreplace")
        if key.startswith(b"\0"):
            slices |= {} if entry is None else {key: entry}
        elif entry is None:
            others.append(name)
        elif name in entries:
            raise Unreadable(f"it has two variables named {name}")
        else:
            entries[name] = entry
    for name, entry in entries.items():
        _check_slices(name, entry, slices)
    _check_places(index, shards, [*entries.values(), *slices.values()])
    return Bundle(index, shards, entries, slices, tuple(others))


def _read_header(header: Fields, index: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the order of bytes, as NumPy writes it, and the data files."""
    count, endianness = header.number(1), header.number(2)
    versions = header.messages(3)
    needed = versions[-1].number(2) if versions else 0
    if needed > _NEWEST_VERSION:
        raise Unreadable(f"it needs a reader of version {needed}; this one has {_NEWEST_VERSION}")
    if not 0 <= count <= _MOST_SHARDS or endianness not in (0, 1):
        raise Unreadable(f"its header claims {count} data files in the order {endianness}")
    if count > len(list(index.parent.iterdir())):
        raise _missing(index, f"some of its {count:,} data files")
    stem = index.name.removesuffix(".index")
    names = (f"{stem}.data-{shard:05d}-of-{count:05d}" for shard in range(count))
    return "<>"[endianness], tuple(index.with_name(name) for name in names)


def _read_entry(fields: Fields, order: str, shards: int) -> _Entry | None:
    """Return an entry; None if it is no tensor of numbers."""
    if fields.number(1) not in _TYPES:
        return None
    code, torch_dtype = _TYPES[fields.number(1)]
    shapes = fields.messages(2)
    shape = tuple(axis.number(1) for each in shapes[-1:] for axis in each.messages(2))
    values = math.prod(length for length in shape if length)  # also of a shape that has none
    if len(shape) > _MOST_AXES or min(shape, default=0) < 0 or values > _MOST_VALUES:
        raise Unreadable(f"an entry has the shape {first_few([str(n) for n in shape])}")
    entry = _Entry(
        np.dtype(f"{order}{code}"),
        torch_dtype,
        shape,
        fields.number(3),
        fields.number(4),
        fields.number(5),
        fields.number(6),
        tuple(_read_extents(each, shape) for each in fields.messages(7)),
    )
    if not 0 <= entry.shard < max(shards, 1) or entry.offset < 0 or entry.size < 0:
        raise Unreadable(f"an entry lies in data file {entry.shard} at {entry.offset}")
    if not entry.slices and entry.size != entry.nbytes:
        raise Unreadable(
            f"an entry of the shape {shape} has {entry.size:,} bytes, not {entry.nbytes:,}"
        )
    return entry


def _read_extents(fields: Fields, shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return starts and lengths of a slice; (0, -1) for a whole axis."""
    extents = tuple(
        (each.number(1), each.number(2)) if each.has(2) else _WHOLE_AXIS
        for each in fields.messages(1)
    )
    fits = len(extents) == len(shape) and all(
        extent == _WHOLE_AXIS or (min(extent) >= 0 and sum(extent) <= length)
        for extent, length in zip(extents, shape, strict=True)
    )
    if not fits:
        raise Unreadable("a slice of a variable does not fit its shape")
    return extents


def _parts(
    name: str, entry: _Entry, slices: Mapping[bytes, _Entry]
) -> Iterator[tuple[tuple[tuple[int, int], ...], _Entry]]:
    """Yield the extents of the slices of a variable, with their entries.

    Raises:
        Unreadable: a slice is missing, or of another shape or type.
    """
    for extents in entry.slices:
        part = slices.get(slice_key(name.encode(), extents))
        if part is None:
            raise Unreadable(f"a slice of {name} is missing in the index")
        shape = tuple(
            whole if extent == _WHOLE_AXIS else extent[1]
            for extent, whole in zip(extents, entry.shape, strict=True)
        )
        if part.shape != shape or part.dtype != entry.dtype or part.slices:
            raise Unreadable(f"a slice of {name} is of another shape or type than its variable")
        yield extents, part


def _check_slices(name: str, entry: _Entry, slices: Mapping[bytes, _Entry]) -> None:
    """Raise Unreadable unless the slices of a variable have as many bytes as it needs."""
    if entry.slices:
        total = sum(part.nbytes for _, part in _parts(name, entry, slices))
        if total != entry.nbytes:
            raise Unreadable(f"the slices of {name} have {total:,} bytes, not {entry.nbytes:,}")


def _check_places(index: Path, shards: Sequence[Path], entries: Sequence[_Entry]) -> None:
    """Raise unless all entries lie apart within the data files.

    Raises:
        CheckpointError: a data file is missing or short.
        Unreadable: two entries share bytes, so that little data could stand for much.
    """
    places = sorted((e.shard, e.offset, e.size) for e in entries if not e.slices and e.size)
    for (shard, offset, size), following in itertools.pairwise(places):
        if following[:2] < (shard, offset + size):
            raise Unreadable("two of its entries lie at the same place")
    for number, shard in enumerate(shards):
        ends = [offset + size for place, offset, size in places if place == number]
        if ends and not shard.is_file():
            raise _missing(index, shard.name)
        if ends and shard.stat().st_size < max(ends):
            raise CheckpointError(
                f"checkpoint {index}: its data file {shard.name} has {shard.stat().st_size:,} "
                f"bytes, and the index needs {max(ends):,}. It was not written to the end, or is "
                f"of another checkpoint. Restore it, or leave this checkpoint out."
            )


def _missing(index: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {index}: {what} is missing. Copy all files that begin with "
        f"{index.name.removesuffix('.index')} into the same folder."
    )
