"""The section that says what was scored, and the main results of other sections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.reporting.section import ReportedRun, Section

_MOST_ROWS = 20


@dataclass(frozen=True)
class Problems:
    """The rows that could not be read or scored.

    Attributes:
        rows: id and problem of the first of them.
        count: the number of all of them.
    """

    rows: list[dict[str, Any]]
    count: int


def _problems(reported: ReportedRun) -> Problems:
    table = reported.run.problems()
    return Problems(table.slice(0, _MOST_ROWS).to_pylist(), len(table))


SCORED = Section(
    id="scored",
    link="What",
    title="What was scored",
    find=_problems,
    template=Path(__file__).with_suffix(".html"),
)
