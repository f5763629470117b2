"""The keys under which TensorFlow stores the slices of a partitioned variable (`OrderedCode`)."""

from collections.abc import Sequence

_FAST = 64  # smaller numbers are one byte
_BITS = 7  # of a number in each byte
_ESCAPES = {0x00: b"\0\xff", 0xFF: b"\xff\0"}


def slice_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Return the key of a slice.

    Args:
        name: of the variable.
        extents: start and length along each axis; (0, -1) for a whole axis.
    """
    escaped = b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in name)
    numbers = b"".join(_signed(value) for extent in extents for value in extent)
    return b"\0" + escaped + b"\0\1" + _unsigned(len(extents)) + numbers


def _unsigned(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _signed(value: int) -> bytes:
    """Return a number whose first bits say how many bytes it has."""
    positive = ~value if value < 0 else value
    if positive < _FAST:
        return bytes([0x80 ^ (value & 0xFF)])
    size = positive.bit_length() // _BITS + 1
    header = (2**size - 1 << (16 - size)) & 0xFFFF
    number = (value & (1 << 8 * size) - 1).to_bytes(size, "big")
    return bytes([number[0] ^ (header >> 8), number[1] ^ (header & 0xFF), *number[2:]])
