"""What a chart shows: the rows of its data, and the shapes of its SVG."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from vog.figures import charts


def spec(chart: charts.Chart) -> dict[str, Any]:
    """As it goes into a page; infinities and NaN would raise here."""
    return json.loads(json.dumps(chart.to_dict(), allow_nan=False))


def values(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every row of data in a spec."""
    for key, part in found.items():
        if key == "data":
            yield from part["values"]
        elif key in ("layer", "concat", "vconcat"):
            for one in part:
                yield from values(one)


def drawn(chart: charts.Chart, kind: str) -> int:
    """How many shapes an SVG has of a kind that is not told one by one."""
    root = ElementTree.fromstring(charts.chart_svg(chart))
    groups = [one for one in root.iter() if f"mark-{kind} " in one.get("class", "")]
    return sum(len(one) for one in groups if "role-mark" in one.get("class", ""))
