"""Decisions that people make about examples in the viewer, stored in the run folder.

`review.sqlite` holds one row for each decision, in the order in which they were made. The last
decision about an example that was not undone is in force. A decision is on disk before the page
confirms it, so that a killed server loses none. Examples are identified by their ids.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from vog.errors import ResultError

FILE = "review.sqlite"
Verdict = Literal["keep", "relabel", "drop"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

_TABLE = """
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    id TEXT NOT NULL,
    verdict TEXT,
    label INTEGER,
    note TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS decisions_by_id ON decisions (id);
"""
_COLUMNS = "number, at, id, verdict, label, note"
_LATEST_DECISIONS = (
    f"SELECT {_COLUMNS} FROM decisions WHERE number IN "
    "(SELECT max(number) FROM decisions WHERE NOT undone GROUP BY id)"
)


# Checks of the cells of a row: another program may have written the file.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "at": lambda value: isinstance(value, str),
    "id": lambda value: isinstance(value, str),
    "verdict": lambda value: value is None or value in VERDICTS,
    "label": lambda value: value is None or (isinstance(value, int) and value >= 0),
    "note": lambda value: isinstance(value, str),
}


@dataclass(frozen=True)
class Mark:
    """One decision about one example.

    Attributes:
        number: counts the decisions in the order in which they were made.
        at: the time, in UTC.
        id: the id of the example.
        verdict: None if a verdict was removed, or only a note was written.
        label: with `relabel`, the class that the example should have.
        note: free text; may be empty.
    """

    number: int
    at: str
    id: str
    verdict: str | None
    label: int | None
    note: str


@dataclass(frozen=True)
class Review:
    """The decisions about the examples of one run; the first one creates their file."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file of the decisions."""
        return self.folder / FILE

    def marks(self) -> dict[str, Mark]:
        """Return by id the decisions in force, each a verdict, a note or both; the latest last."""
        if not self.path.exists():
            return {}
        with self._open() as connection:
            rows = connection.execute(f"{_LATEST_DECISIONS} ORDER BY number").fetchall()
        decisions = (self._parse_mark(row) for row in rows)
        return {mark.id: mark for mark in decisions if mark.verdict is not None or mark.note}

    def last(self) -> Mark | None:
        """Return the decision that `undo` would take back, or None."""
        if not self.path.exists():
            return None
        with self._open() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM decisions WHERE NOT undone ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else self._parse_mark(row)

    def mark(self, id: str, verdict: str | None, label: int | None = None, note: str = "") -> Mark:
        """Store a decision about an example, which replaces earlier ones, and return it.

        Raises:
            ResultError: unknown verdict, no class to relabel to, or the folder cannot be written.
        """
        if verdict is not None and verdict not in VERDICTS:
            raise ResultError(f"{verdict!r} is no verdict. Expected {', '.join(VERDICTS)}.")
        if verdict == "relabel" and label is None:
            raise ResultError("which class is the right one? Choose it beside `relabel`.")
        right_label = label if verdict == "relabel" else None
        timestamp = datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as connection:
            row = connection.execute(
                "INSERT INTO decisions (at, id, verdict, label, note) VALUES (?, ?, ?, ?, ?) "
                f"RETURNING {_COLUMNS}",
                (timestamp, id, verdict, right_label, note),
            ).fetchone()
        return Mark(*row)

    def undo(self) -> Mark | None:
        """Take back the latest decision and return it; None if there is none.

        Raises:
            ResultError: the folder cannot be written.
        """
        if not self.path.exists():
            return None
        with self._open() as connection:
            row = connection.execute(
                "UPDATE decisions SET undone = 1 WHERE number = "
                f"(SELECT max(number) FROM decisions WHERE NOT undone) RETURNING {_COLUMNS}"
            ).fetchone()
        return None if row is None else self._parse_mark(row)

    def _parse_mark(self, row: tuple[Any, ...]) -> Mark:
        """Return a row of the file as a mark.

        Raises:
            ResultError: a cell does not hold what this module writes.
        """
        cells: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
        wrong = next((name for name, check in _CHECKS.items() if not check(cells[name])), None)
        if wrong is None and cells["verdict"] == "relabel" and cells["label"] is None:
            wrong = "label"
        if wrong is not None:
            raise ResultError(
                f"{self.path} holds a decision that `vog view` did not write: in number "
                f"{cells['number']} the {wrong} is {cells[wrong]!r:.60}. Correct it, or move the "
                f"file away; its decisions are then not in force."
            )
        return Mark(*row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection; its changes are on disk afterwards, or none of them is made."""
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection:
                # A decision must be on disk before the page confirms it. The default journal is
                # kept: unlike a write-ahead log, it works on network disks too.
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_TABLE)
                with connection:
                    yield connection
        except sqlite3.Error as error:
            raise ResultError(
                f"{self.path} cannot be read or written: {error}. Marks are kept in the run "
                f"folder; make it writable, or move a damaged file away."
            ) from error
