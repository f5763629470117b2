"""Everything that determines a run's numbers, as JSON, and what differs between two of them."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vog.errors import OtherQuestionError, ResultError
from vog.files.writing import as_json, write_text
from vog.result import question_schema

Question = Mapping[str, Any]


class DamagedQuestionError(ResultError):
    """A question is there, may be read, and is none."""


FILE = "question.json"

# Where things were found when the run was begun: moving them does not change the numbers.
WHERE = "where"
# A key that is absent counts as the default it had before there was such a key; so does one that
# is null, false or empty. Here stand the defaults that are something else.
DEFAULTS: Mapping[str, object] = {"precision": "float32", "folded": 0}
# Which rows of the data there are, and how they are cut into parts: no number depends on it.
_EXTENT = ("limit", "rows_per_part", "data.examples", "data.part")
# What was measured when a way of computing was chosen. What was chosen has keys of its own.
_MEASURED = ("fidelity", "approximation")
# What the user's own function is called with: its defaults are not ours to know.
_OF_THE_USER = ("model.args",)
# What was settled by measuring when a run was begun: measured again it might come out otherwise.
SETTLED = ("batch_size", "rows_per_part", "precision", "compiled", *_MEASURED)
# Where such parts lie without their question.
NOT_TOLD_BY_0_1 = (
    f"Version 0.1 wrote the parts beside it, and they do not say what they answer, so nothing can "
    f"write it anew. Bring {FILE} back from a copy, or score again: with another --out, or with "
    f"--overwrite, which removes the parts."
)
SAMPLE = "sample"  # as `data.order`: rows are computed in the order of `vog.data.sampling`


def load_question(folder: Path) -> dict[str, Any]:
    """The question that a run folder answers.

    Raises:
        ResultError: not a run folder, or its question is missing, damaged or may not be read.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ResultError(_absence(folder)) from None
    except UnicodeDecodeError as error:
        raise DamagedQuestionError(_damage(path, str(error))) from error
    except OSError as error:
        raise ResultError(unreadable(path, error)) from error
    try:
        question = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedQuestionError(_damage(path, str(error))) from error
    if not isinstance(question, dict) or "data" not in question:
        raise DamagedQuestionError(_damage(path, "it lacks data"))
    if wrong := question_schema.misfit(question):
        raise DamagedQuestionError(_damage(path, str(wrong)))
    return question


def is_name_of_0_1(name: str) -> bool:
    """Return whether a file is called as version 0.1 called parts: numbered as they came."""
    return re.fullmatch(r"part-\d+\.parquet", name) is not None


def unreadable(path: Path, error: OSError) -> str:
    """Return why a file of a run cannot be read, where that says nothing about what is in it."""
    advice = " Make it readable for this user." if isinstance(error, PermissionError) else ""
    return f"{path} cannot be read: {error.strerror or error}.{advice}"


def _absence(folder: Path) -> str:
    try:
        if folder.is_file():
            return f"{folder} is a file. Give the folder that `vog score` wrote: {folder.parent}?"
        if not folder.is_dir():
            return f"{folder} is missing. Expected a folder written by `vog score`."
        names = [path.name for path in folder.glob("part-*") if path.suffix == ".parquet"]
    except OSError as error:
        return unreadable(folder, error)
    if any(map(is_name_of_0_1, names)):
        return f"{folder / FILE} is missing. {NOT_TOLD_BY_0_1}"
    if names:
        return (
            f"{folder / FILE} is missing beside {len(names):,} parts of a run. Run the same "
            f"`vog score` command with the same --out again: it writes the question anew where the "
            f"parts answer it."
        )
    return (
        f"{folder} is not a run folder: it has no {FILE}. Expected a folder written by `vog score`."
    )


def _damage(path: Path, why: str) -> str:
    return (
        f"{path} is damaged: {why}. Run the same `vog score` command again: where the parts beside "
        f"it answer what it asks, the question is written anew; otherwise score with --overwrite."
    )


def write_question(folder: Path, question: Question) -> None:
    """Write the question into its folder."""
    write_text(folder / FILE, as_json(question))


def is_of_0_1(question: Question) -> bool:
    """Return whether version 0.1 began the run, whose parts carry no digest."""
    return "rows_per_part" not in question


def is_sample(question: Question) -> bool:
    """Return whether the rows are computed in the order of a sample."""
    return question["data"].get("order") == SAMPLE


def has_gaps(question: Question) -> bool:
    """Return whether rows have numbers that are not where they stand: of a sample, or of a fold."""
    return is_sample(question) or "fold" in question["data"]


def question_digest(question: Question) -> str:
    """Return a digest of what determines the numbers of a row, which its part carries."""
    left_out = (*_EXTENT, *_MEASURED, "vog")
    kept = {
        key: value for key, value in _compared(question).items() if not _is_among(key, left_out)
    }
    text = json.dumps(kept, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def refuse_other(folder: Path, before: Question, now: Question) -> None:
    """Raise OtherQuestionError unless both ask the same, perhaps of a larger sample.

    Raises:
        OtherQuestionError: they differ; the message shows each difference.
        ResultError: they differ in the sample alone, and the present one is smaller.
    """
    old, new = _compared(before), _compared(now)
    rows, wanted = before["data"]["examples"], now["data"]["examples"]
    ignored = ["vog", "rows_per_part"]
    if is_sample(now) and not is_of_0_1(before) and (is_sample(before) or wanted < rows):
        ignored += [*_EXTENT, "data.order"]
    missing = "nothing"
    changed = {
        key: (old.get(key, missing), new.get(key, missing))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, missing) != new.get(key, missing) and key not in ignored
    }
    if changed:
        raise OtherQuestionError(folder, changed)
    if wanted < rows:
        limit = before.get("limit")
        begun = f"with --limit {limit}" if limit else f"of {rows:,} rows, without --limit"
        raise ResultError(
            f"{folder} was begun {begun}, and --limit {wanted} is smaller. Leave --limit "
            f"{'as it was, or give a larger one' if limit else 'out'}, or give another --out."
        )


def _is_among(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in names)


def _compared(question: Question) -> dict[str, object]:
    """Return the flat question as JSON keeps it, without keys that hold what absence means."""
    known = flat(json.loads(as_json(question)))
    return {
        key: value
        for key, value in known.items()
        if _is_among(key, _OF_THE_USER)
        or not (_is_nothing(value) or (key in DEFAULTS and DEFAULTS[key] == value))
    }


def _is_nothing(value: object) -> bool:
    return value is None or value is False or value == {} or value == []


def flat(question: Question) -> dict[str, object]:
    """`{"data": {"digest": "a"}}` as `{"data.digest": "a"}`, lists by position."""
    flat: dict[str, object] = {}

    def add(key: str, value: object) -> None:
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                add(f"{key}.{name}" if key else str(name), inner)
        elif isinstance(value, list) and value:
            for position, inner in enumerate(value):
                add(f"{key}[{position}]", inner)
        else:
            flat[key] = value

    add("", {key: value for key, value in question.items() if key != WHERE})
    return flat
