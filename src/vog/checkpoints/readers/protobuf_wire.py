"""Read the fields of a protocol buffer message by their numbers, without its description."""

from collections.abc import Sequence
from dataclasses import dataclass

from vog.checkpoints.safe_pickle import Unreadable

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MOST_VARINT_BYTES = 10
_SIGN, _MODULUS = 2**63, 2**64


@dataclass(frozen=True)
class Fields:
    """The fields of one message: pairs of a number and a value, whole numbers or bytes."""

    items: Sequence[tuple[int, int | bytes]]

    def number(self, field: int, default: int = 0) -> int:
        """Return the last value of a field as a signed number.

        Raises:
            Unreadable: the field has bytes.
        """
        values = [value for number, value in self.items if number == field]
        value = values[-1] if values else default
        if not isinstance(value, int):
            raise Unreadable(f"the field {field} of a message is no number")
        return value - _MODULUS if value >= _SIGN else value

    def messages(self, field: int) -> "list[Fields]":
        """Return the messages in a field, which may be repeated.

        Raises:
            Unreadable: the field has a number, or bytes that are no message.
        """
        return [
            Fields([]) if not value else read_fields(_as_bytes(value, field))
            for number, value in self.items
            if number == field
        ]

    def has(self, field: int) -> bool:
        """Return whether a field is set."""
        return any(number == field for number, _ in self.items)


def read_fields(data: bytes) -> Fields:
    """Return the fields of a message.

    Raises:
        Unreadable: the bytes are no message.
    """
    items: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = read_varint(data, position)
            items.append((number, value))
            continue
        if kind == _BYTES:
            size, position = read_varint(data, position)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise Unreadable(f"a message has a field of the kind {kind}")
        if size > len(data) - position:
            raise Unreadable("a field is longer than its message")
        content = data[position : position + size]
        items.append((number, content if kind == _BYTES else int.from_bytes(content, "little")))
        position += size
    return Fields(items)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of up to 64 bits, seven bits a byte, and the position after it.

    Raises:
        Unreadable: the bytes end within it, or it is longer.
    """
    value = 0
    for index in range(_MOST_VARINT_BYTES):
        if position + index >= len(data):
            raise Unreadable("the bytes end within a number")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value % _MODULUS, position + index + 1
    raise Unreadable("a number has more than 64 bits")


def _as_bytes(value: int | bytes, field: int) -> bytes:
    if isinstance(value, int):
        raise Unreadable(f"the field {field} of a message is a number")
    return value
