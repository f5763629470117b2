"""Read a table of LevelDB: sorted keys with values, in blocks, as TensorFlow writes its indexes."""

from collections.abc import Iterator
from dataclasses import dataclass

from vog.checkpoints.readers.crc32c import masked_crc32c
from vog.checkpoints.readers.protobuf_wire import read_varint
from vog.checkpoints.safe_pickle import Unreadable

MAGIC = bytes.fromhex("57fb808b247547db")  # the last bytes of a table
_FOOTER = 48
_TRAILER = 5  # a byte for the kind of compression, and a checksum
_UNCOMPRESSED, _SNAPPY = 0, 1
_WORD = 4
# Keys share beginnings, so a small file can stand for many long keys.
_MOST_KEY_BYTES, _MOST_REPEATED = 2**20, 64


@dataclass(frozen=True)
class _Block:
    """A place in the table."""

    offset: int
    size: int


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Return the values of a table by key.

    Raises:
        Unreadable: the bytes are no table, are damaged, or are compressed.
    """
    if len(data) < _FOOTER or not data.endswith(MAGIC):
        raise Unreadable("it does not end like an index of TensorFlow")
    footer = data[-_FOOTER:]
    _, position = _read_handle(footer, 0)
    index, _ = _read_handle(footer, position)
    values: dict[bytes, bytes] = {}
    last, key_bytes = None, 0
    for _, handle in _entries(_block(data, index)):
        block, _ = _read_handle(handle, 0)
        for key, value in _entries(_block(data, block)):
            if last is not None and key <= last:
                raise Unreadable("its keys are not in order")
            key_bytes += len(key)
            if key_bytes > _MOST_KEY_BYTES + _MOST_REPEATED * len(data):
                raise Unreadable("its keys are far longer than the file")
            values[key], last = value, key
    return values


def _read_handle(data: bytes, position: int) -> tuple[_Block, int]:
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return _Block(offset, size), position


def _block(data: bytes, block: _Block) -> bytes:
    """Return the content of a block whose checksum is right."""
    end = block.offset + block.size
    if end + _TRAILER > len(data) - _FOOTER:
        raise Unreadable("a block of it lies beyond its end")
    kind, checksum = data[end], data[end + 1 : end + _TRAILER]
    if masked_crc32c(data[block.offset : end + 1]) != int.from_bytes(checksum, "little"):
        raise Unreadable("the checksum of a block does not fit")
    if kind == _SNAPPY:
        raise Unreadable("its index is compressed by Snappy, which is not read")
    if kind != _UNCOMPRESSED:
        raise Unreadable(f"its index has a block of the unknown kind {kind}")
    return data[block.offset : end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of a block; a key begins with bytes of the key before it."""
    restarts = int.from_bytes(block[-_WORD:], "little")
    end = len(block) - _WORD * (restarts + 1)
    if len(block) < _WORD or end < 0:
        raise Unreadable("a block of it has no list of restarts")
    key, position = b"", 0
    while position < end:
        shared, position = read_varint(block, position)
        added, position = read_varint(block, position)
        size, position = read_varint(block, position)
        if shared > len(key) or added + size > end - position:
            raise Unreadable("an entry of it is longer than its block")
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + size]
        position += size
