"""A section of the report is one object: a line in the table brings all that belongs to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import altair as alt
import pytest

import vog
from runs import EASIER, plain_rows, write_rows
from vog.errors import ResultError
from vog.reporting import page
from vog.reporting.page import report
from vog.reporting.section import Missing, Pictures, ReportedRun, Section, SelectedRow, or_missing
from vog.reporting.sections import SECTIONS
from vog.result import Run

TEMPLATE = """{% extends "section.html" %}
{% from "parts.html" import draw_charts, gallery %}
{% block body %}
<p>{{ result | count }} rows of {{ run.folder.name }}.</p>
{{ draw_charts(charts) }}
{{ gallery(galleries.tiles.ends) }}
{% endblock %}
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    values = [float(row) for row in range(12)]
    rows = plain_rows({"vog@all": values, "loss@all": values})
    return write_rows(tmp_path / "run", rows, EASIER, ("ant", "bee", "cat", "dog"))


@pytest.fixture
def sizes(tmp_path: Path) -> Section[int]:
    """A section with the number of rows, one chart, and the first and the last row."""
    (tmp_path / "sizes.html").write_text(TEMPLATE)

    def draw(rows: int) -> dict[str, alt.Chart]:
        return {"sizes_chart": alt.Chart(alt.Data(values=[{"rows": rows}])).mark_bar()}

    return Section(
        id="sizes",
        link="Sizes",
        title="How many <rows>",
        find=lambda reported: reported.run.rows,
        template=tmp_path / "sizes.html",
        charts=draw,
        pictures=lambda rows: Pictures({"ends": [SelectedRow(0), SelectedRow(rows - 1)]}),
    )


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The total of each progress bar, and the steps after it."""
    counted: dict[str, list[int]] = {}

    @contextmanager
    def count(name: str, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
        counted[name] = [total]
        yield counted[name].append

    monkeypatch.setattr(page, "progress", count)
    return counted


def add(monkeypatch: pytest.MonkeyPatch, section: Section) -> None:
    monkeypatch.setattr("vog.reporting.sections.SECTIONS", (*SECTIONS, section))


def test_a_section_is_one_line_in_the_table(
    run: Run,
    sizes: Section[int],
    steps: dict[str, list[int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "sizes_chart" not in vog.charts(run)
    without = report(run, tmp_path / "r.html").read_text("utf-8")
    add(monkeypatch, sizes)
    text = report(run, tmp_path / "r.html", figures=tmp_path / "figures").read_text("utf-8")
    assert '<a href="#columns">Columns</a> <a href="#sizes">Sizes</a></nav>' in text
    inside = text.partition('<section id="sizes">\n<h2>How many &lt;rows&gt;</h2>\n')[2]
    assert inside.startswith("<p>12 rows of run.</p>\n")
    assert 'id="sizes_chart-spec"' in inside
    assert inside.count('<li class="tile') == 2
    assert "sizes_chart" in vog.charts(run)
    assert (tmp_path / "figures/sizes_chart.svg").exists()
    assert steps["reading"] == [len(SECTIONS) + 1, *[1] * (len(SECTIONS) + 1)]
    head, _, tail = text.partition('\n<section id="sizes">')
    tail = tail.partition("</section>\n")[2]
    assert (head + tail).replace(' <a href="#sizes">Sizes</a>', "") == without


def test_a_section_without_a_result_says_why(
    run: Run, sizes: Section[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @or_missing
    def refuse(reported: ReportedRun) -> int:
        raise ResultError(f"There are no <sizes> by {reported.by}.")

    assert refuse(ReportedRun(run, "vog@all", "vog", "vog@all", None)) == Missing(
        "There are no <sizes> by vog@all."
    )
    add(monkeypatch, replace(sizes, find=refuse))
    text = report(run, tmp_path / "r.html", by="vog@all").read_text("utf-8")
    inside = text.partition('<section id="sizes">')[2].partition("</section>")[0]
    assert inside.endswith('<div class="note"><p>There are no &lt;sizes&gt; by vog@all.</p></div>')
    assert "sizes_chart" not in vog.charts(run)


def test_ids_and_links_are_unique() -> None:
    for values in zip(
        *((one.id, one.link, one.title, one.template) for one in SECTIONS), strict=True
    ):
        assert len(set(values)) == len(SECTIONS)


def test_every_section_has_its_template() -> None:
    assert all(one.template.is_file() for one in SECTIONS)
