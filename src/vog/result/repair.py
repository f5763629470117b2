"""What is mended when a run is continued: damaged and foreign parts are set aside.

Nothing is removed that may be of use: a part that is set aside keeps its bytes under another name,
and its rows are computed again. Where a file may not be read, nothing is touched.
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
from vog.result.part_checks import Expected
from vog.result.part_digests import Digests, PartDigest
from vog.result.part_names import DamagedPartError, Part
from vog.result.question import Question

# What only a process that holds the lock of the folder writes, while it is unfinished.
_LEFT = re.compile(
    r"\.(?P<name>part-[\d-]+\.parquet|(?:digests|question)\.json|grad_\d+\.npy|img_\d+\.\w+)"
    r"\.(?P<process>.+)\.tmp(\..*)?"
)


@dataclass(frozen=True)
class FolderState:
    """What a run folder holds of a question.

    Attributes:
        parts: that are whole and answer it, in order.
        bad: files that are not, with what is wrong with each.
        outgrown: parts of a smaller sample, whose rows a larger part holds too.
        noted: the digests of the parts; of `parts` alone.
        is_noted: whether `digests.json` says just that.
        damage: what is wrong with `digests.json`; empty where nothing is.
    """

    parts: tuple[Part, ...]
    bad: dict[Path, str]
    outgrown: tuple[Part, ...]
    noted: Digests
    is_noted: bool
    damage: str

    @property
    def words(self) -> str:
        """What is going to be computed again and why; empty where nothing is."""
        if not (self.bad or self.damage):
            return ""
        damage = [f"{part_digests.FILE} is damaged ({self.damage})"] if self.damage else []
        bad = [f"{path.name}: {why}" for path, why in self.bad.items()]
        kept = f"; {len(self.parts):,} parts are whole" if self.damage else ""
        again = "; rows of damaged parts are computed again" if self.bad else ""
        return f"{first_few([*damage, *bad])}{kept}{again}"


def folder_state(folder: Path, question: Question) -> FolderState:
    """Return what a folder holds of a question; nothing is changed.

    Raises:
        ResultError: a file may not be read, or two whole parts hold the same row.
    """
    found, bad = _listed(folder)
    noted = part_digests.load_digests(folder)
    # A run of 0.1 that was begun anew by this version keeps its parts: they are noted by then.
    faults = part_checks.faults(found, Expected.of(question), noted)
    bad |= {one.path: why for one, why in zip(found, faults, strict=True) if why}
    whole = [one for one in found if one.path not in bad]
    bad |= _undecodable([one for one in whole if one.path.name not in noted.parts])
    ordered = part_names.in_order([one for one in whole if one.path not in bad])
    kept = set(ordered)
    known = {one.path.name: _noted(one.path, noted) for one in ordered}
    return FolderState(
        tuple(ordered),
        bad,
        tuple(one for one in whole if one.path not in bad and one not in kept),
        Digests(known),
        not noted.damage and dict(noted.parts) == known,
        noted.damage,
    )


def mend(folder: Path, question: Question) -> FolderState:
    """Set aside what is damaged or of another question, and return what is left.

    Raises:
        ResultError: a file may not be read or renamed, or two whole parts hold the same row.
    """
    now = folder_state(folder, question)
    if now.words:
        sys.stderr.write(f"warning: {folder}: {now.words}.\n")
    try:
        for path in now.bad:
            path.rename(_free_name(path))
        for one in now.outgrown:
            one.path.unlink()
    except OSError as error:
        raise ResultError(f"{folder} cannot be written: {error.strerror or error}.") from error
    if now.parts and not now.is_noted:
        part_digests.write_digests(folder, now.noted.parts)
    return replace(now, bad={}, outgrown=())


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left of parts, and of what stands beside them."""
    names: set[str] = set()
    for path in folder.glob(".*.tmp*"):
        match = _LEFT.fullmatch(path.name)
        if match is not None and match["process"].isdecimal():
            path.unlink(missing_ok=True)  # of version 0.1, which named no host, and had the lock
        elif match is not None:
            names.add(match["name"])
    for name in names:
        remove_leftovers(folder, name)


def _listed(folder: Path) -> tuple[list[Part], dict[Path, str]]:
    found: list[Part] = []
    bad: dict[Path, str] = {}
    for path in part_names.files(folder):
        try:
            found.append(part_names.part(path))
        except DamagedPartError as error:
            bad[path] = error.why
    return found, bad


def _undecodable(found: Sequence[Part]) -> dict[Path, str]:
    """Return the parts without a digest of which a page cannot be read, or which have odd columns.

    They are of version 0.1. Most columns that several have in common are taken for the right ones.
    """
    bad: dict[Path, str] = {}
    schemas: dict[Path, pa.Schema] = {}
    for one in found:
        try:
            schemas[one.path] = pq.read_table(one.path).schema
        except (OSError, pa.ArrowException, ValueError) as error:
            bad[one.path] = (str(error).splitlines() or ["it cannot be read"])[0]
    kinds = sorted(schemas.values(), key=lambda one: one.names)
    groups = [list(group) for _, group in itertools.groupby(kinds, key=lambda one: one.names)]
    if len(groups) > 1:
        usual = max(groups, key=len)[0].names
        bad |= {
            path: "its columns are not those of the other parts"
            for path, schema in schemas.items()
            if schema.names != usual
        }
    return bad


def _noted(path: Path, noted: Digests) -> PartDigest:
    known = noted.parts.get(path.name)
    return PartDigest(checksum.sha256_of(path), seconds_in(path)) if known is None else known


def seconds_in(path: Path) -> float:
    """Return what a part of version 0.1 says that its rows took."""
    try:
        return float((pq.read_schema(path).metadata or {}).get(b"seconds", 0))
    except ValueError:
        return 0.0


def _free_name(path: Path) -> Path:
    """Return the name that a damaged file gets, which nothing has yet."""
    names = (path.with_name(f"{path.name}.damaged{at or ''}") for at in itertools.count())
    return next(one for one in names if not one.exists())


def refuse_other_parts(folder: Path, question: Question) -> None:
    """Raise ResultError unless the parts in a folder without a question answer this one.

    Parts are asked whose bytes are those that were written; all others are set aside later.
    """
    found = part_names.files(folder)
    if any(questions.is_name_of_0_1(path.name) for path in found):
        path = folder / questions.FILE
        raise ResultError(f"{path} is missing or damaged. {questions.NOT_TOLD_BY_0_1}")
    noted = part_digests.load_digests(folder)
    known = {one.sha256 for one in noted.parts.values()} | noted.loose
    whole = [path for path in found if known and _digest_of(path) in known]
    answered = {path.name: _question_of(path) for path in whole}
    expected = questions.question_digest(question)
    others = [name for name, digest in answered.items() if digest != expected]
    if found and (others or not whole):
        why = (
            f"{others[0]} answers another question than this command asks"
            if others
            else "what they answer cannot be told"
        )
        raise ResultError(
            f"{folder / questions.FILE} is missing or damaged beside {len(found):,} parts, and "
            f"{why}. Give the options that the run was begun with, or another --out, or pass "
            f"--overwrite to start again."
        )


def restore_question(folder: Path, question: Question) -> None:
    """Write the question into a folder whose own is missing or damaged."""
    path = folder / questions.FILE
    if path.exists():
        path.rename(_free_name(path))
    if part_names.files(folder):
        sys.stderr.write(
            f"warning: {path} was missing or damaged and is written anew: the parts beside it "
            f"answer what this command asks.\n"
        )
    questions.write_question(folder, question)


def settled_choices(folder: Path) -> dict[str, Any]:
    """Return what a run was begun with, as its question or else one of its parts says it."""
    try:
        return questions.load_question(folder)
    except ResultError:  # told when the folder is opened to be written
        pass
    try:
        found = [
            _metadata(path).get(part_checks.SETTLED) for path in sorted(part_names.files(folder))
        ]
        return next((json.loads(text) for text in found if text is not None), {})
    except (ResultError, ValueError):
        return {}


def _digest_of(path: Path) -> str:
    try:
        return checksum.sha256_of(path)
    except OSError as error:
        raise ResultError(questions.unreadable(path, error)) from error


def _question_of(path: Path) -> str | None:
    """Return the digest of the question that a part says it answers."""
    question = _metadata(path).get(part_checks.QUESTION)
    return None if question is None else question.decode(errors="replace")


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return pq.read_schema(path).metadata or {}
    except (pa.ArrowException, ValueError):
        return {}
    except OSError as error:
        if error.errno is not None:
            raise ResultError(questions.unreadable(path, error)) from error
        return {}
