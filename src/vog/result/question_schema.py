"""The schema of `question.json`, which is checked before any other code reads the file.

A key that is not named here may hold any value: a later version may have written it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# The name of a part has twelve digits for its first row.
MOST_ROWS = 10**12
_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Misfit:
    """A value that does not have the expected form.

    Attributes:
        key: the path of the value, such as `data.examples`; "" for the whole question.
        value: the value.
        expected: a description of the expected form.
    """

    key: str
    value: Any
    expected: str

    def __str__(self) -> str:
        text = repr(self.value)
        if len(text) > _LONGEST_VALUE:
            text = f"{text[: _LONGEST_VALUE - 3]}..."
        return f"{self.key or 'the whole'} is {text}; expected {self.expected}"


class _Missing:
    """Stands for the value of an absent key."""

    def __repr__(self) -> str:
        return "missing"


# Takes a key and its value, and returns the misfit, or None if the value fits.
Form = Callable[[str, Any], Misfit | None]


def find_misfit(question: Any) -> Misfit | None:
    """Return the first value of a question that does not fit the schema; None if all fit."""
    return _QUESTION("", question) or _stages_misfit(question)


def _stages_misfit(question: Mapping[str, Any]) -> Misfit | None:
    """Return the first stage without a checkpoint; None if all have one."""
    for name, (start, stop) in question.get("stages", {}).items():
        if start >= stop:
            return Misfit(f"stages.{name}", [start, stop], "two numbers, the second of them larger")
    return None


def _whole_number(least: int = 0, most: int = MOST_ROWS) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        expected = f"a whole number from {least} to {most}"
        return None if fits else Misfit(key, value, expected)

    return check


def _integer(key: str, value: Any) -> Misfit | None:
    fits = isinstance(value, int) and not isinstance(value, bool)
    return None if fits else Misfit(key, value, "a whole number")


def _instance_of(kind: type, expected: str) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if isinstance(value, kind) else Misfit(key, value, expected)

    return check


def _or_null(form: Form) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if value is None else form(key, value)

    return check


def _list_of(form: Form, count: int | None = None) -> Form:
    expected = "a list" if count is None else f"a list of {count}"

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, list) or count not in (None, len(value)):
            return Misfit(key, value, expected)
        misfits = (form(f"{key}[{position}]", element) for position, element in enumerate(value))
        return next((misfit for misfit in misfits if misfit is not None), None)

    return check


def _object_of(form: Form) -> Form:
    """Return the form of an object with any keys, whose values have the given form."""

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, dict):
            return Misfit(key, value, "an object")
        misfits = (form(f"{key}.{name}", element) for name, element in value.items())
        return next((misfit for misfit in misfits if misfit is not None), None)

    return check


def _record(required: Mapping[str, Form], optional: Mapping[str, Form]) -> Form:
    """Return the form of an object with these keys; the optional ones may be absent."""

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, dict):
            return Misfit(key, value, "an object")
        prefix = f"{key}." if key else ""
        for name, form in {**required, **optional}.items():
            if name in value:
                misfit = form(f"{prefix}{name}", value[name])
            else:
                misfit = Misfit(f"{prefix}{name}", _Missing(), "it") if name in required else None
            if misfit is not None:
                return misfit
        return None

    return check


def _text_or(form: Form) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if isinstance(value, str) else form(key, value)

    return check


_TEXT, _BOOLEAN = _instance_of(str, "a text"), _instance_of(bool, "true or false")
_OBJECT = _instance_of(dict, "an object")
_TEXT_OR_NULL = _or_null(_TEXT)
_WHERE_KEYS: Mapping[str, Form] = {
    **dict.fromkeys(
        ("model", "data", "root", "transform", "target", "gradients", "fold"), _TEXT_OR_NULL
    ),
    "checkpoints": _list_of(_TEXT),
    "combined": _list_of(_TEXT),
    "folds": _list_of(_TEXT),
}
_QUESTION = _record(
    required={
        "data": _record(
            required={"examples": _whole_number()},
            optional={
                "digest": _TEXT_OR_NULL,
                "transform": _TEXT_OR_NULL,
                "draft": _BOOLEAN,
                "label_names": _or_null(_list_of(_TEXT)),
                "part": _BOOLEAN,
                "order": _TEXT_OR_NULL,
                "fold": _record(
                    {},
                    {
                        **dict.fromkeys(("number", "folds", "rows"), _whole_number()),
                        **dict.fromkeys(("of", "digest"), _TEXT),
                        "held_out": _BOOLEAN,
                    },
                ),
            },
        ),
    },
    optional={
        "vog": _TEXT,
        "torch": _TEXT,
        "model": _record(
            {}, {**dict.fromkeys(("architecture", "code", "settings"), _TEXT), "args": _OBJECT}
        ),
        "checkpoints": _list_of(_record({"step": _integer}, {"sha256": _TEXT})),
        "stages": _object_of(_list_of(_whole_number(), count=2)),
        "scores": _list_of(_text_or(_record({"name": _TEXT}, {"channels": _TEXT, "code": _TEXT}))),
        "combined": _list_of(_record({}, {"question": _TEXT})),
        "folds": _list_of(_record({}, {"question": _TEXT})),
        "target": _TEXT_OR_NULL,
        "batch_size": _whole_number(1),
        "rows_per_part": _whole_number(1),
        "limit": _or_null(_whole_number(1)),
        "halved_rows": _whole_number(),
        "probabilities": _BOOLEAN,
        "features": _record({}, dict.fromkeys(("seed", "columns"), _whole_number())),
        "out_of_sample": _BOOLEAN,
        "wrt": _TEXT,
        "input": _list_of(_TEXT),
        "label": _TEXT,
        "lengths": _BOOLEAN,
        "folded": _whole_number(),
        "device": _TEXT,
        "precision": _TEXT,
        "compiled": _BOOLEAN,
        "rest_from_model": _BOOLEAN,
        "fidelity": _OBJECT,
        "approximation": _record({}, {"checkpoints": _whole_number()}),
        "stored": _TEXT,
        "where": _record(
            {}, {**_WHERE_KEYS, **dict.fromkeys(("absolute", "from_run"), _record({}, _WHERE_KEYS))}
        ),
    },
)
