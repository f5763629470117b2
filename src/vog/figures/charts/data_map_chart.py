"""The chart of the data map: examples that are easy, ambiguous or hard to learn."""

from dataclasses import asdict

import altair as alt

from vog.analysis.one_run.data_map import DataMap
from vog.analysis.one_run.density_grid import DensityCell
from vog.figures.charts.theme import QUIET, WRONG_TO_RIGHT, Chart, data, narrow

_SCORES = ("variability", "confidence", "correctness")
_WIDTH, _HEIGHT = 400, 320
_LEAST_AREA = 9.0  # square pixels; smaller squares are hardly visible
# The axes span all possible values, so that maps of different stages can be compared.
_MOST_VARIABILITY, _MOST_CONFIDENCE = 0.5, 1.0
_REGIONS = (
    {"x": 0.36, "y": 0.98, "text": "easy to learn"},
    {"x": 0.48, "y": 0.5, "text": "ambiguous"},
    {"x": 0.36, "y": 0.02, "text": "hard to learn"},
)


def data_map_chart(data_map: DataMap) -> Chart:
    """Return a chart of variability (x) and confidence (y), coloured by correctness.

    A point is an example; if there are many, a square is a cell of their density.

    Source: Swayamdipta et al., EMNLP 2020.
    """
    marks = _points(data_map) if data_map.points else _squares(data_map)
    chart = alt.layer(marks, *_region_names()).properties(width=_WIDTH, height=_HEIGHT)
    title = f"No example has a place on the data map of stage {data_map.stage}"
    if data_map.examples:
        mean = _mean_correctness(data_map)
        title = f"Stage {data_map.stage}: on average {mean:.0%} of its checkpoints are right"
    unit = "a point each" if data_map.points else "more of them in a larger square (log scale)"
    subtitle = f"{data_map.examples:,} examples, {unit}"
    return narrow(
        chart,
        title,
        subtitle,
        f"Data map of {data_map.examples:,} examples by variability, to the right, and confidence, "
        f"upwards. {title}.",
    )


def _points(data_map: DataMap) -> alt.Chart:
    rows = data(map(asdict, data_map.points))
    mark = alt.Chart(rows).mark_circle(size=20, opacity=0.85, aria=False)
    return mark.encode(
        x=_x("variability"),
        y=_y("confidence"),
        color=_colour("correctness"),
        tooltip=["index:Q", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in _SCORES)],
    )


def _squares(data_map: DataMap) -> alt.Chart:
    cells = data_map.density.cells
    rows = [
        {
            "variability": (cell.x0 + cell.x1) / 2,
            "confidence": (cell.y0 + cell.y1) / 2,
            "correctness": cell.mean,
            "examples": cell.count,
        }
        for cell in cells
    ]
    most = max((cell.count for cell in cells), default=1)
    size = alt.Scale(type="log", domain=[1, max(2, most)], range=[3, _largest_area(cells)])
    return (
        alt.Chart(data(rows))
        .mark_square(opacity=1, aria=False)
        .encode(
            x=_x("variability"),
            y=_y("confidence"),
            color=_colour("correctness"),
            size=alt.Size("examples:Q", scale=size, legend=None),
            tooltip=[
                alt.Tooltip("examples:Q", format=","),
                *(alt.Tooltip(f"{name}:Q", format=".2f") for name in _SCORES),
            ],
        )
    )


def _largest_area(cells: tuple[DensityCell, ...]) -> float:
    """Return the area of the largest square that fits into a cell, in square pixels."""
    if not cells:
        return _LEAST_AREA
    wide = (cells[0].x1 - cells[0].x0) / _MOST_VARIABILITY * _WIDTH
    high = (cells[0].y1 - cells[0].y0) / _MOST_CONFIDENCE * _HEIGHT
    return max(_LEAST_AREA, min(wide, high) ** 2)


def _region_names() -> tuple[alt.Chart, alt.Chart]:
    """Return the names of the regions, with a white edge to be readable over points."""
    base = alt.Chart(data(_REGIONS)).encode(x=_x("x"), y=_y("y"), text="text:N")
    style = {"align": "right", "fontSize": 12, "fontStyle": "italic"}
    edge = base.mark_text(stroke="white", strokeWidth=4, **style)
    return edge, base.mark_text(color=QUIET, **style)


def _mean_correctness(data_map: DataMap) -> float:
    """Return the mean correctness of all examples, in [0, 1]."""
    cells = data_map.density.cells
    return sum(cell.mean * cell.count for cell in cells) / sum(cell.count for cell in cells)


def _x(field: str) -> alt.X:
    scale = alt.Scale(domain=[0, _MOST_VARIABILITY], nice=False)
    return alt.X(
        f"{field}:Q",
        title="variability: standard deviation of that probability",
        scale=scale,
        axis=alt.Axis(tickCount=5),
    )


def _y(field: str) -> alt.Y:
    scale = alt.Scale(domain=[0, _MOST_CONFIDENCE], nice=False)
    return alt.Y(
        f"{field}:Q",
        title="confidence: mean probability of the label",
        scale=scale,
        axis=alt.Axis(tickCount=5),
    )


def _colour(field: str) -> alt.Color:
    scale = alt.Scale(domain=[0, 1], range=list(WRONG_TO_RIGHT), interpolate="rgb")
    legend = alt.Legend(
        orient="bottom",
        title="correctness: share of the checkpoints that are right",
        titleLimit=400,
        gradientLength=_WIDTH,
        gradientThickness=10,
        format=".0%",
    )
    return alt.Color(f"{field}:Q", scale=scale, legend=legend)
