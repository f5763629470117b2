"""Charts that a notebook shows without a network: an SVG stands beside the definition.

Altair's own display is a page that loads Vega from the internet. A front end that has Vega draws
the definition; all others, and files such as a printed notebook, show the SVG.
"""

from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any, cast

from vog.figures.charts.theme import Chart, alt, chart_svg

_DEFINITION = f"application/vnd.vegalite.{alt.SCHEMA_VERSION.partition('.')[0]}+json"


class ChartsByName(dict[str, Chart]):
    """Charts by name, a dictionary; a notebook shows them below each other."""

    def __init__(self, charts: Mapping[str, Chart]) -> None:
        super().__init__({name: with_svg(chart) for name, chart in charts.items()})

    def __repr__(self) -> str:
        """Return the names of the charts; a definition is pages long."""
        return f"charts: {', '.join(self)}" if self else "no charts"

    def _repr_html_(self) -> str:
        return "".join(
            f"<figure><figcaption><code>{escape(name)}</code></figcaption>{chart_svg(chart)}</figure>"
            for name, chart in self.items()
        )


def with_svg(chart: Chart) -> Chart:
    """Return the same chart, of a class that displays its definition and an SVG of it."""
    shown = cast(Any, chart).copy(deep=False)
    # A chart keeps its type, so that all that Altair does with a chart is possible.
    object.__setattr__(shown, "__class__", _displayed(type(chart)))
    return shown


@cache
def _displayed(kind: type[Chart]) -> type[Chart]:
    members = {"_repr_mimebundle_": _mime_bundle, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), members)


def _mime_bundle(chart: Chart, include: object = None, exclude: object = None) -> dict[str, Any]:
    definition = chart.to_dict()
    return {
        _DEFINITION: definition,
        "image/svg+xml": chart_svg(chart),
        "text/plain": f"<{type(chart).__name__}: {definition.get('description', 'a chart')}>",
    }
