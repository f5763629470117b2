"""Charts of the two-dimensional toy: the learned boundary, and VoG against the distance to it."""

from typing import Any

import altair as alt
import numpy as np
from jaxtyping import Float, Int

from vog.figures.charts.theme import QUIET, Chart, data, styled

_CLASSES, _REGIONS = ("#2b5d9b", "#d0582f"), ("#e3ecf6", "#fbe9e1")


def decision_regions(
    points: Float[np.ndarray, "n 2"],
    labels: Int[np.ndarray, "n"],
    normal: Float[np.ndarray, "2"],
    offset: float,
) -> Chart:
    """Return a chart of points of two classes, and the half plane where each class is predicted.

    Args:
        points: their coordinates.
        labels: 0 or 1.
        normal: normal of the boundary `normal . x + offset = 0`, which is not vertical.
        offset: offset of the boundary; class 1 is on its positive side.
    """
    (x0, y0), (x1, y1) = points.min(0) - 1, points.max(0) + 1
    edges = [
        {"x": float(x), "line": float(-(offset + normal[0] * x) / normal[1])} for x in (x0, x1)
    ]
    x = alt.X("x:Q", title="feature 1", scale=alt.Scale(domain=[x0, x1], nice=False))
    y = alt.Scale(domain=[y0, y1], nice=False)
    below, above = _REGIONS if normal[1] > 0 else _REGIONS[::-1]
    base = alt.Chart(data(edges)).encode(x=x)
    regions = [
        base.mark_area(color=colour, clip=True).encode(
            y=alt.Y("line:Q", scale=y, title="feature 2"), y2=alt.datum(float(end))
        )
        for colour, end in ((below, y0), (above, y1))
    ]
    line = base.mark_line(color=QUIET, strokeWidth=1.5, clip=True).encode(y="line:Q")
    rows = [
        {"x": float(a), "y": float(b), "class": f"class {label}"}
        for (a, b), label in zip(points, labels, strict=True)
    ]
    dots = _points(rows).encode(x=x, y=alt.Y("y:Q", scale=y))
    chart = alt.layer(*regions, line, dots).properties(width=480, height=360)
    return styled(
        chart,
        "What the network learned",
        f"{len(points)} points; the line is where it is undecided",
    )


def vog_against_distance(
    values: Float[np.ndarray, "n"],
    distances: Float[np.ndarray, "n"],
    labels: Int[np.ndarray, "n"],
    vog: str,
    subtitle: str,
) -> Chart:
    """Return a chart of VoG against the perpendicular distance to the learned boundary, by class.

    Args:
        values: VoG of each point.
        distances: distance of each point, in the units of the features.
        labels: 0 or 1.
        vog: title of the axis of `values`.
        subtitle: which points these are, and the result.
    """
    rows = [
        {"vog": float(value), "distance": float(distance), "class": f"class {label}"}
        for value, distance, label in zip(values, distances, labels, strict=True)
    ]
    dots = _points(rows).encode(
        x=alt.X("vog:Q", title=vog, scale=alt.Scale(zero=False, padding=12)),
        y=alt.Y("distance:Q", title="distance to the learned boundary"),
        tooltip=["class:N", alt.Tooltip("vog:Q", format=".3g"), "distance:Q"],
    )
    title = "VoG against the distance to the boundary"
    return styled(dots.properties(width=480, height=360), title, subtitle)


def _points(rows: list[dict[str, Any]]) -> alt.Chart:
    """Return points of two classes, in the same colours in every figure."""
    scale = alt.Scale(domain=["class 0", "class 1"], range=list(_CLASSES))
    mark = alt.Chart(data(rows)).mark_point(
        filled=True, size=70, opacity=0.85, stroke="white", strokeWidth=1
    )
    return mark.encode(color=alt.Color("class:N", scale=scale, title=None))
