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
from vog.result.question import Question, unreadable

# Metadata of a part: the digest of its question, its rows as `START:STOP`, the version that wrote
# it, and what was settled by measuring when the run was begun.
QUESTION, ROWS, VERSION, SETTLED = b"question", b"rows", b"vog", b"settled"
_THREADS = 4  # a digest keeps one processor busy; more of them wait for the disk

_Stamp = tuple[int, ...]
# By file: what it was, and what it was compared with, when it was found to be whole.
_whole: dict[str, tuple[_Stamp, str, "Expected"]] = {}


@dataclass(frozen=True)
class Expected:
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
    def of(cls, question: Question) -> "Expected":
        """Return what the parts of a run that answers this question are compared with."""
        return cls(
            questions.question_digest(question),
            question["data"]["examples"],
            questions.has_gaps(question),
            questions.is_of_0_1(question),
        )


def check_parts(folder: Path, found: Sequence[Part]) -> None:
    """Raise an error unless each part is what was written, and of this run.

    Raises:
        DamagedPartError: one is not; the message names it.
        ResultError: a part, the question or the digests are missing or cannot be read.
    """
    if not found:
        return
    expected, noted = Expected.of(_question(folder)), part_digests.load_digests(folder)
    if noted.damage and not all(one.is_of_0_1 for one in found):
        raise ResultError(
            f"{folder / part_digests.FILE} is damaged: {noted.damage}. Run the same `vog score` "
            f"command again: parts that can be told to be whole are kept, and all others computed "
            f"again."
        )
    if not (folder / part_digests.FILE).exists() and not any(one.is_of_0_1 for one in found):
        raise ResultError(
            f"{folder / part_digests.FILE} is missing, and nothing else tells whether the parts "
            f"of the run are whole. Bring it back from a copy, or run the same `vog score` command "
            f"again: it sets the parts aside, and computes their rows again."
        )
    for one, why in zip(found, faults(found, expected, noted), strict=True):
        if why:
            raise DamagedPartError(one.path, why)


def faults(found: Sequence[Part], expected: Expected, noted: Digests) -> list[str]:
    """Return for each part what is wrong with it; an empty text where nothing is.

    Raises:
        ResultError: a part has vanished, or cannot be read.
    """
    if len(found) < 2:
        return [_fault(one, expected, noted) for one in found]
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda one: _fault(one, expected, noted), found))


def _question(folder: Path) -> Question:
    """Return the question of a folder, which is read again when its file has changed."""
    try:
        stamp = _stamp(folder / questions.FILE)
    except OSError:
        return questions.load_question(folder)  # says what is wrong
    known = _questions.get(str(folder))
    if known is None or known[0] != stamp:
        known = _questions[str(folder)] = (stamp, questions.load_question(folder))
    return known[1]


_questions: dict[str, tuple[_Stamp, dict[str, Any]]] = {}


def _fault(part: Part, expected: Expected, noted: Digests) -> str:
    try:
        stamp = _stamp(part.path)
        one = noted.parts.get(part.path.name)
        digest = one.sha256 if one is not None else ""
        if _whole.get(str(part.path)) == (stamp, digest, expected):
            return ""
        why = _byte_fault(part, digest, expected, noted) or _content_fault(part, expected)
    except FileNotFoundError as error:
        raise ResultError(f"{part.path} is missing, and was there before.") from error
    except OSError as error:
        if error.errno is not None:  # what is in the file is not known, let alone damaged
            raise ResultError(unreadable(part.path, error)) from error
        why = _first_line(error)
    except (pa.ArrowException, ValueError, KeyError) as error:
        why = _first_line(error)
    else:
        if not why:
            _whole[str(part.path)] = stamp, digest, expected
    return why


def _byte_fault(part: Part, digest: str, expected: Expected, noted: Digests) -> str:
    if not digest and not noted.loose:
        may_lack_it = part.is_of_0_1 and expected.of_0_1
        return "" if may_lack_it else f"{part_digests.FILE} does not name it"
    own = checksum.sha256_of(part.path)
    if own == digest or own in noted.loose:
        return ""
    return (
        "its bytes are not those that were written"
        if digest
        else f"{part_digests.FILE} is damaged, and does not tell whether it is whole"
    )


def _content_fault(part: Part, expected: Expected) -> str:
    metadata = pq.read_schema(part.path).metadata or {}
    question = metadata.get(QUESTION, b"").decode(errors="replace")
    if question != expected.question and (question or not part.is_of_0_1):
        return "its rows answer another question than that of the run"
    if part.stop > expected.rows:
        return f"it holds row {part.stop - 1}, and the run has {expected.rows:,} rows"
    index = pq.read_table(part.path, columns=["index"])["index"].to_numpy()
    if len(index) != part.stop - part.start:
        return f"it holds {len(index):,} rows in place of {part.stop - part.start:,}"
    whole = np.diff(index) > 0 if expected.has_gaps else index == np.arange(part.start, part.stop)
    return "" if whole.all() else "its rows have holes, or are not those that its name says"


def _stamp(path: Path) -> _Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
