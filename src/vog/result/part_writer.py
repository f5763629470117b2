"""Collecting computed rows until their part is complete, and writing it then."""

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
    """The seconds that a run takes in all, for reading data, and for writing parts."""

    start: float = field(default_factory=time.perf_counter)
    reading: float = 0.0
    writing: float = 0.0

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self.start

    def take(self) -> tuple[float, float]:
        """Return the seconds of reading and of writing since the last call."""
        taken = self.reading, self.writing
        self.reading = self.writing = 0.0
        return taken

    @contextmanager
    def while_writing(self) -> Iterator[None]:
        """Count the time inside of the `with` block as writing."""
        before = time.perf_counter()
        yield
        self.writing += time.perf_counter() - before


@dataclass
class PartBuffer:
    """Takes the missing rows in order, and writes each part when all of its rows are there.

    Rows of an incomplete part are dropped at the end, about half a second of work: parts are only
    cut at one fixed grid.

    Attributes:
        sink: writes the parts.
        todo: the rows of each part to write, in order.
        clock: counts the seconds of writing.
        meanings: the meaning of each score column.
        label_names: the names of the classes by number.
        numbers: the number in the data of each row of the run; None if the run counts the same.
        before_part: a function to call before each part is written.
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
        """Add rows, and write each part that they complete."""
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
            self.before_part()  # files that belong to its rows must be on disk first
        self.sink.write(self.todo[self._parts_written].start, self._tables, before - self._started)
        self._tables.clear()
        self._buffered_rows, self._parts_written = 0, self._parts_written + 1
        self._started = time.perf_counter()
        self.clock.writing += self._started - before
