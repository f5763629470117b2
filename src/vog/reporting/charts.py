"""The charts of the report, by the section that shows them."""

from vog.analysis.one_run.overview import Overview
from vog.figures import charts
from vog.figures.charts import Chart
from vog.reporting.findings import Findings, Missing
from vog.result import Run

_MANY_CLASSES = 40


def charts_by_section(run: Run, found: Findings) -> dict[str, dict[str, Chart]]:
    """By section, its charts by name; nothing for what the run cannot tell."""
    made: dict[str, dict[str, Chart]] = {}
    if not isinstance(found.overview, Missing):
        made["errors"] = _deciles(found.overview)
    if not isinstance(found.map, Missing):
        made["map"] = {"data_map": charts.data_map_chart(found.map)}
    if not isinstance(found.course, Missing):
        made["stages"] = {"stages": charts.stage_shift_chart(found.course)}
    if found.spread:
        made["classes"] = _classes(run, found)
    if len(found.agreement) > 1:
        made["agreement"] = {"agreement": charts.correlation_chart(found.agreement, "all")}
    if not isinstance(found.rival, Missing):
        compared = charts.comparison(
            found.rival.density, "vog@all", "grad_norm@all", found.rival.spearman
        )
        made["rival"] = {"vog_against_grad_norm": compared}
    return made


def _deciles(overview: Overview) -> dict[str, Chart]:
    """A panel a stage, all on one scale."""
    errors = {stage: one.deciles for stage, one in overview.errors.items()}
    top = max((one.high for bins in errors.values() for one in bins), default=1.0)
    return {
        f"error_by_decile_{stage}": charts.error_by_decile(
            {stage: bins}, overview.score, f"Stage {stage}", overview.hard_is_high, top
        )
        for stage, bins in errors.items()
    }


def _classes(run: Run, found: Findings) -> dict[str, Chart]:
    hard_is_high = run.hard_is_high(found.raw)
    made = {"classes": charts.class_spread_chart(found.spread, found.raw, hard_is_high)}
    if len(found.spread) > _MANY_CLASSES:
        made["all_classes"] = charts.class_band(found.spread, found.raw, hard_is_high)
    return made
