"""The form that `question.json` has: what stands under each key, checked before anything reads it.

A key that is not named here may hold anything: a later version may have written it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Twelve digits number the rows of a part in its name.
MOST_ROWS = 10**12
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Misfit:
    """A value of another form than expected.

    Attributes:
        key: where it stands, such as `data.examples`; empty for the whole.
        value: what stands there.
        expected: in words.
    """

    key: str
    value: Any
    expected: str

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[: _LONGEST_SHOWN - 3]}..."
        return f"{self.key or 'the whole'} is {shown}; expected {self.expected}"


class _Missing:
    """Stands for a key that is not there."""

    def __repr__(self) -> str:
        return "missing"


# Takes the key and the value, and returns what is wrong with it.
Form = Callable[[str, Any], Misfit | None]


def misfit(question: Any) -> Misfit | None:
    """Return the first value of a question that has not the form it should have."""
    return _QUESTION("", question) or _stages_misfit(question)


def _stages_misfit(question: Mapping[str, Any]) -> Misfit | None:
    """Return a stage that has no checkpoint."""
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


def _is(kind: type, words: str) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if isinstance(value, kind) else Misfit(key, value, words)

    return check


def _or_null(form: Form) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if value is None else form(key, value)

    return check


def _list_of(form: Form, count: int | None = None) -> Form:
    words = "a list" if count is None else f"a list of {count}"

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, list) or count not in (None, len(value)):
            return Misfit(key, value, words)
        wrong = (form(f"{key}[{position}]", inner) for position, inner in enumerate(value))
        return next((one for one in wrong if one is not None), None)

    return check


def _each(form: Form) -> Form:
    """An object whose keys are free."""

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, dict):
            return Misfit(key, value, "an object")
        wrong = (form(f"{key}.{name}", inner) for name, inner in value.items())
        return next((one for one in wrong if one is not None), None)

    return check


def _record(needed: Mapping[str, Form], other: Mapping[str, Form]) -> Form:
    """An object with these keys, of which some may be absent."""

    def check(key: str, value: Any) -> Misfit | None:
        if not isinstance(value, dict):
            return Misfit(key, value, "an object")
        prefix = f"{key}." if key else ""
        for name, form in {**needed, **other}.items():
            if name in value:
                wrong = form(f"{prefix}{name}", value[name])
            else:
                wrong = Misfit(f"{prefix}{name}", _Missing(), "it") if name in needed else None
            if wrong is not None:
                return wrong
        return None

    return check


def _text_or(form: Form) -> Form:
    def check(key: str, value: Any) -> Misfit | None:
        return None if isinstance(value, str) else form(key, value)

    return check


_TEXT, _SWITCH = _is(str, "a text"), _is(bool, "true or false")
_OBJECT = _is(dict, "an object")
_PLACE = _or_null(_TEXT)
_PLACES: Mapping[str, Form] = {
    **dict.fromkeys(("model", "data", "root", "transform", "target", "gradients", "fold"), _PLACE),
    "checkpoints": _list_of(_TEXT),
    "combined": _list_of(_TEXT),
    "folds": _list_of(_TEXT),
}
_QUESTION = _record(
    needed={
        "data": _record(
            needed={"examples": _whole_number()},
            other={
                "digest": _PLACE,
                "transform": _PLACE,
                "draft": _SWITCH,
                "label_names": _or_null(_list_of(_TEXT)),
                "part": _SWITCH,
                "order": _PLACE,
                "fold": _record(
                    {},
                    {
                        **dict.fromkeys(("number", "folds", "rows"), _whole_number()),
                        **dict.fromkeys(("of", "digest"), _TEXT),
                        "held_out": _SWITCH,
                    },
                ),
            },
        ),
    },
    other={
        "vog": _TEXT,
        "torch": _TEXT,
        "model": _record(
            {}, {**dict.fromkeys(("architecture", "code", "settings"), _TEXT), "args": _OBJECT}
        ),
        "checkpoints": _list_of(_record({"step": _integer}, {"sha256": _TEXT})),
        "stages": _each(_list_of(_whole_number(), count=2)),
        "scores": _list_of(_text_or(_record({"name": _TEXT}, {"channels": _TEXT, "code": _TEXT}))),
        "combined": _list_of(_record({}, {"question": _TEXT})),
        "folds": _list_of(_record({}, {"question": _TEXT})),
        "target": _PLACE,
        "batch_size": _whole_number(1),
        "rows_per_part": _whole_number(1),
        "limit": _or_null(_whole_number(1)),
        "halved_rows": _whole_number(),
        "probabilities": _SWITCH,
        "out_of_sample": _SWITCH,
        "folded": _whole_number(),
        "device": _TEXT,
        "precision": _TEXT,
        "compiled": _SWITCH,
        "fidelity": _OBJECT,
        "approximation": _record({}, {"checkpoints": _whole_number()}),
        "stored": _TEXT,
        "where": _record(
            {}, {**_PLACES, **dict.fromkeys(("absolute", "from_run"), _record({}, _PLACES))}
        ),
    },
)
