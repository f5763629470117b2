"""Charts in a notebook: the definition with an SVG beside it, and no network."""

import copy
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from vog.figures.charts import ChartsByName, alt
from vog.figures.charts.in_notebooks import with_svg

DATA = alt.Data(values=[{"x": 1, "y": 2}, {"x": 2, "y": 3}])
POINTS = alt.Chart(DATA).mark_point().encode(x="x:Q", y="y:Q").properties(description="Two points.")
KINDS = {
    "chart": POINTS,
    "layer": alt.layer(POINTS, POINTS),
    "concat": alt.concat(POINTS, POINTS),
    "vconcat": alt.vconcat(POINTS, POINTS),
    "hconcat": alt.hconcat(POINTS, POINTS),
    "facet": POINTS.facet("x:N"),
}


def shown(chart: Any) -> dict[str, Any]:
    return chart._repr_mimebundle_(include=None, exclude=None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_is_shown_as_definition_and_svg(kind: str) -> None:
    chart = KINDS[kind]
    bundle = shown(with_svg(chart))
    (definition,) = (key for key in bundle if key.startswith("application/vnd.vegalite.v"))
    assert bundle[definition] == chart.to_dict()
    assert alt.SCHEMA_VERSION.startswith(definition.split(".")[2].removesuffix("+json") + ".")
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    assert root.tag.endswith("svg")
    assert "text/html" not in bundle, "it would load Vega from the internet, and be preferred"
    json.dumps(bundle)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_still_a_chart_of_altair(kind: str) -> None:
    chart = with_svg(KINDS[kind])
    assert isinstance(chart, type(KINDS[kind]))
    assert chart.to_dict() == KINDS[kind].to_dict()
    assert "image/svg+xml" in shown(chart.properties(title="Another title"))
    assert "image/svg+xml" in shown(copy.deepcopy(chart))


def test_the_chart_that_was_given_stays_as_it_was() -> None:
    before = type(POINTS)
    with_svg(POINTS)
    assert type(POINTS) is before


def test_all_charts_in_one_cell() -> None:
    charts = ChartsByName({"first": POINTS, "a <b>": KINDS["layer"]})
    html = charts._repr_html_()
    assert html.count("<svg") == 2
    assert "a &lt;b&gt;" in html
    assert "http" not in html.replace("http://www.w3.org/", "")
    assert (repr(charts), repr(ChartsByName({}))) == ("charts: first, a <b>", "no charts")
    assert isinstance(charts["first"], alt.Chart)
