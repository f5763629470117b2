"""The charts of the report, by the section that shows them."""

from vog.analysis.one_run.overview import Overview
from vog.figures import charts
from vog.figures.charts import Chart
from vog.reporting.findings import Findings, Missing
from vog.result import Run

_MANY_CLASSES = 40


def charts_by_section(run: Run, findings: Findings) -> dict[str, dict[str, Chart]]:
    """Return the charts of each section by name; a section without results is left out."""
    sections: dict[str, dict[str, Chart]] = {}
    if not isinstance(findings.overview, Missing):
        sections["errors"] = _error_charts(findings.overview)
    if not isinstance(findings.data_map, Missing):
        sections["map"] = {"data_map": charts.data_map_chart(findings.data_map)}
    if not isinstance(findings.stage_shift, Missing):
        sections["stages"] = {"stages": charts.stage_shift_chart(findings.stage_shift)}
    if findings.class_spreads:
        sections["classes"] = _class_charts(run, findings)
    if len(findings.agreement) > 1:
        sections["agreement"] = {"agreement": charts.correlation_chart(findings.agreement, "all")}
    if not isinstance(findings.gradient_norm, Missing):
        pair = findings.gradient_norm
        chart = charts.comparison(pair.density, "vog@all", "grad_norm@all", pair.spearman)
        sections["gradient_norm"] = {"vog_against_grad_norm": chart}
    return sections


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


def _class_charts(run: Run, findings: Findings) -> dict[str, Chart]:
    higher_is_harder = run.higher_is_harder(findings.raw)
    spreads = findings.class_spreads
    named = {"classes": charts.class_spread_chart(spreads, findings.raw, higher_is_harder)}
    if len(spreads) > _MANY_CLASSES:
        named["all_classes"] = charts.class_band(spreads, findings.raw, higher_is_harder)
    return named
