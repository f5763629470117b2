"""Charts as Altair definitions: one definition serves PNG, SVG, notebook and page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from jaxtyping import Float, Int

from vog.analysis.percentile import Bin
from vog.errors import ResultError
from vog.result.files import write_whole

Chart = alt.TopLevelMixin
Part = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart
FORMATS = ("png", "svg", "html", "json")
_INK, _QUIET, _BAR, _END = "#1f2933", "#616e7c", "#b5cbe2", "#4a7fb5"
_CLASSES, _REGIONS = ("#2b5d9b", "#d0582f"), ("#e3ecf6", "#fbe9e1")


def error_by_decile(
    bins: Mapping[str, Sequence[Bin]], score: str, title: str, hard_is_high: bool
) -> Chart:
    """By stage, bars of the error rate in each bin with 95 % Wilson intervals, and the mean.

    Args:
        bins: by stage, from `vog.analysis.percentile.error_by_rank`; one panel a stage.
        score: the column they are ranked by, as the axis names it.
        title: what is scored.
        hard_is_high: which end of the axis is called hard.
    """
    ends = ("easy", "hard") if hard_is_high else ("hard", "easy")
    axis = f"percentile of {score}   ({ends[0]} \u2192 {ends[1]})"
    panels = [_deciles(of, stage, axis, len(bins) > 1) for stage, of in bins.items()]
    count = sum(one.examples for one in next(iter(bins.values())))
    subtitle = [
        f"{count:,} examples in bins of equal size, the lowest and the highest darker",
        "dashed: all of them; whiskers: 95 % Wilson intervals",
    ]
    columns = 1 if len(panels) == 1 else 2
    chart = alt.concat(*panels, columns=columns, spacing=28).resolve_scale(y="shared")
    return styled(chart, title, subtitle)


def _deciles(
    bins: Sequence[Bin], stage: str, axis: str, named: bool
) -> alt.LayerChart | alt.FacetChart:
    rows: list[dict[str, Any]] = [
        asdict(one)
        | {"bin": f"{100 * one.first:.0f}-{100 * one.last:.0f}", "end": i in (0, len(bins) - 1)}
        for i, one in enumerate(bins)
    ]
    mean = sum(one.error * one.examples for one in bins) / max(1, sum(b.examples for b in bins))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("bin:N", sort=None, title=axis, axis=alt.Axis(labelAngle=0))
    )
    bars = base.mark_bar(size=26).encode(
        y=alt.Y("error:Q", title="error rate", axis=alt.Axis(format="%", tickCount=6)),
        color=alt.condition("datum.end", alt.value(_END), alt.value(_BAR)),
        tooltip=["bin:N", "examples:Q", alt.Tooltip("error:Q", format=".1%")],
    )
    whiskers = base.mark_rule(color=_INK, strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    line = alt.Chart(alt.Data(values=[{"mean": mean}]))
    rule = line.mark_rule(color=_INK, strokeDash=[4, 4]).encode(y="mean:Q")
    said = f"{stage}: {mean:.1%} wrong" if named else f"{mean:.1%} wrong"
    title = alt.Title(said, anchor="start", fontSize=13, fontWeight="normal", offset=6)
    return alt.layer(bars, whiskers, rule).properties(width=440, height=220, title=title)


def decision_regions(
    points: Float[np.ndarray, "n 2"],
    labels: Int[np.ndarray, "n"],
    normal: Float[np.ndarray, "2"],
    offset: float,
) -> Chart:
    """Points of two classes, and the half planes where a linear network says one or the other.

    Args:
        points: where they are.
        labels: 0 or 1.
        normal: of the line `normal . x + offset = 0`, which is not vertical.
        offset: class 1 is on its positive side.
    """
    (left, bottom), (right, top) = points.min(0) - 1, points.max(0) + 1
    edges = [
        {"x": float(x), "line": float(-(offset + normal[0] * x) / normal[1])} for x in (left, right)
    ]
    x = alt.X("x:Q", title="feature 1", scale=alt.Scale(domain=[left, right], nice=False))
    y = alt.Scale(domain=[bottom, top], nice=False)
    below, above = _REGIONS if normal[1] > 0 else _REGIONS[::-1]
    base = alt.Chart(alt.Data(values=edges)).encode(x=x)
    regions = [
        base.mark_area(color=colour, clip=True).encode(
            y=alt.Y("line:Q", scale=y, title="feature 2"), y2=alt.datum(float(end))
        )
        for colour, end in ((below, bottom), (above, top))
    ]
    line = base.mark_line(color=_QUIET, strokeWidth=1.5, clip=True).encode(y="line:Q")
    rows = [
        {"x": float(a), "y": float(b), "class": f"class {label}"}
        for (a, b), label in zip(points, labels, strict=True)
    ]
    drawn = _points(rows).encode(x=x, y=alt.Y("y:Q", scale=y))
    chart = alt.layer(*regions, line, drawn).properties(width=480, height=360)
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
    """VoG of each point against its perpendicular distance to the learned boundary, by class.

    Args:
        values: of which VoG; the axis calls it `vog`.
        distances: of the points, in the units of the features.
        labels: 0 or 1.
        vog: what `values` are.
        subtitle: which points, and what was found.
    """
    rows = [
        {"vog": float(value), "distance": float(distance), "class": f"class {label}"}
        for value, distance, label in zip(values, distances, labels, strict=True)
    ]
    drawn = _points(rows).encode(
        x=alt.X("vog:Q", title=vog, scale=alt.Scale(zero=False, padding=12)),
        y=alt.Y("distance:Q", title="distance to the learned boundary"),
        tooltip=["class:N", alt.Tooltip("vog:Q", format=".3g"), "distance:Q"],
    )
    title = "VoG against the distance to the boundary"
    return styled(drawn.properties(width=480, height=360), title, subtitle)


def _points(rows: list[dict[str, Any]]) -> alt.Chart:
    """Points of two classes, coloured alike in every figure."""
    scale = alt.Scale(domain=["class 0", "class 1"], range=list(_CLASSES))
    mark = alt.Chart(alt.Data(values=rows)).mark_point(
        filled=True, size=70, opacity=0.85, stroke="white", strokeWidth=1
    )
    return mark.encode(color=alt.Color("class:N", scale=scale, title=None))


def save(chart: Chart, path: Path) -> Path:
    """Write a chart in the format that the ending of the path names; PNG at twice the size.

    Raises:
        ResultError: another ending, or the file cannot be written.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise ResultError(f"{path}: a chart is saved as .{', .'.join(FORMATS)}.")
    scale, inline = 2 if kind == "png" else 1, kind == "html"
    write_whole(path, lambda beside: chart.save(str(beside), scale_factor=scale, inline=inline))
    return path


def styled(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart,
    title: str,
    subtitle: str | list[str],
) -> Chart:
    """The look that all charts share: no grid, quiet axes, the title above on the left."""
    heading = alt.Title(title, subtitle=subtitle, anchor="start", subtitleColor=_QUIET)
    return (
        chart.properties(title=heading)
        .configure_view(stroke=None)
        .configure_axis(
            grid=False,
            domainColor=_QUIET,
            tickColor=_QUIET,
            labelFontSize=12,
            titleFontSize=12,
            labelColor=_INK,
            titleColor=_INK,
            titleFontWeight="normal",
            titlePadding=10,
        )
        .configure_title(fontSize=15, subtitleFontSize=12, color=_INK, offset=12)
        .configure_legend(labelFontSize=12, labelColor=_INK)
    )
