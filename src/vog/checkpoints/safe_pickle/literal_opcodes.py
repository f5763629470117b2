"""The pickle opcodes that contain a value: numbers, texts, bytes, constants."""

import codecs
import pickle
import struct
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

import torch

from vog.checkpoints.safe_pickle.placeholders import Unreadable

_LONGEST_NUMBER = 4096  # bytes; torch and Python write at most a few hundred


def _storage_dtypes() -> dict[str, torch.dtype]:
    dtypes = {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexDouble": torch.complex128,
        "ComplexFloat": torch.complex64,
        "QInt8": torch.qint8,
        "QInt32": torch.qint32,
        "QUInt8": torch.quint8,
        "QUInt4x2": torch.quint4x2,
        "QUInt2x4": torch.quint2x4,
    }
    return {f"{name}Storage": dtype for name, dtype in dtypes.items()}


class StorageType:
    """A placeholder for a storage class, with the type of its elements."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def _named_values() -> dict[tuple[str, str], Any]:
    """Return the values of names that are not code: dtypes, layouts, storage types."""
    constants = (torch.dtype, torch.layout, torch.qscheme)
    values: dict[tuple[str, str], Any] = {
        ("torch", name): value
        for name, value in vars(torch).items()
        if isinstance(value, constants)
    }
    for name, dtype in _storage_dtypes().items():
        for module in ("torch", "torch.cuda", "torch.storage"):
            values[module, name] = StorageType(dtype)
    for module in ("torch", "torch.storage"):
        for name in ("UntypedStorage", "_UntypedStorage"):
            values[module, name] = StorageType(torch.uint8)
    return values


NAMED_VALUES = _named_values()


class Stream:
    """A stream that never reads more bytes than it has."""

    def __init__(self, stream: BufferedIOBase, size: int) -> None:
        self.read = stream.read
        self.readline = stream.readline
        self._size = size

    def take(self, count: int) -> bytes:
        """Return the next bytes.

        Raises:
            Unreadable: fewer are left.
        """
        if count > self._size:
            raise Unreadable("it declares a value that is longer than the file")
        data = self.read(count)
        if len(data) != count:
            raise Unreadable("it ends in the middle")
        return data

    def line(self) -> bytes:
        """Return the bytes up to the next line break, without the line break."""
        text = self.readline()
        if not text.endswith(b"\n"):
            raise Unreadable("it ends in the middle")
        return text[:-1]

    def skip_protocol(self) -> None:
        """Skip the number of the protocol.

        Raises:
            Unreadable: the protocol is newer than the newest that this Python has.
        """
        if self.take(1)[0] > pickle.HIGHEST_PROTOCOL:
            raise Unreadable("it is of an unknown pickle protocol")


def read_literal(opcode: bytes, stream: Stream) -> Any:
    """Return the value that an opcode holds.

    Raises:
        Unreadable: the opcode contains no value.
    """
    if opcode in _CONSTANTS:
        return _CONSTANTS[opcode]
    if opcode in _NUMBERS:
        code = _NUMBERS[opcode]
        return struct.unpack(code, stream.take(struct.calcsize(code)))[0]
    if opcode in _SIZED:
        code, convert = _SIZED[opcode]
        (size,) = struct.unpack(code, stream.take(struct.calcsize(code)))
        if size < 0:
            raise Unreadable("it declares a negative size")
        return convert(stream.take(size))
    if not opcode:
        raise Unreadable("it ends in the middle")
    if opcode in _LINES:
        return _LINES[opcode](stream.line())
    raise Unreadable(f"it has the opcode {opcode!r}, which no checkpoint needs")


def parse_whole_number(text: bytes) -> int:
    """Return the integer that a line of text contains.

    Raises:
        Unreadable: it contains no integer, or one that is too long.
    """
    if len(text) > _LONGEST_NUMBER:
        raise Unreadable("it has a number that is too long")
    try:
        return int(text)
    except ValueError as error:
        raise Unreadable("it has a number that cannot be read") from error


def _int_line(text: bytes) -> int | bool:
    return (
        {b"00": False, b"01": True}.get(text)
        if text in (b"00", b"01")
        else parse_whole_number(text)
    )  # type: ignore[return-value]


def _float_line(text: bytes) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Unreadable("it has a number that cannot be read") from error


def _long_integer(data: bytes) -> int:
    if len(data) > _LONGEST_NUMBER:
        raise Unreadable("it has a number that is too long")
    return int.from_bytes(data, "little", signed=True)


def _text(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


def _python2_text(data: bytes) -> str | bytes:
    """Return a string of Python 2 as text, or as bytes if it is not text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _quoted_text(line: bytes) -> str | bytes:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Unreadable("it has a text without quotes")
    try:
        return _python2_text(codecs.escape_decode(line[1:-1])[0])
    except ValueError as error:
        raise Unreadable("it has a text with bad escapes") from error


_CONSTANTS = {
    pickle.NONE: None,
    pickle.NEWTRUE: True,
    pickle.NEWFALSE: False,
    pickle.EMPTY_TUPLE: (),
}
_NUMBERS = {pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"}
_SIZED: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    pickle.BINUNICODE: ("<I", _text),
    pickle.SHORT_BINUNICODE: ("<B", _text),
    pickle.BINUNICODE8: ("<Q", _text),
    pickle.BINBYTES: ("<I", bytes),
    pickle.SHORT_BINBYTES: ("<B", bytes),
    pickle.BINBYTES8: ("<Q", bytes),
    pickle.BYTEARRAY8: ("<Q", bytes),
    pickle.BINSTRING: ("<i", _python2_text),
    pickle.SHORT_BINSTRING: ("<B", _python2_text),
    pickle.LONG1: ("<B", _long_integer),
    pickle.LONG4: ("<i", _long_integer),
}
_LINES: dict[bytes, Callable[[bytes], Any]] = {
    pickle.INT: _int_line,
    pickle.LONG: lambda line: parse_whole_number(line.removesuffix(b"L")),
    pickle.FLOAT: _float_line,
    pickle.STRING: _quoted_text,
    pickle.UNICODE: lambda line: str(line, "raw-unicode-escape"),
}
