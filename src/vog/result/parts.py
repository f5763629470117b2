"""The rows of a run on disk: Parquet parts, each of which appears only when it is whole.

    RUN/
      question.json         what was asked
      part-00000.parquet    some consecutive rows
      ...

Rows are found by their `index`, not by the name of their part: a run that was stopped
goes on with the rows that are missing, wherever they are.
"""

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from vog.errors import ResultError
from vog.result import question as questions
from vog.result import review
from vog.result.files import make_folder, write_whole
from vog.result.question import Question

_REPEATED = ("label", "prediction@", "problem")


@dataclass(frozen=True)
class Part:
    """One file and the rows `start` to `stop - 1` in it."""

    path: Path
    start: int
    stop: int


def parts(folder: Path) -> list[Part]:
    """The parts of a run, by the rows they hold; only their footers are read.

    Raises:
        ResultError: a part is damaged, or two of them hold the same row.
    """
    found = sorted((_part(path) for path in _part_files(folder)), key=lambda p: p.start)
    for one, other in itertools.pairwise(found):
        if other.start < one.stop:
            raise ResultError(
                f"{one.path} and {other.path} both hold row {other.start}. "
                f"Remove one of them, and run the same command again."
            )
    return found


def missing(found: Sequence[Part], rows: int) -> list[range]:
    """The runs of rows that no part holds."""
    edges = [0, *(edge for part in found for edge in (part.start, part.stop)), rows]
    gaps = [range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in gaps if len(gap)]


@contextmanager
def begun(
    folder: Path, question: Question, overwrite: bool = False, also: str | None = None
) -> Iterator[None]:
    """While entered, this process alone may add parts that answer the question.

    Args:
        folder: the run folder.
        question: what its rows answer.
        overwrite: remove the rows that are there.
        also: a pattern of folders inside that belong to the rows and are removed with them.

    Raises:
        OtherQuestionError: the folder answers another question.
        ResultError: it holds something else, or another process is writing to it.
    """
    refuse(folder, question, overwrite)
    make_folder(folder)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ResultError(
            f"another process is writing to {folder}. Wait for it, or give another --out."
        ) from error
    except OSError as error:
        raise ResultError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        refuse(folder, question, overwrite)  # it may have changed while nobody held the lock
        if overwrite:
            # The rows first, which say what is finished, and the question last: without it a
            # killed process leaves no run folder.
            for old in _part_files(folder):
                old.unlink(missing_ok=True)
            for old in folder.glob(also) if also else ():
                old.unlink() if old.is_symlink() else shutil.rmtree(old)
            (folder / questions.FILE).unlink(missing_ok=True)
        for stale in folder.glob(".*.tmp*"):  # of a process that was killed while writing
            stale.unlink(missing_ok=True)
        if not (folder / questions.FILE).exists():
            questions.save(folder, question)
        yield
    finally:
        lock.release()


def refuse(folder: Path, question: Question, overwrite: bool = False) -> None:
    """Nothing where rows that answer the question may go into the folder; see `begun`."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ResultError(f"{folder} is a file. Give a folder as --out.")
    if (folder / questions.FILE).exists():
        if not overwrite:
            questions.refuse_other(folder, questions.load(folder), question)
    elif any(path.name[0] != "." and path.name != review.FILE for path in folder.iterdir()):
        raise ResultError(
            f"{folder} holds other files and is no run folder, so nothing is written into it. "
            f"Give a new or an empty folder as --out."
        )


def write(folder: Path, tables: Sequence[pa.Table], seconds: float) -> Part:
    """Add these rows, which are consecutive, as one part under the next free name.

    `seconds` is what they took to compute; it stands in the metadata of the file.
    """
    table = pa.concat_tables(tables).replace_schema_metadata({"seconds": f"{seconds:.3f}"})
    names = [int(path.stem.removeprefix("part-")) for path in _part_files(folder)]
    path = folder / f"part-{max(names, default=-1) + 1:05d}.parquet"
    write_whole(path, lambda beside: write_table(table, beside))
    index = table["index"]
    return Part(path, index[0].as_py(), index[-1].as_py() + 1)


def write_table(table: pa.Table, path: Path) -> None:
    """As Parquet that is read fast: dictionaries only where values come again and again.

    Numbers that hardly do would be stored as a dictionary of themselves, half as large again and
    half as fast to read.
    """
    repeated: Any = [name for name in table.column_names if name.startswith(_REPEATED)]
    packed = {"index": "DELTA_BINARY_PACKED"} if "index" in table.column_names else None
    pq.write_table(table, path, compression="zstd", use_dictionary=repeated, column_encoding=packed)


def _part_files(folder: Path) -> list[Path]:
    return [p for p in folder.glob("part-*.parquet") if re.fullmatch(r"part-\d+", p.stem)]


def _part(path: Path) -> Part:
    try:
        metadata = pq.read_metadata(path)
        column = metadata.schema.to_arrow_schema().get_field_index("index")
        groups = [metadata.row_group(i).column(column) for i in range(metadata.num_row_groups)]
        start = min(group.statistics.min for group in groups)
    except (OSError, pa.ArrowException, ValueError, AttributeError) as error:
        raise ResultError(
            f"{path} is damaged: {error}. Remove it, and run the same command again: "
            f"its rows alone are computed again."
        ) from error
    return Part(path, start, start + metadata.num_rows)
