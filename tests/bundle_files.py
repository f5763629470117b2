"""Writes TensorFlow checkpoints byte by byte: tables of LevelDB and messages, in any variation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vog.checkpoints.readers.crc32c import masked_crc32c
from vog.checkpoints.readers.leveldb_table import MAGIC

TYPES = {
    "f4": 1,
    "f8": 2,
    "i4": 3,
    "u1": 4,
    "i2": 5,
    "i1": 6,
    "c8": 8,
    "i8": 9,
    "b1": 10,
    "u2": 17,
    "c16": 18,
    "f2": 19,
    "u4": 22,
    "u8": 23,
}


def varint(value: int) -> bytes:
    value %= 2**64
    low = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(byte | 0x80 for byte in low[:-1]), low[-1]])


def number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def message(tag: int, content: bytes) -> bytes:
    return varint(tag << 3 | 2) + varint(len(content)) + content


def fixed32(tag: int, value: int) -> bytes:
    return varint(tag << 3 | 5) + value.to_bytes(4, "little")


@dataclass(frozen=True)
class Table:
    """How a table is written."""

    restart_interval: int = 16
    entries_in_block: int = 1000
    kind: int = 0

    def write(self, items: Mapping[bytes, bytes]) -> bytes:
        """Return the bytes of a table with these values by key."""
        out, index = b"", {}
        keys = sorted(items)
        for start in range(0, len(keys), self.entries_in_block):
            some = keys[start : start + self.entries_in_block]
            block = self.block({key: items[key] for key in some})
            index[some[-1]] = varint(len(out)) + varint(len(block))
            out += self.sealed(block)
        empty = self.block({})
        meta = varint(len(out)) + varint(len(empty))
        out += self.sealed(empty)
        of_index = self.block(index)
        handles = meta + varint(len(out)) + varint(len(of_index))
        return out + self.sealed(of_index) + handles.ljust(40, b"\0") + MAGIC

    def block(self, items: Mapping[bytes, bytes]) -> bytes:
        out, restarts, last = b"", [0], b""
        for at, (key, value) in enumerate(items.items()):
            shared = 0
            if at % self.restart_interval:
                while shared < min(len(last), len(key)) and last[shared] == key[shared]:
                    shared += 1
            elif at:
                restarts.append(len(out))
            own = key[shared:]
            out += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
            last = key
        return out + b"".join(n.to_bytes(4, "little") for n in [*restarts, len(restarts)])

    def sealed(self, block: bytes) -> bytes:
        whole = block + bytes([self.kind])
        return whole + masked_crc32c(whole).to_bytes(4, "little")


def header(shards: int, big_endian: bool = False, min_consumer: int = 0) -> bytes:
    order = number(2, 1) if big_endian else b""
    return number(1, shards) + order + message(3, number(1, 1) + number(2, min_consumer))


def shape_of(lengths: Sequence[int]) -> bytes:
    return b"".join(message(2, number(1, length)) for length in lengths)


def slices_of(slices: Sequence[Sequence[tuple[int, int]]]) -> bytes:
    """Return the slices of a variable: starts and lengths along each axis, (0, -1) for all."""
    return b"".join(
        message(
            7,
            b"".join(
                message(1, b"" if length < 0 else number(1, start) + number(2, length))
                for start, length in extents
            ),
        )
        for extents in slices
    )


@dataclass(frozen=True)
class Entry:
    """What an index says of one tensor; `change` makes it lie."""

    dtype: int
    shape: Sequence[int]
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int = 0
    slices: Sequence[Sequence[tuple[int, int]]] = field(default=())

    def write(self) -> bytes:
        return (
            number(1, self.dtype)
            + message(2, shape_of(self.shape))
            + number(3, self.shard)
            + number(4, self.offset)
            + number(5, self.size)
            + fixed32(6, self.checksum)
            + slices_of(self.slices)
        )


def write_bundle(
    prefix: Path,
    arrays: Mapping[str, np.ndarray],
    shards: int = 1,
    table: Table | None = None,
    big_endian: bool = False,
    change: Callable[[dict[bytes, Entry]], None] | None = None,
    more: Mapping[bytes, bytes] | None = None,
) -> Path:
    """Write a checkpoint with these arrays, and return the path of its index."""
    data = [b""] * shards
    entries: dict[bytes, Entry] = {}
    for at, (name, array) in enumerate(arrays.items()):
        shard = at % shards
        code = array.dtype.str[1:]
        content = array.astype(array.dtype.newbyteorder(">" if big_endian else "<")).tobytes()
        place = (shard, len(data[shard]), len(content), masked_crc32c(content))
        entries[name.encode()] = Entry(TYPES[code], array.shape, *place)
        data[shard] += content
    if change is not None:
        change(entries)
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    values = {key: entry.write() for key, entry in entries.items()}
    index = prefix.with_name(f"{prefix.name}.index")
    items = {b"": header(shards, big_endian), **values, **(more or {})}
    index.write_bytes((table or Table()).write(items))
    return index
