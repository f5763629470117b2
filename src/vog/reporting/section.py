"""What one section of the report is: its results, charts, pictures and template."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from vog.analysis.label_errors.suspects import check_stage
from vog.analysis.one_run.score_columns import raw_column
from vog.errors import ResultError
from vog.figures.charts import Chart
from vog.result import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """The reason why a result is missing."""

    why: str


@dataclass(frozen=True)
class ReportedRun:
    """A run and the settings of its report, from which each section takes its results.

    Attributes:
        run: the run.
        by: the column that ranks the examples.
        score: `by` without its stage, such as `vog:class`.
        raw: the raw score behind `by`, such as `vog@all` for `vog@all:class`; it compares classes.
        stage: the stage whose checkpoints judge the labels; None for the rule of `vog.suspects`.
    """

    run: Run
    by: str
    score: str
    raw: str
    stage: str | None

    @property
    def unit(self) -> str | None:
        """Return the unit of a view of a score, such as `vog_z@all` of a combined run, or None."""
        is_view = self.by == self.run.score_column(self.by) != self.raw
        return column_metadata(self.run, self.by)["unit"] if is_view else None

    @property
    def whole_run_columns(self) -> list[str]:
        """Return the stored scores over all checkpoints."""
        return [name for name in self.run.score_columns if name.endswith("@all")]


@dataclass(frozen=True)
class SelectedRow:
    """An example of a gallery, and the lines of text below it."""

    index: int
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """The examples in the galleries of a section.

    Attributes:
        galleries: examples by name of the gallery.
        classes: the hardest and the easiest examples of each class; the last classes are left out
            if the page would become too large.
        left_out: the number of classes without a gallery.
    """

    galleries: Mapping[str, Sequence[SelectedRow]] = field(default_factory=dict)
    classes: Mapping[int, tuple[Sequence[SelectedRow], Sequence[SelectedRow]]] = field(
        default_factory=dict
    )
    left_out: int = 0


def _no_charts(result: Any) -> Mapping[str, Chart]:
    return {}


def _no_pictures(result: Any) -> Pictures:
    return Pictures()


@dataclass(frozen=True)
class Section(Generic[T]):
    """A section of the report; `vog.reporting.sections.SECTIONS` lists all in their order.

    Attributes:
        id: its address within the page, such as `map` for `#map`.
        link: its name in the navigation.
        title: its heading.
        find: returns its result before any chart is made; if it is `Missing`, see `or_missing`, the
            page shows the reason instead of `body`, and there are no charts and no pictures.
        template: the file with its text, which fills the blocks of `section.html`.
        charts: returns its charts from the result, by names that are unique in the report.
        pictures: returns the examples of its galleries from the result.
    """

    id: str
    link: str
    title: str
    find: Callable[[ReportedRun], T | Missing]
    template: Path
    charts: Callable[[T], Mapping[str, Chart]] = _no_charts
    pictures: Callable[[T], Pictures] = _no_pictures


def reported_run(run: Run, by: str | None = None, stage: str | None = None) -> ReportedRun:
    """Return a run with the settings of its report.

    Args:
        run: the run.
        by: the column that ranks the examples; by default the default column of the run.
        stage: the stage whose checkpoints judge the labels; None for the rule of `vog.suspects`.

    Raises:
        ResultError: there is no such score or stage.
    """
    check_stage(run, stage)
    by = run.sort_column(by)
    stored_column = run.score_column(by)
    score = stored_column.partition("@")[0] + by.removeprefix(stored_column)
    return ReportedRun(run, by, score, raw_column(run, by), stage)


def or_missing(find: Callable[[ReportedRun], T]) -> Callable[[ReportedRun], T | Missing]:
    """Return the same function with the reason as its result instead of a ResultError."""

    def find_or_missing(reported: ReportedRun) -> T | Missing:
        try:
            return find(reported)
        except ResultError as error:
            return Missing(str(error))

    return find_or_missing


def column_metadata(run: Run, column: str) -> dict[str, str]:
    """Return the metadata of a stored column."""
    metadata = run.schema.field(column).metadata
    return {key.decode(): value.decode() for key, value in metadata.items()}
