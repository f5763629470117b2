"""Charts as Altair definitions: one definition serves PNG, SVG, notebook and page."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import altair as alt

from vog.analysis.percentile import Bin
from vog.errors import ResultError
from vog.result.files import write_whole

FORMATS = ("png", "svg", "html", "json")
_INK, _QUIET, _BAR = "#1f2933", "#616e7c", "#8fb3d9"


def error_by_decile(
    bins: Sequence[Bin], score: str, title: str, hard_is_high: bool
) -> alt.TopLevelMixin:
    """Bars of the error rate in each bin with 95 % Wilson intervals, and a line at the mean.

    Args:
        bins: from `vog.analysis.percentile.error_by_rank`.
        score: the column they are ranked by, as the axis names it.
        title: what is scored.
        hard_is_high: which end of the axis is called hard.
    """
    ends = ("easy", "hard") if hard_is_high else ("hard", "easy")
    rows = [asdict(one) | {"bin": f"{100 * one.first:.0f}-{100 * one.last:.0f}"} for one in bins]
    wrong = sum(one.error * one.examples for one in bins)
    mean = wrong / max(1, sum(one.examples for one in bins))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "bin:N",
            sort=None,
            title=f"percentile of {score}   ({ends[0]} \u2192 {ends[1]})",
            axis=alt.Axis(labelAngle=0),
        )
    )
    bars = base.mark_bar(color=_BAR, size=30).encode(
        y=alt.Y("error:Q", title="error rate", axis=alt.Axis(format="%", tickCount=6)),
        tooltip=["bin:N", "examples:Q", alt.Tooltip("error:Q", format=".1%")],
    )
    whiskers = base.mark_rule(color=_INK, strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    line = alt.Chart(alt.Data(values=[{"mean": mean}]))
    rule = line.mark_rule(color=_INK, strokeDash=[4, 4]).encode(y="mean:Q")
    chart = alt.layer(bars, whiskers, rule)
    count = sum(one.examples for one in bins)
    subtitle = (
        f"{count:,} examples; dashed: all of them, {mean:.1%}; whiskers: 95 % Wilson intervals"
    )
    return (
        chart.properties(
            width=480,
            height=280,
            title=alt.Title(title, subtitle=subtitle, anchor="start", subtitleColor=_QUIET),
        )
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
    )


def save(chart: alt.TopLevelMixin, path: Path) -> Path:
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
