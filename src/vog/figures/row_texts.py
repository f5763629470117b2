"""The beginning of the text of an example, or its values, beside its row in a printed table."""

from collections.abc import Mapping, Sequence
from typing import Any

from vog.data.run_data import find_run_data
from vog.errors import VogError
from vog.figures import example_reader
from vog.result import Run

_LETTERS = 60
_Row = dict[str, Any]


def with_texts(run: Run, rows: Sequence[_Row], numbers: Sequence[int] | None = None) -> list[_Row]:
    """Return rows with a column `text`, if the examples of the run are texts or values by name.

    Args:
        run: the run, whose data are read again if they are still there.
        rows: rows with an `id`.
        numbers: the row number of each in the data; None to find them by the ids.
    """
    texts = _texts(run, [str(row["id"]) for row in rows], numbers) if rows else None
    if texts is None:
        return list(rows)
    return [{**row, "text": text} for row, text in zip(rows, texts, strict=True)]


def _texts(run: Run, ids: Sequence[str], numbers: Sequence[int] | None) -> list[str] | None:
    run_data = find_run_data(run)
    if run_data is None or not run_data.source.has_texts:
        return None
    try:
        read = example_reader.reader(run)
        if numbers is None:
            numbers = _row_numbers(run, ids)
        texts: list[str] = []
        for number, name in zip(numbers, ids, strict=True):
            text = _text_of(read(number, name))
            if text is None:  # pictures, as are all the others
                return None
            texts.append(text)
    except VogError:  # the data have moved or changed; the table is whole without them
        return None
    return texts


def _row_numbers(run: Run, ids: Sequence[str]) -> list[int]:
    table = run.table(["index", "id"])
    number = dict(zip(table["id"].to_pylist(), table["index"].to_pylist(), strict=True))
    return [number[name] for name in ids]


def _text_of(example: Any) -> str | None:
    """Return a text on one line, cut; None if the example is neither a text nor values by name."""
    if isinstance(example, Mapping):
        example = ", ".join(f"{name}: {value:g}" for name, value in example.items())
    if not isinstance(example, str):
        return None
    line = ", ".join(part.strip() for part in example.splitlines() if part.strip())
    return line if len(line) <= _LETTERS else f"{line[:_LETTERS]}\u2026"
