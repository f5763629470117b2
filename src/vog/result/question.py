"""The question of a run: all settings that determine its numbers, stored as `question.json`."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vog.errors import DifferentQuestionError, ResultError
from vog.files.writing import as_json, write_text
from vog.result import question_schema
from vog.wording import command, option, same_again

Question = Mapping[str, Any]


class DamagedQuestionError(ResultError):
    """`question.json` can be read, but does not hold a question."""


FILE = "question.json"

# Where the files were when the run was begun; moving them does not change the numbers.
WHERE = "where"
# A key that is absent, null, false or empty counts as the default that held before the key was
# introduced. These are the defaults that are not null, false or empty.
DEFAULTS: Mapping[str, object] = {"precision": "float32", "folded": 0}
# Which rows there are, and how they are cut into parts. No score depends on these.
_ROWS_AND_PARTS = ("limit", "rows_per_part", "data.examples", "data.part")
# Measurements that led to a choice of method. The choice itself is under other keys.
_MEASURED = ("fidelity", "approximation")
# Arguments of the user's own function. We do not know its defaults, so every value counts.
_USER_ARGUMENTS = ("model.args",)
# Choices that were made when a run was begun. Made again, they could give another result.
SETTLED = ("batch_size", "rows_per_part", "precision", "compiled", "features", *_MEASURED)
SAMPLE = "sample"  # a value of `data.order`: the order of `vog.data.sampling`


def load_question(folder: Path) -> dict[str, Any]:
    """Return the question of a run folder.

    Raises:
        ResultError: not a run folder, or its question is missing, damaged or cannot be read.
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
    """Return whether a file is named like a part of version 0.1, which numbered them in turn."""
    return re.fullmatch(r"part-\d+\.parquet", name) is not None


def unreadable_message(path: Path, error: OSError) -> str:
    """Return the message for a file that cannot be opened, whatever it contains."""
    advice = " Make it readable for this user." if isinstance(error, PermissionError) else ""
    return f"{path} cannot be read: {error.strerror or error}.{advice}"


def _absence_message(folder: Path) -> str:
    score = command("score")
    try:
        if folder.is_file():
            return f"{folder} is a file. Give the folder that {score} wrote: {folder.parent}?"
        if not folder.is_dir():
            return f"{folder} is missing. Expected a folder written by {score}."
        names = [path.name for path in folder.glob("part-*") if path.suffix == ".parquet"]
    except OSError as error:
        return unreadable_message(folder, error)
    if any(map(is_name_of_0_1, names)):
        return f"{folder / FILE} is missing. {lost_question_advice()}"
    if names:
        return (
            f"{folder / FILE} is missing beside {len(names):,} parts of a run. "
            f"{same_again('score')}: it writes the file again if the parts answer its question."
        )
    return f"{folder} is not a run folder: it has no {FILE}. Expected a folder written by {score}."


def _damage_message(path: Path, why: str) -> str:
    return (
        f"{path} is damaged: {why}. {same_again('score')}: it writes the file again if the parts "
        f"beside it answer its question. If they do not, score with {option('overwrite', True)}."
    )


def lost_question_advice() -> str:
    """Return what to do when parts of version 0.1 have lost their question."""
    return (
        f"Version 0.1 wrote the parts beside it. They do not say which question they answer, so "
        f"it cannot be written again. Bring {FILE} back from a copy, or score again: with another "
        f"{option('out')}, or with {option('overwrite', True)}, which removes the parts."
    )


def write_question(folder: Path, question: Question) -> None:
    """Write the question into a run folder."""
    write_text(folder / FILE, as_json(question))


def is_of_0_1(question: Question) -> bool:
    """Return whether version 0.1 began the run; its parts contain no digest of the question."""
    return "rows_per_part" not in question


def is_sample(question: Question) -> bool:
    """Return whether the rows are computed in the order of a random sample."""
    return question["data"].get("order") == SAMPLE


def has_gaps(question: Question) -> bool:
    """Return whether row numbers in the data differ from positions: in a sample or a fold."""
    return is_sample(question) or "fold" in question["data"]


def question_digest(question: Question) -> str:
    """Return a digest of all settings that determine the numbers of a row."""
    excluded = (*_ROWS_AND_PARTS, *_MEASURED, "vog")
    relevant = {
        key: value for key, value in _explicit(question).items() if not _is_under(key, excluded)
    }
    text = json.dumps(relevant, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def require_same_question(folder: Path, stored: Question, current: Question) -> None:
    """Raise an error unless both questions are the same, or the current sample is larger.

    Raises:
        DifferentQuestionError: they differ; the message shows each difference.
        ResultError: they differ only in the sample, and the current one is smaller.
    """
    old, new = _explicit(stored), _explicit(current)
    old_rows, new_rows = stored["data"]["examples"], current["data"]["examples"]
    ignored, missing = ["vog", "rows_per_part"], "nothing"
    if is_sample(current) and not is_of_0_1(stored) and (is_sample(stored) or new_rows < old_rows):
        ignored += [*_ROWS_AND_PARTS, "data.order"]
    changed = {
        key: (old.get(key, missing), new.get(key, missing))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, missing) != new.get(key, missing) and key not in ignored
    }
    if changed:
        raise DifferentQuestionError(folder, changed)
    if new_rows < old_rows:
        limit, key = stored.get("limit"), option("limit")
        origin = option("limit", limit) if limit else f"{old_rows:,} rows and without {key}"
        raise ResultError(
            f"{folder} was begun with {origin}, and {option('limit', new_rows)} is smaller. Leave "
            f"{key} {'as it was, or give a larger one' if limit else 'out'}, or give another "
            f"{option('out')}."
        )


def _is_under(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in names)


def _explicit(question: Question) -> dict[str, object]:
    """Return the flat question as JSON stores it, without keys that have their default."""
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
    """Return `{"data": {"digest": "a"}}` as `{"data.digest": "a"}`, and lists by position."""
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
