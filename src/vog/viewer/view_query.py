"""The address of a view: every choice that makes a page, so that a link shows the same again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import DERIVED
from vog.result.marks import VERDICTS
from vog.result.row_pages import RowFilter, RowOrder

_LAST_PAGE = 10**7
_OTHER_COLUMNS = ("index", "id", "label", "label_name", "problem")
MARKED = (*VERDICTS, "any", "none")
Query = Mapping[str, str]


@dataclass(frozen=True)
class View:
    """What is shown and in which order; the attributes are the words of the address.

    Attributes:
        by: the column that is sorted by.
        order: "asc" or "desc"; by default the hard end of a score first.
        label: a class, by number.
        predicted: a class that is predicted.
        judged: right or wrong.
        low: the least value of the column.
        high: the largest.
        text: somewhere in the id.
        marked: with this verdict, with any mark, or with none.
        problem: only what could not be read or scored.
        also: a second column, shown beside the first.
        page: from 1.
    """

    by: str
    order: Literal["asc", "desc"]
    label: int | None = None
    predicted: int | None = None
    judged: Literal["right", "wrong"] | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    marked: str = ""
    problem: bool = False
    also: str = ""
    page: int = 1

    @property
    def row_order(self) -> RowOrder:
        """As the rows are asked for."""
        return RowOrder(self.by, self.order == "desc")

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the order is chosen."""
        numbers = (self.label, self.predicted, self.judged, self.low, self.high)
        texts = (self.text, self.marked, self.problem, self.also)
        return any(number is not None for number in numbers) or any(texts)

    def row_filter(self, ids: tuple[str, ...] | None) -> RowFilter:
        """As the rows are asked for; `ids` are those with the mark that is asked for."""
        return RowFilter(
            label=self.label,
            predicted=self.predicted,
            judged=self.judged,
            low=self.low,
            high=self.high,
            text=self.text,
            ids=ids if self.marked not in ("", "none") else None,
            without=ids or () if self.marked == "none" else (),
            problem=self.problem,
        )

    def address(self, run: Run, **changes: object) -> str:
        """The query that shows this view, with these changes; what is as usual is left out."""
        view = replace(self, **changes)
        usual = View(run.default_column, orders(run, view.by)[0])
        parameters = {
            name: value
            for name, value in vars(view).items()
            if value != getattr(usual, name) and value is not None
        }
        for name in ("label", "predicted"):
            if name in parameters:
                parameters[name] = class_word(run, parameters[name])
        return urlencode(
            {k: "1" if v is True else _parameter_text(v) for k, v in parameters.items()}
        )


def read_view(run: Run, query: Query) -> View:
    """The view that an address asks for.

    Raises:
        ResultError: a word of it makes no sense; the message says which.
    """
    by = _read_column(run, query)
    also = query.get("also", "")
    if also:
        run.stored_column(also)
    return View(
        by=by,
        order=_read_order(run, query, by),
        label=class_number(run, query.get("label", "")),
        predicted=class_number(run, query.get("predicted", "")),
        judged=_read_choice(query, "judged", ("right", "wrong")) or None,  # type: ignore[arg-type]
        low=_read_number(query, "low"),
        high=_read_number(query, "high"),
        text=query.get("text", ""),
        marked=_read_choice(query, "marked", MARKED),
        problem=_read_choice(query, "problem", ("1",)) == "1",
        also=also,
        page=_read_page(query),
    )


def orders(run: Run, by: str) -> tuple[Literal["asc", "desc"], Literal["asc", "desc"]]:
    """The usual order of a column, of a score the hard end first, and the other one."""
    has_ends = run.stored_column(by) in run.ranked_columns
    return ("desc", "asc") if has_ends and run.hard_is_high(by) else ("asc", "desc")


def class_word(run: Run, label: int) -> str:
    """A class as an address and a field say it: its number, with # where a class is called so."""
    return f"#{label}" if run.numeric_names.get(str(label), [label]) != [label] else str(label)


def class_number(run: Run, text: str) -> int | None:
    """The class that is named, by `class_word` or by its name; None for nothing.

    Raises:
        ResultError: there is no such class, or the word may mean several.
    """
    text = text.strip()
    if not text:
        return None
    number = text.removeprefix("#")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        return run.label_number(text)
    if text == number and class_word(run, int(number)) != text:
        if int(number) >= len(run.label_names or []):  # no class has that number
            return run.label_number(text)
        raise ResultError(f"{text} is the name of one class and the number of another: #{text}.")
    return int(number)


def columns(run: Run) -> list[str]:
    """Whatever can be sorted by, without the derived ones."""
    predicted = [name for name in run.columns if name.startswith("prediction")]
    other_columns = [name for name in _OTHER_COLUMNS if name in run.columns]
    return [*run.ranked_columns, *other_columns, *predicted, *standard_errors(run).values()]


def standard_errors(run: Run) -> dict[str, str]:
    """By the column of a mean over runs, as `vog_z@all`, that of its standard error."""
    parts = {name: name.partition("@") for name in run.ranked_columns}
    errors = {name: f"{score}_se@{stage}" for name, (score, _, stage) in parts.items()}
    return {name: error for name, error in errors.items() if error in run.columns}


def _read_column(run: Run, query: Query) -> str:
    """`by`, or what the form says in three words: score, stage and what it is compared with."""
    score = query.get("score", "")
    if not score:
        by = query.get("by") or run.default_column
        run.stored_column(by)
        return by
    if score in columns(run):
        return score
    column = f"{score}@{query.get('stage') or 'all'}"
    compared = query.get("as", "")
    if compared and compared not in DERIVED:
        raise ResultError(f"as={compared!r}: expected {', '.join(DERIVED)}, or nothing.")
    column += f":{compared}" if compared else ""
    run.stored_column(column)
    return column


def _read_order(run: Run, query: Query, by: str) -> Literal["asc", "desc"]:
    """As the address says it; in a form `hard` and `easy`, which mean the same for every score."""
    usual, reversed_order = orders(run, by)
    word = _read_choice(query, "order", ("asc", "desc", "hard", "easy"))
    if word == "easy":
        return reversed_order
    return usual if word in ("", "hard", usual) else reversed_order


def _read_number(query: Query, name: str) -> float | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ResultError(f"{name}={text!r} is no number.")
    return value


def _read_choice(query: Query, name: str, allowed: tuple[str, ...]) -> str:
    text = query.get(name, "")
    if text and text not in allowed:
        raise ResultError(f"{name}={text!r}: expected {', '.join(allowed)}, or nothing.")
    return text


def _read_page(query: Query) -> int:
    text = query.get("page", "") or "1"
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 0 < int(text) < _LAST_PAGE):
        raise ResultError(f"page={text!r} is no page; they are counted from 1.")
    return int(text)


def _parameter_text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
