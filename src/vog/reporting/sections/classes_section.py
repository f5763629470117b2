"""The section on how hard the classes are, by the raw score."""

from dataclasses import dataclass
from pathlib import Path

from vog.analysis.one_run.class_quantiles import ClassSpread, class_spread
from vog.figures import charts
from vog.figures.charts import Chart
from vog.reporting.section import ReportedRun, Section

_MANY_CLASSES = 40


@dataclass(frozen=True)
class ClassSpreads:
    """Quantiles of the raw score in each class.

    Attributes:
        column: the raw score.
        higher_is_harder: True if a high score is hard.
        spreads: the quantiles, from the hardest class; empty if no row has a label and a score.
    """

    column: str
    higher_is_harder: bool
    spreads: tuple[ClassSpread, ...]


def _class_spreads(reported: ReportedRun) -> ClassSpreads:
    run, column = reported.run, reported.raw
    return ClassSpreads(column, run.higher_is_harder(column), class_spread(run, column))


def _class_charts(result: ClassSpreads) -> dict[str, Chart]:
    arguments = result.spreads, result.column, result.higher_is_harder
    if not result.spreads:
        return {}
    if len(result.spreads) <= _MANY_CLASSES:
        return {"classes": charts.class_spread_chart(*arguments)}
    return {
        "classes": charts.class_spread_chart(*arguments),
        "all_classes": charts.class_band(*arguments),
    }


CLASSES = Section(
    id="classes",
    link="Classes",
    title="How hard the classes are",
    find=_class_spreads,
    template=Path(__file__).with_suffix(".html"),
    charts=_class_charts,
)
