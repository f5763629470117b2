"""Rows on their way to a part: collected until the part that they belong to is whole."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from vog.result.parts import PartSink
from vog.result.rows import Meaning, RowBlock, to_table


@dataclass
class Clock:
    """Where the seconds of a run go: waiting for data, and writing parts."""

    start: float = field(default_factory=time.perf_counter)
    reading: float = 0.0
    writing: float = 0.0

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.start

    @contextmanager
    def while_writing(self) -> Iterator[None]:
        """The time while it is entered is counted as writing."""
        before = time.perf_counter()
        yield
        self.writing += time.perf_counter() - before


@dataclass
class PartBuffer:
    """Takes rows in the order in which they are missing, and writes each part when it is whole.

    Rows of a part that is not whole are dropped at the end: parts are cut at one grid alone. They
    are about half a second of work.

    Attributes:
        sink: takes the parts.
        todo: the rows of each part that is to be made, in order.
        clock: counts the seconds of writing.
        meanings: by column, what the scores mean.
        label_names: the names of the classes by number.
        numbers: by row as it is counted here, its number in the data; None where they are the same.
        before_part: is called before each part is written.
    """

    sink: PartSink
    todo: Sequence[range]
    clock: Clock
    meanings: Mapping[str, Meaning]
    label_names: Sequence[str] | None
    numbers: Int[np.ndarray, "n"] | None = None
    before_part: Callable[[], None] | None = None
    _tables: list[pa.Table] = field(default_factory=list)
    _buffered_rows: int = 0
    _parts_written: int = 0
    _started: float = field(default_factory=time.perf_counter)

    def add(self, rows: RowBlock) -> None:
        """Keep the rows, and write each part that is whole with them."""
        table = to_table(rows, self.meanings, self.label_names, self.numbers)
        while len(table):
            missing = len(self.todo[self._parts_written]) - self._buffered_rows
            self._tables.append(table.slice(0, missing))
            self._buffered_rows += len(self._tables[-1])
            table = table.slice(missing)
            if self._buffered_rows == len(self.todo[self._parts_written]):
                self._write()

    def _write(self) -> None:
        before = time.perf_counter()
        if self.before_part is not None:
            self.before_part()  # what the part says is finished has to be on disk before it
        self.sink.write(self.todo[self._parts_written].start, self._tables, before - self._started)
        self._tables.clear()
        self._buffered_rows, self._parts_written = 0, self._parts_written + 1
        self._started = time.perf_counter()
        self.clock.writing += self._started - before
