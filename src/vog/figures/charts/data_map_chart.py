"""The data map: which examples are easy, ambiguous or hard to learn."""

from dataclasses import asdict

import altair as alt

from vog.analysis.one_run.data_map import DataMap
from vog.analysis.one_run.density_grid import DensityCell
from vog.figures.charts.theme import QUIET, WRONG_TO_RIGHT, Chart, data, narrow

_SHOWN = ("variability", "confidence", "correctness")
_WIDTH, _HEIGHT = 400, 320
_LEAST = 9.0  # square pixels that can still be seen
# What the two scores can be at all, so that the maps of two stages can be compared.
_WIDEST, _HIGHEST = 0.5, 1.0
_REGIONS = (
    {"x": 0.36, "y": 0.98, "text": "easy to learn"},
    {"x": 0.48, "y": 0.5, "text": "ambiguous"},
    {"x": 0.36, "y": 0.02, "text": "hard to learn"},
)


def data_map_chart(found: DataMap) -> Chart:
    """Variability to the right, confidence upwards, coloured by the share of checkpoints right.

    A point for each example where they are few; else a square for each cell of the density, the
    larger the more examples it holds.

    Source: Swayamdipta et al., EMNLP 2020.
    """
    marks = _points(found) if found.points else _squares(found)
    chart = alt.layer(marks, *_regions()).properties(width=_WIDTH, height=_HEIGHT)
    title = f"No example has a place on the data map of stage {found.stage}"
    if found.examples:
        title = f"Stage {found.stage}: on average {_right(found):.0%} of its checkpoints are right"
    what = "a point each" if found.points else "more of them in a larger square (log scale)"
    subtitle = f"{found.examples:,} examples, {what}"
    return narrow(
        chart,
        title,
        subtitle,
        f"Data map of {found.examples:,} examples by variability, to the right, and confidence, "
        f"upwards. {title}.",
    )


def _points(found: DataMap) -> alt.Chart:
    mark = alt.Chart(data(map(asdict, found.points))).mark_circle(size=20, opacity=0.85, aria=False)
    return mark.encode(
        x=_x("variability"),
        y=_y("confidence"),
        color=_colour("correctness"),
        tooltip=["index:Q", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in _SHOWN)],
    )


def _squares(found: DataMap) -> alt.Chart:
    cells = found.density.cells
    rows = [
        {
            "variability": (one.x0 + one.x1) / 2,
            "confidence": (one.y0 + one.y1) / 2,
            "correctness": one.mean,
            "examples": one.count,
        }
        for one in cells
    ]
    most = max((one.count for one in cells), default=1)
    size = alt.Scale(type="log", domain=[1, max(2, most)], range=[3, _room(cells)])
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
                *(alt.Tooltip(f"{name}:Q", format=".2f") for name in _SHOWN),
            ],
        )
    )


def _room(cells: tuple[DensityCell, ...]) -> float:
    """The area in square pixels of a square that just fits into a cell; all are of one size."""
    if not cells:
        return _LEAST
    wide = (cells[0].x1 - cells[0].x0) / _WIDEST * _WIDTH
    high = (cells[0].y1 - cells[0].y0) / _HIGHEST * _HEIGHT
    return max(_LEAST, min(wide, high) ** 2)


def _regions() -> tuple[alt.Chart, alt.Chart]:
    """The names of the regions, with a white edge where points lie under them."""
    base = alt.Chart(data(_REGIONS)).encode(x=_x("x"), y=_y("y"), text="text:N")
    look = {"align": "right", "fontSize": 12, "fontStyle": "italic"}
    edge = base.mark_text(stroke="white", strokeWidth=4, **look)
    return edge, base.mark_text(color=QUIET, **look)


def _right(found: DataMap) -> float:
    """The mean correctness of all examples."""
    cells = found.density.cells
    return sum(one.mean * one.count for one in cells) / sum(one.count for one in cells)


def _x(field: str) -> alt.X:
    scale = alt.Scale(domain=[0, _WIDEST], nice=False)
    return alt.X(
        f"{field}:Q",
        title="variability: standard deviation of that",
        scale=scale,
        axis=alt.Axis(tickCount=5),
    )


def _y(field: str) -> alt.Y:
    scale = alt.Scale(domain=[0, _HIGHEST], nice=False)
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
