"""Everything that determines a run's numbers, as JSON, and what differs between two of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vog.errors import OtherQuestionError, ResultError
from vog.result.files import as_json, write_text

Question = Mapping[str, Any]
FILE = "question.json"

# Where things were found when the run was begun: moving them does not change the numbers.
WHERE = "where"


def load(folder: Path) -> dict[str, Any]:
    """The question that a run folder answers.

    Raises:
        ResultError: not a run folder, or its question is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        what = "is not a run folder: it has no question.json" if folder.is_dir() else "is missing"
        raise ResultError(f"{folder} {what}. Expected a folder written by `vog score`.")
    try:
        question = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResultError(f"{path} is damaged: {error}. Score again with --overwrite.") from error
    data = question.get("data") if isinstance(question, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("examples"), int):
        raise ResultError(f"{path} is damaged: it lacks data. Score again with --overwrite.")
    return question


def save(folder: Path, question: Question) -> None:
    """Write the question into its folder."""
    write_text(folder / FILE, as_json(question))


def refuse_other(folder: Path, before: Question, now: Question) -> None:
    """Nothing where both ask the same.

    Raises:
        OtherQuestionError: they differ; the message shows each difference.
    """
    old, new = flat(before), flat(json.loads(as_json(now)))
    missing = "nothing"
    changed = {
        key: (old.get(key, missing), new.get(key, missing))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, missing) != new.get(key, missing)
    }
    if changed:
        raise OtherQuestionError(folder, changed)


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
