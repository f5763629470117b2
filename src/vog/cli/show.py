"""How the command line prints: tables for people, csv and json for programs."""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]


class TableFormat(StrEnum):
    """What a printed table is for."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def table(rows: Sequence[Row], form: TableFormat) -> None:
    """Print rows of the same columns to stdout."""
    if form is TableFormat.JSON:
        from vog.result.files import as_json

        sys.stdout.write(as_json(list(rows)))
    elif form is TableFormat.CSV:
        sys.stdout.write(csv_text(rows))
    else:
        for_people(rows)


def csv_text(rows: Sequence[Row]) -> str:
    """Rows of the same columns as csv, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys() if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def for_people(rows: Sequence[Row]) -> None:
    """Print rows with aligned columns; numbers to four digits."""
    console = console_for(stderr=False)
    if not rows:
        console.print("no rows")
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float | None) for row in rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row.values()))
    console.print(drawn)


def console_for(stderr: bool) -> Console:
    """A console that does not squeeze what is piped into 80 columns."""
    console = Console(stderr=stderr, highlight=False, markup=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, markup=False, width=200)
    return console


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
