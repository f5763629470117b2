"""CRC-32C (Castagnoli), the checksum of TensorFlow checkpoints, of many bytes at once in NumPy.

A CRC is linear: the message `a` followed by `b` has the CRC of `b` after that of `a` was XORed into
its first four bytes. So rows of words are XORed down a table in parallel, each word advanced by the
length of a row, until one row is left; short rows and then single bytes end it.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # bits reversed: the first bit of a message is the lowest
_ALL_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_ROW_WORDS = (8192, 64)  # words of eight bytes in a row: long rows first
_WORD = np.dtype("<u8")


def crc32c(data: bytes | memoryview | np.ndarray) -> int:
    """Return the CRC-32C of bytes."""
    rest, state = np.frombuffer(data, np.uint8), _ALL_ONES
    for words in _ROW_WORDS:
        rows = len(rest) // (words * _WORD.itemsize)
        if rows > 1:
            whole = rows * words * _WORD.itemsize
            row = _fold_rows(rest[:whole].view(_WORD).reshape(rows, words), state)
            rest, state = np.concatenate([row.view(np.uint8), rest[whole:]]), 0
    return _advance_bytes(rest.tobytes(), state) ^ _ALL_ONES


def masked_crc32c(data: bytes | memoryview | np.ndarray) -> int:
    """Return the CRC-32C of bytes as it is stored: turned, and with a number added."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ALL_ONES


def _fold_rows(rows: np.ndarray, state: int) -> np.ndarray:
    """Return one row of words with the same CRC as all rows, with `state` XORed into the first."""
    tables = _tables(rows.shape[1] * _WORD.itemsize)
    current = rows[0].copy()
    current[0] ^= np.uint64(state)
    for row in rows[1:]:
        parts = current.view(np.dtype("<u2")).reshape(-1, 4)
        advanced = tables[0][parts[:, 0]]
        for position in (1, 2, 3):
            advanced ^= tables[position][parts[:, position]]
        current = advanced ^ row
    return current


def _advance_bytes(data: bytes, state: int) -> int:
    table = _byte_table()
    for byte in data:
        state = (state >> 8) ^ table[(state ^ byte) & 0xFF]
    return state


@lru_cache(maxsize=1)
def _byte_table() -> tuple[int, ...]:
    return tuple(_advance_bits(byte, 8) for byte in range(256))


@lru_cache(maxsize=len(_ROW_WORDS))
def _tables(length: int) -> tuple[np.ndarray, ...]:
    """Return, for each 16 bits of a word, its CRC state after `length` bytes, all zero but it."""
    after_zeros = _after_zeros(length - _WORD.itemsize)
    basis = [_apply(after_zeros, _advance_bits(1 << bit, 64)) for bit in range(64)]
    return tuple(_sums(basis[start : start + 16]) for start in range(0, 64, 16))


def _sums(basis: Sequence[int]) -> np.ndarray:
    """Return the XOR of every subset of numbers; the bits of an index choose the subset."""
    sums = np.zeros(1, _WORD)
    for value in basis:
        sums = np.concatenate([sums, sums ^ np.uint64(value)])
    return sums


def _advance_bits(value: int, bits: int) -> int:
    for _ in range(bits):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


def _after_zeros(count: int) -> list[int]:
    """Return the states, bit by bit, after `count` zero bytes, by repeated squaring."""
    result, power = [1 << bit for bit in range(32)], [_advance_bits(1 << b, 8) for b in range(32)]
    while count:
        if count & 1:
            result = [_apply(power, value) for value in result]
        power = [_apply(power, value) for value in power]
        count >>= 1
    return result


def _apply(columns: Sequence[int], value: int) -> int:
    """Return the XOR of the columns of the bits that are set in a value."""
    result = 0
    for bit, column in enumerate(columns):
        if value >> bit & 1:
            result ^= column
    return result
