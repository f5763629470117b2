"""The one door to the parts of a run: a part is checked before its first read in a process.

Its bytes have to be those whose digest was noted, its rows those that its name says and none beyond
the data, and its question that of the run. What was checked is remembered by size, time and inode.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vog.errors import ResultError
from vog.files import checksum
from vog.result import part_digests
from vog.result import question as questions
from vog.result.part_digests import Digests
from vog.result.part_names import DamagedPartError, Part
from vog.result.question import Question, unreadable_message

# Metadata of a part: the digest of its question, its rows as `START:STOP`, the version that wrote
# it, and what was settled by measuring when the run was begun.
QUESTION, ROWS, VERSION, SETTLED = b"question", b"rows", b"vog", b"settled"
_THREADS = 4  # a digest keeps one processor busy; more of them wait for the disk

_FileStamp = tuple[int, ...]
# By file: what it was, and what it was compared with, when it was found to be whole.
_checked_files: dict[str, tuple[_FileStamp, str, "ExpectedParts"]] = {}


@dataclass(frozen=True)
class ExpectedParts:
    """What the parts of a run are compared with.

    Attributes:
        question: the digest of the run's question.
        rows: how many the run has in all.
        sample: whether the rows of a part are scattered over the data.
        of_0_1: whether version 0.1 began the run, whose parts may have no digest.
    """

    question: str
    rows: int
    has_gaps: bool
    of_0_1: bool

    @classmethod
    def for_question(cls, question: Question) -> "ExpectedParts":
        """Return what the parts of a run that answers this question are compared with."""
        return cls(
            questions.question_digest(question),
            question["data"]["examples"],
            questions.has_gaps(question),
            questions.is_of_0_1(question),
        )


def check_parts(folder: Path, parts: Sequence[Part]) -> None:
    """Raise an error unless each part is what was written, and of this run.

    Raises:
        DamagedPartError: one is not; the message names it.
        ResultError: a part, the question or the digests are missing or cannot be read.
    """
    if not parts:
        return
    expected, digests = (
        ExpectedParts.for_question(_cached_question(folder)),
        part_digests.load_digests(folder),
    )
    if digests.damage and not all(part.is_of_0_1 for part in parts):
        raise ResultError(
            f"{folder / part_digests.FILE} is damaged: {digests.damage}. Run the same `vog score` "
            f"command again: parts that can be told to be whole are kept, and all others computed "
            f"again."
        )
    if not (folder / part_digests.FILE).exists() and not any(part.is_of_0_1 for part in parts):
        raise ResultError(
            f"{folder / part_digests.FILE} is missing, and nothing else tells whether the parts "
            f"of the run are whole. Bring it back from a copy, or run the same `vog score` command "
            f"again: it sets the parts aside, and computes their rows again."
        )
    for part, why in zip(parts, find_faults(parts, expected, digests), strict=True):
        if why:
            raise DamagedPartError(part.path, why)


def find_faults(parts: Sequence[Part], expected: ExpectedParts, digests: Digests) -> list[str]:
    """Return for each part what is wrong with it; an empty text where nothing is.

    Raises:
        ResultError: a part has vanished, or cannot be read.
    """
    if len(parts) < 2:
        return [_fault(part, expected, digests) for part in parts]
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda part: _fault(part, expected, digests), parts))


def _cached_question(folder: Path) -> Question:
    """Return the question of a folder, which is read again when its file has changed."""
    try:
        stamp = _stamp(folder / questions.FILE)
    except OSError:
        return questions.load_question(folder)  # says what is wrong
    cached = _question_cache.get(str(folder))
    if cached is None or cached[0] != stamp:
        cached = _question_cache[str(folder)] = (stamp, questions.load_question(folder))
    return cached[1]


_question_cache: dict[str, tuple[_FileStamp, dict[str, Any]]] = {}


def _fault(part: Part, expected: ExpectedParts, digests: Digests) -> str:
    try:
        stamp = _stamp(part.path)
        part_digest = digests.parts.get(part.path.name)
        digest = part_digest.sha256 if part_digest is not None else ""
        if _checked_files.get(str(part.path)) == (stamp, digest, expected):
            return ""
        why = _byte_fault(part, digest, expected, digests) or _content_fault(part, expected)
    except FileNotFoundError as error:
        raise ResultError(f"{part.path} is missing, and was there before.") from error
    except OSError as error:
        if error.errno is not None:  # what is in the file is not known, let alone damaged
            raise ResultError(unreadable_message(part.path, error)) from error
        why = _first_line(error)
    except (pa.ArrowException, ValueError, KeyError) as error:
        why = _first_line(error)
    else:
        if not why:
            _checked_files[str(part.path)] = stamp, digest, expected
    return why


def _byte_fault(part: Part, digest: str, expected: ExpectedParts, digests: Digests) -> str:
    if not digest and not digests.recovered:
        may_lack_it = part.is_of_0_1 and expected.of_0_1
        return "" if may_lack_it else f"{part_digests.FILE} does not name it"
    actual = checksum.sha256_of(part.path)
    if actual == digest or actual in digests.recovered:
        return ""
    return (
        "its bytes are not those that were written"
        if digest
        else f"{part_digests.FILE} is damaged, and does not tell whether it is whole"
    )


def _content_fault(part: Part, expected: ExpectedParts) -> str:
    metadata = pq.read_schema(part.path).metadata or {}
    question = metadata.get(QUESTION, b"").decode(errors="replace")
    if question != expected.question and (question or not part.is_of_0_1):
        return "its rows answer another question than that of the run"
    if part.stop > expected.rows:
        return f"it holds row {part.stop - 1}, and the run has {expected.rows:,} rows"
    index = pq.read_table(part.path, columns=["index"])["index"].to_numpy()
    if len(index) != part.stop - part.start:
        return f"it holds {len(index):,} rows in place of {part.stop - part.start:,}"
    fits = np.diff(index) > 0 if expected.has_gaps else index == np.arange(part.start, part.stop)
    return "" if fits.all() else "its rows have holes, or are not those that its name says"


def _stamp(path: Path) -> _FileStamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
