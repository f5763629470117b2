"""Writes the report of a run: one page that opens offline and can be sent to anybody."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
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
from vog.reporting import galleries, sections, token_previews
from vog.reporting.section import Missing, ReportedRun, Section, reported_run
from vog.reporting.section_results import find_results, sections_with_results
from vog.result import Run

_VEGA_SNIPPET = "window.vegaEmbed = vegaEmbed;"
SUFFIXES = (".html", ".htm")
_Charts = Mapping[str, Mapping[str, Chart]]  # by section and name


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
    inspect: token_previews.Inspect | None = None,
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
        inspect: computes the maps of the tokens of texts, as `vog.inspection.inspector(run)` does;
            it runs the model. Without it, texts are shown as they are.

    Raises:
        ResultError: there is no such column or stage, or `out` is no page or cannot be written.
        FunctionError: `data` names no function, or the function fails.
    """
    out = output_path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise ResultError(f"{out}: a report is a page. End its name in .html.")
    preview = previewer(run, None if root is None else Path(root), data, size=galleries.SIZE)
    if inspect is not None:
        preview = token_previews.with_token_maps(preview, inspect)
    reported = reported_run(run, by, stage)
    with progress("reading", len(sections.SECTIONS), quiet=quiet) as advance:
        results = find_results(reported, advance)
    pictures = {
        section.id: section.pictures(result) for section, result in sections_with_results(results)
    }
    with progress("pictures", len(galleries.examples_shown(pictures)), quiet=quiet) as advance:
        filled = galleries.fill_galleries(run, pictures, preview, advance)
    if filled.missing is not None:
        share = f"{filled.without_preview:,} of {filled.example_count:,}"
        warn(f"{share} examples have no picture. {filled.missing}")
    section_charts = _charts_by_section(results)
    write_text(out, _page_html(reported, results, filled, section_charts))
    if figures is not None:
        _save_charts(_charts_by_name(section_charts), Path(figures), quiet)
    return out


def charts_of(run: Run, by: str | None = None) -> ChartsByName:
    """Return the charts of the report by name, as Altair charts.

    A notebook shows them, all or one of them, without a network. Charts that need scores or stages
    that the run lacks are left out.

    Args:
        run: a run with its folder.
        by: the score to rank by; by default that of the report.
    """
    results = find_results(reported_run(run, by))
    return ChartsByName(_charts_by_name(_charts_by_section(results)))


def _charts_by_section(results: Mapping[str, Any]) -> _Charts:
    return {
        section.id: section.charts(result) for section, result in sections_with_results(results)
    }


def _charts_by_name(section_charts: _Charts) -> dict[str, Chart]:
    return {name: chart for by_name in section_charts.values() for name, chart in by_name.items()}


def _save_charts(charts_by_name: Mapping[str, Chart], folder: Path, quiet: bool) -> None:
    make_folder(folder)
    with progress("figures", len(charts_by_name), quiet=quiet) as advance:
        for name, chart in charts_by_name.items():
            for kind in ("png", "svg"):
                charts.save_chart(chart, folder / f"{name}.{kind}")
            advance(1)


def _page_html(
    reported: ReportedRun,
    results: Mapping[str, Any],
    filled: galleries.Galleries,
    section_charts: _Charts,
) -> str:
    folder = Path(__file__).parent
    style, script = ((folder / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    shared = _shared_variables(reported, results, filled)
    return _template(folder / "templates" / "report.html").render(
        shared,
        links=[(section.id, section.link) for section in sections.SECTIONS],
        sections=[
            _section_html(section, shared, filled, section_charts.get(section.id, {}))
            for section in sections.SECTIONS
        ],
        style=_unescaped(pages.style_sheet() + style),
        script=_unescaped(_vega_script() + "\n" + script),
    )


def _shared_variables(
    reported: ReportedRun, results: Mapping[str, Any], filled: galleries.Galleries
) -> dict[str, Any]:
    """Return the variables that the templates of all sections have.

    `no_picture` is the reason why an example has no picture, `combined` the runs of a combined
    run, `last` the words for the checkpoint that predicts, and `target` those for the target.
    """
    run = reported.run
    combined = run.question.get("combined")
    return {
        "run": run,
        "reported": reported,
        "results": results,
        "label_agreement": label_agreement(run),
        "no_picture": filled.missing,
        "combined": combined,
        "last": "most runs' last checkpoints" if combined else "the last checkpoint",
        "target": pages.target_words(run),
        "class_name": lambda label: pages.class_text(run, label),
    }


def _section_html(
    section: Section[Any],
    shared: Mapping[str, Any],
    filled: galleries.Galleries,
    charts_by_name: Mapping[str, Chart],
) -> Markup:
    """Return a section as markup; its template has `shared` and what is of this section alone."""
    result = shared["results"][section.id]
    html = _template(section.template).render(
        shared,
        section=section,
        heading="h1" if section is sections.SECTIONS[0] else "h2",
        result=result,
        missing=isinstance(result, Missing),
        charts={name: _chart_spec(chart) for name, chart in charts_by_name.items()},
        galleries=filled.sections.get(section.id, galleries.SectionGalleries()),
    )
    return _unescaped(html)


def _template(path: Path) -> jinja2.Template:
    """Return the template in a file; it may extend and import those in `templates`."""
    environment = pages.environment("vog.reporting")
    loader = jinja2.FileSystemLoader(path.parent)
    return loader.load(environment, path.name, environment.make_globals(None))


def _chart_spec(chart: Chart) -> dict[str, str]:
    """Return the JSON of a chart as text that cannot close the script element around it."""
    spec = chart.to_dict()
    text = json.dumps(spec, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return {
        "spec": _unescaped(text.replace("<", "\\u003c")),
        "alt": str(spec.get("description", "a chart")),
    }


@cache  # it takes a second
def _vega_script() -> str:
    """Return the script that draws charts, with the Vega-Lite version of Altair."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.javascript_bundle(_VEGA_SNIPPET, vl_version=version).replace(
        "</script", "<\\/script"
    )


def _unescaped(text: str) -> Markup:
    """Return text from this package as markup that is not escaped."""
    return Markup(text)
