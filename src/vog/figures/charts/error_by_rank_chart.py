"""Charts of the error rate of the model along the ranking by a score."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import altair as alt

from vog.analysis.one_run.error_by_rank import Bin
from vog.figures.charts.theme import (
    BLUE,
    INK,
    LIGHT,
    Chart,
    Panel,
    data,
    direction,
    styled,
    wrap,
)


def error_by_decile(
    bins: Mapping[str, Sequence[Bin]],
    score: str,
    title: str,
    higher_is_harder: bool,
    top: float | None = None,
) -> Chart:
    """Return bars of the error rate in each bin with 95 % Wilson intervals, and the mean.

    Args:
        bins: by stage, from `vog.analysis.one_run.error_by_rank.error_by_rank`. Each has a panel.
        score: the name on the axis of the column that ranks the examples.
        title: the title of the chart.
        higher_is_harder: True if high values of the score are hard.
        top: end of the axis of error rates, at least the largest `high`, so that charts side by
            side can be compared; None for the end that these bins need.
    """
    axis = f"percentile of {score}   {direction(higher_is_harder)}"
    panels = [_panel(deciles, stage, axis, len(bins) > 1, top) for stage, deciles in bins.items()]
    count = sum(decile.examples for decile in next(iter(bins.values())))
    subtitle = [
        f"{count:,} examples in bins of equal size, the lowest and the highest darker",
        "dashed: all of them; whiskers: 95 % Wilson intervals",
    ]
    words = f"{title}. " + " ".join(_words(deciles, stage) for stage, deciles in bins.items())
    columns = 1 if len(panels) == 1 else 2
    chart = alt.concat(*panels, columns=columns, spacing=28).resolve_scale(y="shared")
    return styled(chart, wrap(title, 58 * columns), subtitle, words)


def _panel(bins: Sequence[Bin], stage: str, axis: str, named: bool, top: float | None) -> Panel:
    rows: list[dict[str, Any]] = [
        asdict(b)
        | {"bin": f"{100 * b.first:.0f}-{100 * b.last:.0f}", "end": i in (0, len(bins) - 1)}
        for i, b in enumerate(bins)
    ]
    base = alt.Chart(data(rows)).encode(
        x=alt.X("bin:N", sort=None, title=axis, axis=alt.Axis(labelAngle=0, labelFontSize=11))
    )
    rate = alt.Y("error:Q", title="error rate", axis=alt.Axis(format="%", tickCount=6))
    # The light fill of the inner bars has too little contrast with white: they get dark edges.
    bars = base.mark_bar(size=25, stroke=BLUE, strokeWidth=1).encode(
        y=rate if top is None else rate.scale(domain=[0, top]),
        color=alt.condition("datum.end", alt.value(BLUE), alt.value(LIGHT)),
        tooltip=["bin:N", "examples:Q", alt.Tooltip("error:Q", format=".1%")],
    )
    whiskers = base.mark_rule(color=INK, strokeWidth=1.5).encode(y="low:Q", y2="high:Q")
    line = alt.Chart(data([{"mean": _error(bins)}]))
    rule = line.mark_rule(color=INK, strokeDash=[4, 4]).encode(y="mean:Q")
    heading = f"{stage}: {_error(bins):.1%} wrong" if named else f"{_error(bins):.1%} wrong"
    title = alt.Title(heading, anchor="start", fontSize=13, fontWeight="normal", offset=6)
    return alt.layer(bars, whiskers, rule).properties(width=410, height=220, title=title)


def _error(bins: Sequence[Bin]) -> float:
    return sum(b.error * b.examples for b in bins) / max(1, sum(b.examples for b in bins))


def _words(bins: Sequence[Bin], stage: str) -> str:
    ends = f", {bins[0].error:.1%} in the lowest bin and {bins[-1].error:.1%} in the highest"
    return f"At {stage} {_error(bins):.1%} are wrong{ends if bins else ''}."
