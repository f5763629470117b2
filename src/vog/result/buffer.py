"""When rows become a part: often enough that a kill costs little, seldom enough for few files."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from vog.errors import ResultError
from vog.result import parts
from vog.result.rows import Meaning, Rows, to_table

# A kill loses the part in flight: half a second of work, or 2 % of a long run. So a run
# of days has some hundred parts, and not ten thousand.
_SECONDS, _SHARE, _ROWS = 0.5, 0.02, 2**15


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
class Buffer:
    """Consecutive rows on their way into parts; those that are left are written at its end."""

    folder: Path
    clock: Clock
    meanings: Mapping[str, Meaning]
    label_names: Sequence[str] | None
    before_part: Callable[[], None] | None = None
    _tables: list[pa.Table] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> "Buffer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Whole batches are worth keeping whatever stopped the run, unless writing did."""
        if not isinstance(error, ResultError):
            self.flush()

    def add(self, rows: Rows) -> None:
        """Keep the rows, and write a part when it is time."""
        self._tables.append(to_table(rows, self.meanings, self.label_names))
        due = max(_SECONDS, _SHARE * self.clock.elapsed())
        held = sum(table.num_rows for table in self._tables)
        if time.perf_counter() - self._since >= due or held >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is there as one part."""
        if not self._tables:
            return
        before = time.perf_counter()
        if self.before_part is not None:
            self.before_part()  # what the part says is finished has to be on disk before it
        parts.write(self.folder, self._tables, before - self._since)
        self._tables.clear()
        self._since = time.perf_counter()
        self.clock.writing += self._since - before
