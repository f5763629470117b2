"""Checks of the parts of a run: every reader checks a part before its first read in a process.

Its bytes must match the stored digest, its rows must be those in its name and lie within the data,
and its question must be that of the run. A checked file is remembered by size, time and inode.
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
from vog.wording import same_again

# Metadata of a part: the digest of its question, its rows as `START:STOP`, the version that wrote
# it, and the choices that were measured when the run was begun.
QUESTION, ROWS, VERSION, SETTLED = b"question", b"rows", b"vog", b"settled"
_THREADS = 4  # each digest keeps one processor busy; more threads would wait for the disk

_FileStamp = tuple[int, ...]
# Files that passed: their stamp, and the digest and expectations that they were checked against.
_checked_files: dict[str, tuple[_FileStamp, str, "ExpectedParts"]] = {}


@dataclass(frozen=True)
class ExpectedParts:
    """Facts about a run that its parts are checked against.

    Attributes:
        question: the digest of the run's question.
        rows: the number of rows of the whole run.
        has_gaps: whether the rows of a part need not be consecutive in the data.
        of_0_1: whether version 0.1 began the run, whose parts may have no digest.
    """

    question: str
    rows: int
    has_gaps: bool
    of_0_1: bool

    @classmethod
    def for_question(cls, question: Question) -> "ExpectedParts":
        """Return what the parts of a run with this question are checked against."""
        return cls(
            questions.question_digest(question),
            question["data"]["examples"],
            questions.has_gaps(question),
            questions.is_of_0_1(question),
        )


def check_parts(folder: Path, parts: Sequence[Part]) -> None:
    """Raise an error unless each part belongs to this run and is as it was written.

    Raises:
        DamagedPartError: a part is damaged or belongs to another run; the message names it.
        ResultError: a part, the question or the digests are missing or cannot be read.
    """
    if not parts:
        return
    expected = ExpectedParts.for_question(_cached_question(folder))
    digests = part_digests.load_digests(folder)
    _require_digests(folder, parts, digests)
    for part, why in zip(parts, find_faults(parts, expected, digests), strict=True):
        if why:
            raise DamagedPartError(part.path, why)


def _require_digests(folder: Path, parts: Sequence[Part], digests: Digests) -> None:
    """Raise ResultError if a file with digests of these parts is missing or damaged."""
    path = folder / part_digests.FILE
    if digests.damage and not all(part.is_of_0_1 for part in parts):
        raise ResultError(
            f"{path} is damaged: {digests.damage}. {same_again('score')}: parts that are certainly "
            f"whole are kept, and the rows of all others are computed again."
        )
    if damaged := [part for part in parts if part.path.name in digests.damaged_files]:
        name = damaged[0].path.name
        raise ResultError(
            f"{digests.small_files[name]} is damaged: {digests.damaged_files[name].damage}. "
            f"{same_again('score')}: {name} is kept if it is certainly whole, and else its rows "
            f"are computed again."
        )
    is_unnamed = any(part.path.name not in digests.parts for part in parts)
    if is_unnamed and not path.exists() and not any(part.is_of_0_1 for part in parts):
        raise ResultError(
            f"{path} is missing, and nothing else says whether the parts of the run are whole. "
            f"Bring it back from a copy. {same_again('score')} if there is none: it sets the parts "
            f"aside, and computes their rows again."
        )


def find_faults(parts: Sequence[Part], expected: ExpectedParts, digests: Digests) -> list[str]:
    """Return for each part a description of its fault, or "" if it has none.

    Raises:
        ResultError: a part has vanished, or cannot be read.
    """
    if len(parts) < 2:
        return [_fault(part, expected, digests) for part in parts]
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda part: _fault(part, expected, digests), parts))


def _cached_question(folder: Path) -> Question:
    """Return the question of a folder; its file is read again only when it has changed."""
    try:
        stamp = _stamp(folder / questions.FILE)
    except OSError:
        return questions.load_question(folder)  # raises an error with the reason
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
        if error.errno is not None:  # the file cannot be read, which says nothing about damage
            raise ResultError(unreadable_message(part.path, error)) from error
        why = _first_line(error)
    except (pa.ArrowException, ValueError, KeyError) as error:
        why = _first_line(error)
    else:
        if not why:
            _checked_files[str(part.path)] = stamp, digest, expected
    return why


def _byte_fault(part: Part, digest: str, expected: ExpectedParts, digests: Digests) -> str:
    name, recovered = part.path.name, digests.recovered_for(part.path.name)
    if not digest and not recovered:
        may_lack_it = part.is_of_0_1 and expected.of_0_1
        return "" if may_lack_it else f"{part_digests.FILE} does not name it"
    actual = checksum.sha256_of(part.path)
    if actual == digest or actual in recovered:
        return ""
    if digest:
        return "its bytes are not those that were written"
    has_own = name in digests.damaged_files
    file = digests.small_files[name].name if has_own else part_digests.FILE
    return f"{file} is damaged and does not say whether this part is whole"


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
