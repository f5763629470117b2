"""The section with the errors of the model along the score, at each stage."""

from pathlib import Path

from vog.analysis.one_run.overview import Overview, analyze
from vog.figures import charts
from vog.figures.charts import Chart
from vog.reporting.section import Section, or_missing


def _error_charts(overview: Overview) -> dict[str, Chart]:
    """Return a chart for each stage, all with the same axis."""
    errors = {stage: stage_errors.deciles for stage, stage_errors in overview.errors.items()}
    top = max((decile.high for bins in errors.values() for decile in bins), default=1.0)
    return {
        f"error_by_decile_{stage}": charts.error_by_decile(
            {stage: bins}, overview.score, f"Stage {stage}", overview.higher_is_harder, top
        )
        for stage, bins in errors.items()
    }


ERRORS = Section(
    id="errors",
    link="Errors",
    title="Where the model is wrong",
    find=or_missing(lambda reported: analyze(reported.run, reported.score)),
    template=Path(__file__).with_suffix(".html"),
    charts=_error_charts,
)
