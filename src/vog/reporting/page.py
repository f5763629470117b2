"""Writes the report of a run: one page that opens offline and can be sent to anybody."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from vog import pages
from vog.analysis.one_run.label_agreement import label_agreement
from vog.errors import ResultError
from vog.figures import charts
from vog.figures.charts import Chart, ChartsByName
from vog.figures.previews import previewer
from vog.files.output_paths import output_path
from vog.files.writing import make_folder, write_text
from vog.progress import progress
from vog.reporting import charts as charts_by_section
from vog.reporting import galleries
from vog.reporting.findings import STEPS, Findings, collect_findings
from vog.result import Run

_VEGA_SNIPPET = "window.vegaEmbed = vegaEmbed;"
SUFFIXES = (".html", ".htm")
_Sections = Mapping[str, Mapping[str, Chart]]  # charts by section and name


def report(
    run: Run,
    out: str | Path,
    by: str | None = None,
    root: str | Path | None = None,
    data: Any = None,
    figures: str | Path | None = None,
    quiet: bool = True,
    warn: Callable[[str], None] = lambda _: None,
    stage: str | None = None,
) -> Path:
    """Write the report of a run as one file that needs no other files, and return its path.

    Args:
        run: the run.
        out: the file, which ends in `.html`; it is replaced only by a complete file.
        by: the column that ranks the examples; by default the default column of the run.
        root: location of the images, the `.npz` or the stored gradients, if they have moved.
        data: the dataset that was scored, or `file.py:function`, to show its items.
        figures: a folder to save each chart in, as PNG and SVG.
        quiet: show no progress.
        stage: the stage whose checkpoints judge the labels; None for the rule of `vog.suspects`.
        warn: called with a message if some examples have no picture.

    Raises:
        ResultError: there is no such column or stage, or `out` is no page or cannot be written.
        FunctionError: `data` names no function, or the function fails.
    """
    out = output_path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise ResultError(f"{out}: a report is a page. End its name in .html.")
    preview = previewer(run, None if root is None else Path(root), data, size=galleries.SIZE)
    with progress("reading", STEPS, quiet=quiet) as advance:
        findings = collect_findings(run, by, advance, stage)
    plan = galleries.plan_galleries(run, findings)
    with progress("pictures", plan.example_count, quiet=quiet) as advance:
        filled = galleries.fill_galleries(run, plan, preview, advance)
    if filled.missing is not None:
        share = f"{filled.without_preview:,} of {filled.example_count:,}"
        warn(f"{share} examples have no picture. {filled.missing}")
    sections = charts_by_section.charts_by_section(run, findings)
    write_text(out, _page_html(run, findings, filled, sections))
    if figures is not None:
        _save_charts(_charts_by_name(sections), Path(figures), quiet)
    return out


def charts_of(run: Run, by: str | None = None) -> ChartsByName:
    """Return the charts of the report by name, as Altair charts.

    A notebook shows them, all or one of them, without a network. Charts that need scores or stages
    that the run lacks are left out.

    Args:
        run: a run with its folder.
        by: the score to rank by; by default that of the report.
    """
    findings = collect_findings(run, by)
    return ChartsByName(_charts_by_name(charts_by_section.charts_by_section(run, findings)))


def _charts_by_name(sections: _Sections) -> dict[str, Chart]:
    return {name: chart for section in sections.values() for name, chart in section.items()}


def _save_charts(charts_by_name: Mapping[str, Chart], folder: Path, quiet: bool) -> None:
    make_folder(folder)
    with progress("figures", len(charts_by_name), quiet=quiet) as advance:
        for name, chart in charts_by_name.items():
            for kind in ("png", "svg"):
                charts.save_chart(chart, folder / f"{name}.{kind}")
            advance(1)


def _page_html(
    run: Run, findings: Findings, filled: galleries.Galleries, sections: _Sections
) -> str:
    folder = Path(__file__).parent
    style, script = ((folder / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return (
        pages.environment("vog.reporting")
        .get_template("report.html")
        .render(
            run=run,
            agreement=label_agreement(run),
            findings=findings,
            galleries=filled,
            charts={
                section: {name: _chart_spec(chart) for name, chart in named_charts.items()}
                for section, named_charts in sections.items()
            },
            style=_unescaped(pages.style_sheet() + style),
            script=_unescaped(_vega_script() + "\n" + script),
            target=pages.target_words(run),
            class_name=lambda label: pages.class_text(run, label),
        )
    )


def _chart_spec(chart: Chart) -> dict[str, str]:
    """Return the JSON of a chart as text that cannot close the script element around it."""
    spec = chart.to_dict()
    text = json.dumps(spec, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return {
        "spec": _unescaped(text.replace("<", "\\u003c")),
        "alt": str(spec.get("description", "a chart")),
    }


def _vega_script() -> str:
    """Return the script that draws charts, with the Vega-Lite version of Altair."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.javascript_bundle(_VEGA_SNIPPET, vl_version=version).replace(
        "</script", "<\\/script"
    )


def _unescaped(text: str) -> Markup:
    """Return text from this package as markup that is not escaped."""
    return Markup(text)
