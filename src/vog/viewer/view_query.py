"""The query of a view: it holds every choice, so that a link shows the same page again."""

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
    """The rows of a page and their order; the attributes are the query parameters.

    Attributes:
        by: the column that sorts the rows.
        order: "asc" or "desc"; by default the hard end of a score first.
        label: number of the class of the rows.
        predicted: number of the predicted class.
        judged: "right" or "wrong" for rows with such a prediction.
        low: the least value of the column.
        high: the largest value of the column.
        text: a part of the id.
        marked: a verdict, or "any" or "none" for rows with or without a mark.
        problem: True for only the rows that could not be read or scored.
        also: a second column to show.
        page: number of the page, from 1.
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
        """The order of the rows."""
        return RowOrder(self.by, self.order == "desc")

    @property
    def is_filtered(self) -> bool:
        """True if the view differs from all rows in an order."""
        numbers = (self.label, self.predicted, self.judged, self.low, self.high)
        texts = (self.text, self.marked, self.problem, self.also)
        return any(number is not None for number in numbers) or any(texts)

    def row_filter(self, ids: tuple[str, ...] | None) -> RowFilter:
        """Return the filter of the rows; `ids` are those of the rows with the mark of the view."""
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
        """Return the query of this view with some changes, without parameters at their default."""
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
        return urlencode({k: "1" if v is True else _as_text(v) for k, v in parameters.items()})


def read_view(run: Run, query: Query) -> View:
    """Return the view that a query describes.

    Raises:
        ResultError: a parameter is not valid; the message names it.
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
    """Return the usual order of a column, the hard end of a score first, and the reverse."""
    has_ends = run.stored_column(by) in run.ranked_columns
    return ("desc", "asc") if has_ends and run.higher_is_harder(by) else ("asc", "desc")


def class_word(run: Run, label: int) -> str:
    """Return a class as text of a query: its number, with # if that is the name of a class."""
    return f"#{label}" if run.numeric_names.get(str(label), [label]) != [label] else str(label)


def class_number(run: Run, text: str) -> int | None:
    """Return the number of a class from its `class_word` or its name; None for an empty text.

    Raises:
        ResultError: there is no such class, or the text may mean different classes.
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
    """Return all columns that can sort the rows, except derived ones."""
    predicted = [name for name in run.columns if name.startswith("prediction")]
    other_columns = [name for name in _OTHER_COLUMNS if name in run.columns]
    return [*run.ranked_columns, *other_columns, *predicted, *standard_errors(run).values()]


def standard_errors(run: Run) -> dict[str, str]:
    """Return the column of the standard error for each mean over runs, such as `vog_z@all`."""
    parts = {name: name.partition("@") for name in run.ranked_columns}
    errors = {name: f"{score}_se@{stage}" for name, (score, _, stage) in parts.items()}
    return {name: error for name, error in errors.items() if error in run.columns}


def _read_column(run: Run, query: Query) -> str:
    """Return `by`, or the column that the form gives as `score`, `stage` and `as`."""
    score = query.get("score", "")
    if not score:
        by = run.sort_column(query.get("by") or None)
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
    """Return the order; a form sends `hard` or `easy`, whose direction depends on the score."""
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
        raise ResultError(f"page={text!r} is no page; pages are counted from 1.")
    return int(text)


def _as_text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
