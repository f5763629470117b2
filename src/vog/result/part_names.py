"""The parts of a run by their names: which rows they hold, and which rows no part holds."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vog.errors import ResultError
from vog.files.output_paths import refuse_non_utf8
from vog.result.question import is_name_of_0_1, unreadable

_NAME = re.compile(r"part-(\d{12})-([1-9]\d{0,11})\.parquet")


@dataclass(frozen=True)
class Part:
    """One file and the rows `start` to `stop - 1` in it."""

    path: Path
    start: int
    stop: int

    @property
    def is_of_0_1(self) -> bool:
        """Whether version 0.1 wrote it, whose names do not tell the rows."""
        return is_name_of_0_1(self.path.name)


class DamagedPartError(ResultError):
    """A part is not what was written, or is none of this run; `why` says it in a few words."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} is damaged: {why}. Run the same `vog score` command again: it sets the file "
            f"aside, and computes its rows alone again."
        )
        self.path, self.why = path, why


def part_name(start: int, stop: int) -> str:
    """Return the name of the file that holds these rows."""
    return f"part-{start:012d}-{stop - start}.parquet"


def files(folder: Path) -> list[Path]:
    """Return the files that are called as parts are.

    Raises:
        ResultError: the folder may not be looked into, or its path is not UTF-8.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultError(unreadable(folder, error)) from error
    refuse_non_utf8(folder, "read")  # else what Arrow says of it would be taken for damage
    return [folder / name for name in names if _NAME.fullmatch(name) or is_name_of_0_1(name)]


def part(path: Path) -> Part:
    """Return which rows a file holds: as its name says or, of version 0.1, as it says itself.

    Raises:
        DamagedPartError: a file of version 0.1 that does not say it.
        ResultError: it may not be read.
    """
    if match := _NAME.fullmatch(path.name):
        start, count = int(match[1]), int(match[2])
        return Part(path, start, start + count)
    try:
        index = pq.read_table(path, columns=["index"], memory_map=False)["index"].to_pylist()
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise DamagedPartError(path, _first_line(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise ResultError(unreadable(path, error)) from error
        raise DamagedPartError(path, _first_line(error)) from error
    if not index or None in index:
        raise DamagedPartError(path, "it holds no rows")
    return Part(path, index[0], index[-1] + 1)


def in_order(found: Sequence[Part]) -> list[Part]:
    """Return the parts by the rows they hold.

    A part that another one contains, which begins with the same row, is left out: it is the end of
    a sample that has grown since.

    Raises:
        ResultError: two of them hold the same row otherwise.
    """
    ordered = sorted(found, key=lambda p: (p.start, -p.stop, p.path.name))
    kept: list[Part] = []
    for one in ordered:
        if kept and is_outgrown(one, kept[-1]):
            continue
        kept.append(one)
    for one, following in itertools.pairwise(kept):
        if following.start < one.stop:
            raise ResultError(
                f"{one.path} and {following.path} both hold row {following.start}. "
                f"Remove one of them, and run the same command again."
            )
    return kept


def is_outgrown(one: Part, larger: Part) -> bool:
    """Return whether a part contains another one that begins with the same row."""
    return (
        one.start == larger.start
        and one.stop < larger.stop
        and not (one.is_of_0_1 or larger.is_of_0_1)
    )


def parts(folder: Path) -> list[Part]:
    """Return the parts of a run, by the rows they hold.

    Raises:
        ResultError: a part is damaged, or two of them hold the same row.
    """
    return in_order([part(path) for path in files(folder)])


def missing(found: Sequence[Part], rows: int) -> list[range]:
    """Return the runs of rows that no part holds."""
    edges = [0, *(edge for part in found for edge in (part.start, part.stop)), rows]
    gaps = [range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in gaps if len(gap)]


def cells(gaps: Sequence[range], size: int) -> list[range]:
    """Return the runs of rows, cut at the multiples of a part's size."""
    return [
        range(max(gap.start, at), min(gap.stop, at + size))
        for gap in gaps
        for at in range(gap.start - gap.start % size, gap.stop, size)
    ]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
