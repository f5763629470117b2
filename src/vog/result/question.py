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
_ROWS_AND_PARTS = ("limit", "rows_per_part", "data.examples", "data.part")
# What was measured when a way of computing was chosen. What was chosen has keys of its own.
_MEASURED = ("fidelity", "approximation")
# What the user's own function is called with: its defaults are not ours to know.
_USER_ARGUMENTS = ("model.args",)
# What was settled by measuring when a run was begun: measured again it might come out otherwise.
SETTLED = ("batch_size", "rows_per_part", "precision", "compiled", *_MEASURED)
# Where such parts lie without their question.
lost_question_advice = (
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
        raise ResultError(_absence_message(folder)) from None
    except UnicodeDecodeError as error:
        raise DamagedQuestionError(_damage_message(path, str(error))) from error
    except OSError as error:
        raise ResultError(unreadable_message(path, error)) from error
    try:
        question = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedQuestionError(_damage_message(path, str(error))) from error
    if not isinstance(question, dict) or "data" not in question:
        raise DamagedQuestionError(_damage_message(path, "it lacks data"))
    if problem := question_schema.find_misfit(question):
        raise DamagedQuestionError(_damage_message(path, str(problem)))
    return question


def is_name_of_0_1(name: str) -> bool:
    """Return whether a file is called as version 0.1 called parts: numbered as they came."""
    return re.fullmatch(r"part-\d+\.parquet", name) is not None


def unreadable_message(path: Path, error: OSError) -> str:
    """Return why a file of a run cannot be read, where that says nothing about what is in it."""
    advice = " Make it readable for this user." if isinstance(error, PermissionError) else ""
    return f"{path} cannot be read: {error.strerror or error}.{advice}"


def _absence_message(folder: Path) -> str:
    try:
        if folder.is_file():
            return f"{folder} is a file. Give the folder that `vog score` wrote: {folder.parent}?"
        if not folder.is_dir():
            return f"{folder} is missing. Expected a folder written by `vog score`."
        names = [path.name for path in folder.glob("part-*") if path.suffix == ".parquet"]
    except OSError as error:
        return unreadable_message(folder, error)
    if any(map(is_name_of_0_1, names)):
        return f"{folder / FILE} is missing. {lost_question_advice}"
    if names:
        return (
            f"{folder / FILE} is missing beside {len(names):,} parts of a run. Run the same "
            f"`vog score` command with the same --out again: it writes the question anew where the "
            f"parts answer it."
        )
    return (
        f"{folder} is not a run folder: it has no {FILE}. Expected a folder written by `vog score`."
    )


def _damage_message(path: Path, why: str) -> str:
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
    excluded = (*_ROWS_AND_PARTS, *_MEASURED, "vog")
    relevant = {
        key: value for key, value in _explicit(question).items() if not _is_under(key, excluded)
    }
    text = json.dumps(relevant, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def require_same_question(folder: Path, stored: Question, current: Question) -> None:
    """Raise OtherQuestionError unless both ask the same, perhaps of a larger sample.

    Raises:
        OtherQuestionError: they differ; the message shows each difference.
        ResultError: they differ in the sample alone, and the present one is smaller.
    """
    old, new = _explicit(stored), _explicit(current)
    old_rows, new_rows = stored["data"]["examples"], current["data"]["examples"]
    ignored = ["vog", "rows_per_part"]
    if is_sample(current) and not is_of_0_1(stored) and (is_sample(stored) or new_rows < old_rows):
        ignored += [*_ROWS_AND_PARTS, "data.order"]
    missing = "nothing"
    changed = {
        key: (old.get(key, missing), new.get(key, missing))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, missing) != new.get(key, missing) and key not in ignored
    }
    if changed:
        raise OtherQuestionError(folder, changed)
    if new_rows < old_rows:
        limit = stored.get("limit")
        origin = f"with --limit {limit}" if limit else f"of {old_rows:,} rows, without --limit"
        raise ResultError(
            f"{folder} was begun {origin}, and --limit {new_rows} is smaller. Leave --limit "
            f"{'as it was, or give a larger one' if limit else 'out'}, or give another --out."
        )


def _is_under(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in names)


def _explicit(question: Question) -> dict[str, object]:
    """Return the flat question as JSON keeps it, without keys that hold what absence means."""
    settings = flatten(json.loads(as_json(question)))
    return {
        key: value
        for key, value in settings.items()
        if _is_under(key, _USER_ARGUMENTS)
        or not (_is_empty(value) or (key in DEFAULTS and DEFAULTS[key] == value))
    }


def _is_empty(value: object) -> bool:
    return value is None or value is False or value == {} or value == []


def flatten(question: Question) -> dict[str, object]:
    """`{"data": {"digest": "a"}}` as `{"data.digest": "a"}`, lists by position."""
    values: dict[str, object] = {}

    def add(key: str, value: object) -> None:
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                add(f"{key}.{name}" if key else str(name), inner)
        elif isinstance(value, list) and value:
            for position, inner in enumerate(value):
                add(f"{key}[{position}]", inner)
        else:
            values[key] = value

    add("", {key: value for key, value in question.items() if key != WHERE})
    return values
