"""Repair of a run folder when the run continues: damaged and foreign parts are set aside.

Nothing useful is removed: a part that is set aside keeps its bytes under another name, and its rows
are computed again. If a file cannot be read, nothing is changed.
"""

import itertools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vog.errors import ResultError, first_few
from vog.files import checksum
from vog.files.leftovers import remove_leftovers
from vog.result import part_checks, part_digests, part_names
from vog.result import question as questions
from vog.result.part_checks import ExpectedParts
from vog.result.part_digests import Digests, PartDigest
from vog.result.part_names import DamagedPartError, Part
from vog.result.question import Question
from vog.wording import option

# Temporary files that only the process with the lock of the folder, or with its sink, writes.
_UNFINISHED_FILE = re.compile(
    r"\.(?P<name>part-[\d-]+\.parquet(?:\.digest)?|(?:digests|question)\.json"
    r"|grad_\d+\.npy|img_\d+\.\w+)"
    r"\.(?P<process>.+)\.tmp(\..*)?"
)


@dataclass(frozen=True)
class FolderState:
    """The condition of the parts of a run folder.

    Attributes:
        parts: the parts that are undamaged and answer the question, in order.
        bad: the fault of each file that is not.
        outgrown: parts of a smaller sample, whose rows a larger part also holds.
        digests: the small files, and the digests of `parts` and of parts that may yet appear.
        digests_are_stored: whether `digests.json` alone holds exactly these digests.
        damage: the fault of each damaged file with digests, by its name.
    """

    parts: tuple[Part, ...]
    bad: dict[Path, str]
    outgrown: tuple[Part, ...]
    digests: Digests
    digests_are_stored: bool
    damage: dict[str, str]

    @property
    def summary(self) -> str:
        """The damage and its consequences, as text; "" if nothing is damaged."""
        if not (self.bad or self.damage):
            return ""
        damage = [f"{name} is damaged ({why})" for name, why in self.damage.items()]
        bad = [f"{path.name}: {why}" for path, why in self.bad.items()]
        whole = f"; {len(self.parts):,} parts are whole" if self.damage else ""
        again = "; rows of damaged parts are computed again" if self.bad else ""
        return f"{first_few([*damage, *bad])}{whole}{again}"


def folder_state(folder: Path, question: Question) -> FolderState:
    """Return the condition of a run folder, and change nothing.

    Raises:
        ResultError: a file cannot be read, or two undamaged parts hold the same row.
    """
    parts, bad = _identify_parts(folder)
    digests = part_digests.load_digests(folder)
    # A part of 0.1 has a digest by now if this version has continued its run.
    faults = part_checks.find_faults(parts, ExpectedParts.for_question(question), digests)
    bad |= {part.path: why for part, why in zip(parts, faults, strict=True) if why}
    whole = [part for part in parts if part.path not in bad]
    bad |= _undecodable([part for part in whole if part.path.name not in digests.parts])
    ordered = part_names.order_parts([part for part in whole if part.path not in bad])
    current = set(ordered)
    digest_by_name = {part.path.name: _part_digest(part.path, digests) for part in ordered}
    listed = [path.name for path in (*(part.path for part in parts), *bad)]
    digest_by_name |= digests.of_absent_parts(listed)
    return FolderState(
        tuple(ordered),
        bad,
        tuple(part for part in whole if part.path not in bad and part not in current),
        Digests(digest_by_name, small_files=digests.small_files),
        not (digests.damage or digests.small_files) and dict(digests.parts) == digest_by_name,
        digests.damage_by_file,
    )


def mend(folder: Path, question: Question) -> FolderState:
    """Set aside parts that are damaged or of another question; return the new condition.

    Raises:
        ResultError: a file cannot be read or renamed, or two undamaged parts hold the same row.
    """
    state = folder_state(folder, question)
    if state.summary:
        sys.stderr.write(f"warning: {folder}: {state.summary}.\n")
    try:
        for path in state.bad:
            path.rename(_free_name(path))
        for part in state.outgrown:
            part.path.unlink()
    except OSError as error:
        raise ResultError(f"{folder} cannot be written: {error.strerror or error}.") from error
    if state.digests.parts and not state.digests_are_stored:
        part_digests.write_digests(folder, state.digests.parts)
    # Only now: each digest stands in one place or both, whenever the process is killed.
    part_digests.remove_small_files(state.digests.small_files.values())
    return replace(state, bad={}, outgrown=())


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files that killed processes left behind."""
    names: set[str] = set()
    for path in folder.glob(".*.tmp*"):
        match = _UNFINISHED_FILE.fullmatch(path.name)
        if match is not None and match["process"].isdecimal():
            path.unlink(missing_ok=True)  # of version 0.1: it named no host, and we hold its lock
        elif match is not None:
            names.add(match["name"])
    for name in names:
        remove_leftovers(folder, name)


def _identify_parts(folder: Path) -> tuple[list[Part], dict[Path, str]]:
    parts: list[Part] = []
    bad: dict[Path, str] = {}
    for path in part_names.files(folder):
        try:
            parts.append(part_names.identify_part(path))
        except DamagedPartError as error:
            bad[path] = error.why
    return parts, bad


def _undecodable(parts: Sequence[Part]) -> dict[Path, str]:
    """Return the faults of parts without a digest, which version 0.1 wrote.

    A part is faulty if it cannot be read, or if its columns differ from those of most parts.
    """
    bad: dict[Path, str] = {}
    schemas: dict[Path, pa.Schema] = {}
    for part in parts:
        try:
            schemas[part.path] = pq.read_table(part.path).schema
        except (OSError, pa.ArrowException, ValueError) as error:
            bad[part.path] = (str(error).splitlines() or ["it cannot be read"])[0]
    kinds = sorted(schemas.values(), key=lambda schema: schema.names)
    groups = [list(group) for _, group in itertools.groupby(kinds, key=lambda s: s.names)]
    if len(groups) > 1:
        usual_names = max(groups, key=len)[0].names
        bad |= {
            path: "its columns are not those of the other parts"
            for path, schema in schemas.items()
            if schema.names != usual_names
        }
    return bad


def _part_digest(path: Path, digests: Digests) -> PartDigest:
    stored = digests.parts.get(path.name)
    return PartDigest(checksum.sha256_of(path), seconds_in(path)) if stored is None else stored


def seconds_in(path: Path) -> float:
    """Return the seconds that a part of version 0.1 says its rows took; 0 if it does not say."""
    try:
        return float((pq.read_schema(path).metadata or {}).get(b"seconds", 0))
    except ValueError:
        return 0.0


def _free_name(path: Path) -> Path:
    """Return an unused name for a damaged file."""
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    return next(candidate for candidate in names if not candidate.exists())


def require_matching_parts(folder: Path, question: Question) -> None:
    """Raise ResultError unless the parts in a folder without a question answer this one.

    Only parts with unchanged bytes are compared; the others are set aside later.
    """
    paths = part_names.files(folder)
    if any(questions.is_name_of_0_1(path.name) for path in paths):
        path = folder / questions.FILE
        raise ResultError(f"{path} is missing or damaged. {questions.lost_question_advice()}")
    digests = part_digests.load_digests(folder)
    sha256s = {entry.sha256 for entry in digests.parts.values()} | digests.recovered
    whole = [path for path in paths if sha256s and _file_digest(path) in sha256s]
    question_digests = {path.name: _question_digest_of(path) for path in whole}
    expected = questions.question_digest(question)
    foreign_names = [name for name, digest in question_digests.items() if digest != expected]
    if paths and (foreign_names or not whole):
        why = (
            f"{foreign_names[0]} answers another question"
            if foreign_names
            else "nothing says which question they answer"
        )
        raise ResultError(
            f"{folder / questions.FILE} is missing or damaged beside {len(paths):,} parts, and "
            f"{why}. Use the settings that the run was begun with, or another {option('out')}, or "
            f"pass {option('overwrite', True)} to start again."
        )


def restore_question(folder: Path, question: Question) -> None:
    """Write the question into a folder whose question is missing or damaged."""
    path = folder / questions.FILE
    if path.exists():
        path.rename(_free_name(path))
    if part_names.files(folder):
        sys.stderr.write(
            f"warning: {path} was missing or damaged and is written again: the parts beside it "
            f"answer the present question.\n"
        )
    questions.write_question(folder, question)


def settled_choices(folder: Path) -> dict[str, Any]:
    """Return the choices that a run was begun with, from its question or else from a part."""
    try:
        return questions.load_question(folder)
    except ResultError:  # it is raised again when the folder is opened for writing
        pass
    try:
        texts = [
            _metadata(path).get(part_checks.SETTLED) for path in sorted(part_names.files(folder))
        ]
        return next((json.loads(text) for text in texts if text is not None), {})
    except (ResultError, ValueError):
        return {}


def _file_digest(path: Path) -> str:
    try:
        return checksum.sha256_of(path)
    except OSError as error:
        raise ResultError(questions.unreadable_message(path, error)) from error


def _question_digest_of(path: Path) -> str | None:
    """Return the digest of a part's question, from its metadata."""
    question = _metadata(path).get(part_checks.QUESTION)
    return None if question is None else question.decode(errors="replace")


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return pq.read_schema(path).metadata or {}
    except (pa.ArrowException, ValueError):
        return {}
    except OSError as error:
        if error.errno is not None:
            raise ResultError(questions.unreadable_message(path, error)) from error
        return {}
