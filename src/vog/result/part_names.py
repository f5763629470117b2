"""The names of the parts of a run: which rows each part holds, and which rows no part holds.

A part may have a small file beside it, named after it, that holds its digest.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vog.errors import ResultError
from vog.files.output_paths import refuse_non_utf8
from vog.result.question import is_name_of_0_1, unreadable_message
from vog.wording import same_again

_NAME = re.compile(r"part-(\d{12})-([1-9]\d{0,11})\.parquet")
_DIGEST = ".digest"


@dataclass(frozen=True)
class Part:
    """A file that holds the rows `start` to `stop - 1`."""

    path: Path
    start: int
    stop: int

    @property
    def is_of_0_1(self) -> bool:
        """True if version 0.1 wrote the part, whose name does not contain its rows."""
        return is_name_of_0_1(self.path.name)


class DamagedPartError(ResultError):
    """A part has changed since it was written, or belongs to another run; `why` says which."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} is damaged: {why}. {same_again('score')}: it sets the file aside, and "
            f"computes only its rows again."
        )
        self.path, self.why = path, why


def part_name(start: int, stop: int) -> str:
    """Return the name of the file that holds these rows."""
    return f"part-{start:012d}-{stop - start}.parquet"


def files(folder: Path) -> list[Path]:
    """Return the files in a folder that have the name of a part; none if there is no folder.

    Raises:
        ResultError: the folder cannot be read, or its path is not UTF-8.
    """
    names = _names_in(folder)
    if folder.is_dir():
        refuse_non_utf8(folder, "read")  # Arrow's error would look like damage
    return [folder / name for name in names if _NAME.fullmatch(name) or is_name_of_0_1(name)]


def digest_file(part: Path) -> Path:
    """Return the path of the small file that may hold the digest of a part."""
    return part.with_name(f"{part.name}{_DIGEST}")


def digest_files(folder: Path) -> dict[str, Path]:
    """Return the small files with the digest of a part, by the name of the part.

    Raises:
        ResultError: the folder cannot be read.
    """
    parts = [name.removesuffix(_DIGEST) for name in _names_in(folder) if name.endswith(_DIGEST)]
    return {part: digest_file(folder / part) for part in parts if _NAME.fullmatch(part)}


def _names_in(folder: Path) -> list[str]:
    """Return the names of all files in a folder; none if there is no folder."""
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultError(unreadable_message(folder, error)) from error


def identify_part(path: Path) -> Part:
    """Return a part with its rows, from its name or, if version 0.1 wrote it, from its contents.

    Raises:
        DamagedPartError: a file of version 0.1 holds no row numbers.
        ResultError: the file cannot be read.
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
            raise ResultError(unreadable_message(path, error)) from error
        raise DamagedPartError(path, _first_line(error)) from error
    if not index or None in index:
        raise DamagedPartError(path, "it holds no rows")
    return Part(path, index[0], index[-1] + 1)


def order_parts(parts: Sequence[Part]) -> list[Part]:
    """Return the parts in the order of their rows.

    A part is left out if a larger part begins with the same row: the sample has grown since.

    Raises:
        ResultError: two parts hold the same row for another reason.
    """
    ordered = sorted(parts, key=lambda p: (p.start, -p.stop, p.path.name))
    distinct: list[Part] = []
    for part in ordered:
        if distinct and is_outgrown(part, distinct[-1]):
            continue
        distinct.append(part)
    for part, following in itertools.pairwise(distinct):
        if following.start < part.stop:
            raise ResultError(
                f"{part.path} and {following.path} both hold row {following.start}. "
                f"Remove one of them, and run the same command again."
            )
    return distinct


def is_outgrown(part: Part, larger: Part) -> bool:
    """Return whether `larger` begins with the same row as a part and has more rows."""
    return (
        part.start == larger.start
        and part.stop < larger.stop
        and not (part.is_of_0_1 or larger.is_of_0_1)
    )


def list_parts(folder: Path) -> list[Part]:
    """Return the parts of a run in the order of their rows.

    Raises:
        ResultError: a part is damaged, or two of them hold the same row.
    """
    return order_parts([identify_part(path) for path in files(folder)])


def gaps(parts: Sequence[Part], rows: int) -> list[range]:
    """Return the ranges of rows that no part holds."""
    edges = [0, *(edge for part in parts for edge in (part.start, part.stop)), rows]
    ranges = [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in ranges if len(gap)]


def cut_into_parts(gaps: Sequence[range], size: int) -> list[range]:
    """Return the same rows as ranges that are cut at the multiples of `size`."""
    return [
        range(max(gap.start, start), min(gap.stop, start + size))
        for gap in gaps
        for start in range(gap.start - gap.start % size, gap.stop, size)
    ]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
