"""The report: one page that says what a run found, opens offline, and can be sent to anybody."""

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
from vog.figures.charts import Chart
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
    """Write the report of a run as one file that needs nothing from elsewhere.

    Args:
        run: the run.
        out: the file; replaced only when the new one is whole.
        by: the column that examples are ranked by, `vog@all:class` unless told otherwise.
        root: where the images, the `.npz` or the stored gradients are, if they have moved.
        data: the dataset that was scored, or `file.py:function`, to show its items.
        figures: a folder to save each chart in, as PNG and SVG.
        quiet: no progress.
        stage: which checkpoints judge the labels; None for the rule of `vog.suspects`.
        warn: hears how many examples have no picture, and why, where some have none.

    Raises:
        ResultError: there is no such column or stage, the file cannot be written, or is named as
            something else than a page.
        FunctionError: `data` names no function, or it fails.
    """
    out = output_path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise ResultError(f"{out}: a report is a page. End its name in .html.")
    preview = previewer(
        run, None if root is None else Path(root), data, size=galleries.THUMBNAIL_SIZE
    )
    with progress("reading", STEPS, quiet=quiet) as advance:
        findings = collect_findings(run, by, advance, stage)
    plan = galleries.plan_galleries(run, findings)
    with progress("pictures", plan.example_count, quiet=quiet) as advance:
        filled = galleries.fill_galleries(run, plan, preview, advance)
    if filled.missing is not None:
        warn(
            f"{filled.without_preview:,} of {filled.example_count:,} examples have no picture. {filled.missing}"
        )
    sections = charts_by_section.charts_by_section(run, findings)
    write_text(out, _page_html(run, findings, filled, sections))
    if figures is not None:
        _save_charts(_charts_by_name(sections), Path(figures), quiet)
    return out


def charts_of(run: Run, by: str | None = None) -> dict[str, Chart]:
    """The charts of the report by name; each shows itself in a notebook, and can be saved.

    What the run cannot tell, for want of scores or stages, has no chart.
    """
    return _charts_by_name(charts_by_section.charts_by_section(run, collect_findings(run, by)))


def _charts_by_name(sections: Mapping[str, Mapping[str, Chart]]) -> dict[str, Chart]:
    return {name: chart for section in sections.values() for name, chart in section.items()}


def _save_charts(charts_by_name: Mapping[str, Chart], folder: Path, quiet: bool) -> None:
    make_folder(folder)
    with progress("figures", len(charts_by_name), quiet=quiet) as advance:
        for name, chart in charts_by_name.items():
            for kind in ("png", "svg"):
                charts.save_chart(chart, folder / f"{name}.{kind}")
            advance(1)


def _page_html(
    run: Run,
    findings: Findings,
    filled: galleries.Galleries,
    sections: Mapping[str, Mapping[str, Chart]],
) -> str:
    folder = Path(__file__).parent
    return (
        pages.environment("vog.reporting")
        .get_template("report.html")
        .render(
            run=run,
            agreement=label_agreement(run),
            found=findings,
            shown=filled,
            charts={
                section: {name: _chart_spec(chart) for name, chart in named_charts.items()}
                for section, named_charts in sections.items()
            },
            look=_unescaped(
                pages.style_sheet() + (folder / "report.css").read_text(encoding="utf-8")
            ),
            script=_unescaped(
                _vega_script() + "\n" + (folder / "report.js").read_text(encoding="utf-8")
            ),
            target=pages.target_words(run),
            class_name=lambda label: pages.class_text(run, label),
        )
    )


def _chart_spec(chart: Chart) -> dict[str, str]:
    """The definition of a chart as text that cannot end the script element it stands in."""
    spec = chart.to_dict()
    text = json.dumps(spec, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return {
        "spec": _unescaped(text.replace("<", "\\u003c")),
        "alt": str(spec.get("description", "a chart")),
    }


def _vega_script() -> str:
    """Vega-Lite and what draws it, of the version that the charts are written for."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.javascript_bundle(_VEGA_SNIPPET, vl_version=version).replace(
        "</script", "<\\/script"
    )


def _unescaped(text: str) -> Markup:
    """Text of ours that is not escaped again."""
    return Markup(text)
