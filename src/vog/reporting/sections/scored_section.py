"""The section that says what was scored, and the main results of other sections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vog.analysis.one_run.correlation import spearman
from vog.reporting.section import ReportedRun, Section
from vog.result.rows import LENGTH

_MOST_ROWS = 20


@dataclass(frozen=True)
class Problems:
    """The rows that could not be read or scored, and whether the ranking is one of lengths.

    Attributes:
        rows: id and problem of the first of them.
        count: the number of all of them.
        length_correlation: Spearman's correlation of the column that ranks with the length; None if
            the run has no lengths, or they are equal.
    """

    rows: list[dict[str, Any]]
    count: int
    length_correlation: float | None = None


def _problems(reported: ReportedRun) -> Problems:
    table = reported.run.problems()
    rows = table.slice(0, _MOST_ROWS).to_pylist()
    return Problems(rows, len(table), _length_correlation(reported))


def _length_correlation(reported: ReportedRun) -> float | None:
    run = reported.run
    if LENGTH not in run.columns:
        return None
    correlation = spearman(run.values(reported.by), run.values(LENGTH))
    return None if np.isnan(correlation) else correlation


SCORED = Section(
    id="scored",
    link="What",
    title="What was scored",
    find=_problems,
    template=Path(__file__).with_suffix(".html"),
)
