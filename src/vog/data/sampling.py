"""A fixed order in which the rows of a dataset are drawn for a sample, stratified by class.

A sample of N rows is the first N of this order, so a larger sample contains every smaller one.
"""

import numpy as np
from jaxtyping import Int, UInt64

# SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): its increment, and its two rounds of shift and
# multiplication. Multiplication alone is not enough: with data sorted with a period of 321, for
# which multiples of 2**64 over the golden ratio almost repeat, four times too many were chosen.
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
# A sample must not use the same hashes as `vog.sweep.split_half`, which takes rows with small
# hashes: otherwise a sample would consist of exactly those rows.
_SAMPLE = np.uint64(0x5851F42D4C957F2D)


def row_hashes(rows: Int[np.ndarray, "m"]) -> UInt64[np.ndarray, "m"]:
    """Return a 64-bit hash of each row number, the same on every machine."""
    return _hash(rows.astype(np.uint64))


def sample_order(labels: Int[np.ndarray, "n"] | None, rows: int) -> Int[np.ndarray, "rows"]:
    """Return the numbers of all rows in the order in which a sample takes them.

    The classes take turns: first one row of each class, then a second row of each class that has
    one, and so on. Within a class and within a turn, rows are ordered by hashes of their numbers.

    Args:
        labels: the class of each row; rows without a label count as one class. None if the
            labels are unknown: then all rows count as one class.
        rows: the number of rows.
    """
    hashes = _hash(np.arange(rows, dtype=np.uint64) ^ _SAMPLE)
    turn = np.zeros(rows, np.int64) if labels is None else _turns(labels, hashes)
    return np.lexsort((hashes, turn)).astype(np.int64)


def _turns(labels: Int[np.ndarray, "n"], hashes: UInt64[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Return for each row the number of rows of its class that are drawn before it."""
    by_class = np.lexsort((hashes, labels))
    ordered = labels[by_class]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    sizes = np.diff(np.r_[starts, len(ordered)])
    turns = np.empty(len(labels), np.int64)
    turns[by_class] = np.arange(len(labels)) - np.repeat(starts, sizes)
    return turns


def _hash(numbers: UInt64[np.ndarray, "m"]) -> UInt64[np.ndarray, "m"]:
    hashes = (numbers + np.uint64(1)) * _INCREMENT
    for shift, factor in _ROUNDS:
        hashes = (hashes ^ (hashes >> shift)) * factor
    return hashes ^ (hashes >> np.uint64(31))
