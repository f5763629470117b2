"""The rows of a run on disk: Parquet parts, each of which appears only when it is whole.

    RUN/
      question.json                       what was asked
      digests.json                        of the bytes of each part
      part-000000000000-4096.parquet      the first 4096 rows
      part-000000004096-4096.parquet      ...

Parts are cut at multiples of the `rows_per_part` of the question and nowhere else, whoever computes
them, so that the same rows are the same bytes. A run that was stopped goes on with the rows that
are missing, wherever they are. Version 0.1 cut parts by the clock, and numbered them as they came;
such a folder is read, and finished, as it is.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from vog.errors import ResultError
from vog.files import checksum
from vog.files.writing import make_folder, write_whole
from vog.result import marks, part_checks, part_digests, part_names, repair
from vog.result import question as questions
from vog.result.part_digests import PartDigest
from vog.result.part_names import Part as Part
from vog.result.part_names import cells as cells
from vog.result.part_names import missing as missing
from vog.result.part_names import parts as parts
from vog.result.question import Question

LOCK = ".lock"
_REPEATED = ("label", "prediction@", "problem")


@dataclass(frozen=True)
class PartSink:
    """Takes the rows of a run, part by part; the process that has it alone may add parts.

    Attributes:
        folder: of the run.
        question: that the run answers.
        parts: that were there when it was made.
        noted: by name, what is noted of each part; grows with them.
    """

    folder: Path
    question: Question
    parts: tuple[Part, ...]
    noted: dict[str, PartDigest]

    @classmethod
    def of(cls, folder: Path) -> "PartSink":
        """Return the sink of a folder that was begun."""
        noted = dict(part_digests.load_digests(folder).parts)
        return cls(folder, questions.load_question(folder), tuple(parts(folder)), noted)

    @property
    def rows_per_part(self) -> int:
        """Where parts are cut: at multiples of it."""
        rows = max(1, int(self.question["data"]["examples"]))
        return int(self.question.get("rows_per_part", rows))

    def todo(self) -> list[range]:
        """Return the rows that no part holds, a range for each part that is to be made."""
        rows = int(self.question["data"]["examples"])
        kept = [one for one in self.parts if not self._has_grown(one)]
        return cells(missing(kept, rows), self.rows_per_part)

    def write(self, start: int, tables: Sequence[pa.Table], seconds: float) -> Part:
        """Add these rows, which are consecutive, as one part.

        Args:
            start: the number of the first one, in the order in which the run computes.
            tables: the rows.
            seconds: that they took to compute.

        Raises:
            ResultError: the disk is full, or the folder cannot be written; nothing is changed.
        """
        table = pa.concat_tables(tables)
        if questions.is_sample(self.question):
            table = table.take(np.argsort(table["index"].to_numpy(), kind="stable"))
        stop = start + len(table)
        part = Part(self.folder / part_names.part_name(start, stop), start, stop)
        # As one chunk: how the rows came would else show in the bytes.
        table = table.combine_chunks().replace_schema_metadata(self._metadata(part))

        def fill(beside: Path) -> None:
            write_table(table, beside)
            # Before the part has its name: a part without a digest could not be trusted.
            self.noted[part.path.name] = PartDigest(checksum.sha256_of(beside), seconds)
            part_digests.write_digests(self.folder, self.noted)

        write_whole(part.path, fill)
        for outgrown in self.parts:
            if part_names.is_outgrown(outgrown, part):
                outgrown.path.unlink(missing_ok=True)
        return part

    def _metadata(self, part: Part) -> dict[bytes, bytes]:
        known = {key: self.question[key] for key in questions.SETTLED if key in self.question}
        return {
            part_checks.QUESTION: questions.question_digest(self.question).encode(),
            part_checks.ROWS: f"{part.start}:{part.stop}".encode(),
            part_checks.VERSION: version("vog").encode(),
            part_checks.SETTLED: json.dumps(known, sort_keys=True).encode(),
        }

    def _has_grown(self, part: Part) -> bool:
        """Whether a part was the last of a smaller sample, and is now too short."""
        is_short = part.stop % self.rows_per_part and part.stop < self.question["data"]["examples"]
        return questions.is_sample(self.question) and bool(is_short)


@contextmanager
def writing_session(
    folder: Path, question: Question, overwrite: bool = False, also: str | None = None
) -> Iterator[PartSink]:
    """While entered, this process alone may add parts that answer the question.

    Damaged parts, and those of another question, are set aside with a word on stderr.

    Args:
        folder: the run folder.
        question: what its rows answer.
        overwrite: remove the rows that are there.
        also: a pattern of folders inside that belong to the rows and are removed with them.

    Raises:
        OtherQuestionError: the folder answers another question.
        ResultError: it holds something else, or another process is writing to it.
    """
    check_writable(folder, question, overwrite)
    make_folder(folder)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ResultError(
            f"another process is writing to {folder}. Wait for it, or give another --out."
        ) from error
    except OSError as error:
        raise ResultError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        check_writable(
            folder, question, overwrite
        )  # it may have changed while nobody held the lock
        if overwrite:
            _remove_rows(folder, also)
        repair.remove_unfinished(folder)
        yield _opened(folder, question)
    finally:
        lock.release()


def check_writable(folder: Path, question: Question, overwrite: bool = False) -> None:
    """Raise an error unless rows that answer the question may go into the folder; see `begun`."""
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ResultError(f"{folder} is a file. Give a folder as --out.")
        has_question = (folder / questions.FILE).exists()
        others = [path.name for path in folder.iterdir() if not _is_own(path.name)]
    except OSError as error:
        raise ResultError(questions.unreadable(folder, error)) from error
    found = part_names.files(folder)
    if not has_question and others and (overwrite or not found):
        raise ResultError(
            f"{folder} holds other files and is no run folder, so nothing is written into it. "
            f"Give a new or an empty folder as --out."
        )
    if overwrite:
        return
    try:
        before = questions.load_question(folder) if has_question else None
    except questions.DamagedQuestionError:
        before = None
    if before is not None:
        questions.refuse_other(folder, before, question)
    else:
        repair.refuse_other_parts(folder, question)


def left(folder: Path, question: Question, overwrite: bool = False) -> tuple[int, str]:
    """Return how many rows are to be computed, and what of the folder is going to be set aside.

    Raises:
        ResultError: a file may not be read, or two whole parts hold the same row.
    """
    if overwrite or not folder.is_dir():
        return int(question["data"]["examples"]), ""
    try:
        before = questions.load_question(folder)
    except ResultError:  # it is written anew, or there is none yet
        before = question
    now = repair.folder_state(folder, before)
    sink = PartSink(folder, _continued(before, question), now.parts, {})
    return sum(map(len, sink.todo())), now.words


def write_part(folder: Path, tables: Sequence[pa.Table], seconds: float) -> Part:
    """Add these rows, which are consecutive in the data, as one part of a run that was begun."""
    return PartSink.of(folder).write(tables[0]["index"][0].as_py(), tables, seconds)


def write_table(table: pa.Table, path: Path) -> None:
    """As Parquet that is read fast: dictionaries only where values come again and again.

    Numbers that hardly do would be stored as a dictionary of themselves, half as large again and
    half as fast to read.
    """
    repeated: Any = [name for name in table.column_names if name.startswith(_REPEATED)]
    packed = {"index": "DELTA_BINARY_PACKED"} if "index" in table.column_names else None
    pq.write_table(table, path, compression="zstd", use_dictionary=repeated, column_encoding=packed)


def _opened(folder: Path, question: Question) -> PartSink:
    """Return where rows go, after the folder was mended and its question settled."""
    try:
        before = questions.load_question(folder) if (folder / questions.FILE).exists() else None
    except questions.DamagedQuestionError:
        before = None
    if before is None:
        repair.restore_question(folder, question)
        before = questions.load_question(folder)
    now = _continued(before, question)
    # The digests first: in a run that 0.1 no longer continues, a part without one is not trusted.
    mended = repair.mend(folder, before)
    if now != before:
        questions.write_question(folder, now)
    return PartSink(folder, now, mended.parts, dict(mended.noted.parts))


def _continued(before: Question, now: Question) -> dict[str, Any]:
    """Return the question of a run that goes on: as it was, but perhaps of a larger sample."""
    kept = dict(before)
    if "rows_per_part" in now:  # of a run that 0.1 began there is none
        kept.setdefault("rows_per_part", now["rows_per_part"])
    if now["data"]["examples"] > before["data"]["examples"]:
        for key in ("limit", "data"):
            kept.pop(key, None)
        kept |= {key: now[key] for key in ("limit", "data") if key in now}
    return kept


def _remove_rows(folder: Path, also: str | None) -> None:
    # The rows first, which say what is finished, and the question last: without it a killed
    # process leaves no run folder.
    for old in [*part_names.files(folder), *folder.glob("part-*.damaged*")]:
        old.unlink(missing_ok=True)
    for old in folder.glob(also) if also else ():
        old.unlink() if old.is_symlink() else shutil.rmtree(old)
    (folder / part_digests.FILE).unlink(missing_ok=True)
    (folder / questions.FILE).unlink(missing_ok=True)


def _is_own(name: str) -> bool:
    """Whether a file of this name is none that anybody else would miss."""
    is_part = name.startswith("part-") and ".parquet" in name
    return name[0] == "." or is_part or name in (marks.FILE, part_digests.FILE)
