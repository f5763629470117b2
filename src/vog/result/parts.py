"""The rows of a run on disk: Parquet parts, each of which appears only when it is complete.

    RUN/
      question.json                           the settings that determine the numbers
      digests.json                            a digest of the bytes of each part
      part-000000000000-4096.parquet          the first 4096 rows
      part-000000004096-4096.parquet          ...
      part-000000004096-4096.parquet.digest   its digest, while several processes write parts

Parts are cut only at multiples of the `rows_per_part` of the question, whichever process computes
them, so that the same rows give the same bytes. Where several processes write, each part has its
digest in a small file beside it; these files are gathered in `digests.json` when the writing ends,
or when the run is continued. A run that was stopped continues with the missing rows, wherever they
are. Version 0.1 cut parts by elapsed time and numbered them in turn; such a folder is read, and can
be finished, as it is.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from vog.errors import ResultError
from vog.files.writing import make_folder
from vog.result import marks, part_digests, part_names, repair
from vog.result import question as questions
from vog.result.part_names import Part as Part
from vog.result.part_names import cut_into_parts as cut_into_parts
from vog.result.part_names import gaps as gaps
from vog.result.part_names import list_parts as list_parts
from vog.result.part_sink import PartSink as PartSink
from vog.result.question import Question
from vog.wording import option

LOCK = ".lock"


@contextmanager
def writing_session(
    folder: Path, question: Question, overwrite: bool = False, also: str | None = None
) -> Iterator[PartSink]:
    """Lock a run folder and yield its sink; no other process can add parts meanwhile.

    Only processes that were handed a `shared` sink can. Their digests are gathered at the end, or,
    if this process is killed, at the beginning of the next session. Damaged parts, and those of
    another question, are set aside with a warning on stderr.

    Args:
        folder: the run folder.
        question: the question of the run.
        overwrite: remove the existing rows.
        also: a glob pattern of subfolders that belong to the rows and are removed with them.

    Raises:
        DifferentQuestionError: the folder answers another question.
        ResultError: it is no run folder, or another process is writing to it.
    """
    check_writable(folder, question, overwrite)
    make_folder(folder)
    with _locked(folder):
        # Again, because the folder may have changed before it was locked.
        check_writable(folder, question, overwrite)
        if overwrite:
            _remove_rows(folder, also)
        repair.remove_unfinished(folder)
        sink = _mended_sink(folder, question)
        try:
            yield sink
        finally:
            part_digests.gather_digests(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which the system releases if the process is killed."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ResultError(
            f"another process is writing to {folder}. Wait for it, or give another {option('out')}."
        ) from error
    except OSError as error:
        raise ResultError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def check_writable(folder: Path, question: Question, overwrite: bool = False) -> None:
    """Raise an error unless rows of this question may be written; see `writing_session`."""
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ResultError(f"{folder} is a file. Give a folder as {option('out')}.")
        has_question = (folder / questions.FILE).exists()
        foreign_names = [path.name for path in folder.iterdir() if not _is_run_file(path.name)]
    except OSError as error:
        raise ResultError(questions.unreadable_message(folder, error)) from error
    part_files = part_names.files(folder)
    if not has_question and foreign_names and (overwrite or not part_files):
        raise ResultError(
            f"{folder} holds other files and is no run folder, so nothing is written into it. "
            f"Give a new or an empty folder as {option('out')}."
        )
    if overwrite:
        return
    try:
        stored = questions.load_question(folder) if has_question else None
    except questions.DamagedQuestionError:
        stored = None
    if stored is not None:
        questions.require_same_question(folder, stored, question)
    else:
        repair.require_matching_parts(folder, question)


def remaining_rows(folder: Path, question: Question, overwrite: bool = False) -> tuple[int, str]:
    """Return the number of rows to compute, and a summary of the damage in the folder.

    Raises:
        ResultError: a file cannot be read, or two undamaged parts hold the same row.
    """
    if overwrite or not folder.is_dir():
        return int(question["data"]["examples"]), ""
    try:
        stored = questions.load_question(folder)
    except ResultError:  # there is none yet, or it will be written again
        stored = question
    state = repair.folder_state(folder, stored)
    sink = PartSink(folder, _resumed_question(stored, question), state.parts, {})
    return sum(map(len, sink.todo())), state.summary


def write_part(folder: Path, tables: Sequence[pa.Table], seconds: float) -> Part:
    """Write rows that are consecutive in the data as one part of an existing run."""
    return PartSink.for_folder(folder).write(tables[0]["index"][0].as_py(), tables, seconds)


def _mended_sink(folder: Path, question: Question) -> PartSink:
    """Mend a folder, write its question if it is new, and return the sink."""
    try:
        stored = questions.load_question(folder) if (folder / questions.FILE).exists() else None
    except questions.DamagedQuestionError:
        stored = None
    if stored is None:
        repair.restore_question(folder, question)
        stored = questions.load_question(folder)
    resumed = _resumed_question(stored, question)
    # The digests first: once the question is of this version, a part without one is not trusted.
    state = repair.mend(folder, stored)
    if resumed != stored:
        questions.write_question(folder, resumed)
    return PartSink(folder, resumed, state.parts, dict(state.digests.parts))


def _resumed_question(stored: Question, current: Question) -> dict[str, Any]:
    """Return the question of a continued run: the stored one, but perhaps a larger sample."""
    resumed = dict(stored)
    if "rows_per_part" in current:  # missing if version 0.1 began the run
        resumed.setdefault("rows_per_part", current["rows_per_part"])
    if current["data"]["examples"] > stored["data"]["examples"]:
        for key in ("limit", "data"):
            resumed.pop(key, None)
        resumed |= {key: current[key] for key in ("limit", "data") if key in current}
    return resumed


def _remove_rows(folder: Path, extra_folders: str | None) -> None:
    # The parts first and the question last: if the process is killed in between, the folder is
    # still a run folder, and no part is left without its digest.
    for path in [*part_names.files(folder), *folder.glob("part-*.damaged*")]:
        path.unlink(missing_ok=True)
    for path in folder.glob(extra_folders) if extra_folders else ():
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    part_digests.remove_small_files(part_names.digest_files(folder).values())
    (folder / part_digests.FILE).unlink(missing_ok=True)
    (folder / questions.FILE).unlink(missing_ok=True)


def _is_run_file(name: str) -> bool:
    """Return whether a file with this name belongs to a run folder, or is hidden."""
    is_part = name.startswith("part-") and ".parquet" in name
    return name[0] == "." or is_part or name in (marks.FILE, part_digests.FILE)
