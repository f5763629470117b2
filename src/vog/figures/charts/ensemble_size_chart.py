"""The chart of how many runs are enough: agreement of means over separate runs."""

import math

import altair as alt

from vog.analysis.many_runs.ensemble_size import EnsembleSizeCurve
from vog.figures.charts.theme import BLUE, INK, ORANGE, QUIET, Chart, data, narrow, rounded

_MEASURED, _PREDICTED = "measured; bar: lowest to highest pair", "predicted from single runs"


def ensemble_size_chart(curve: EnsembleSizeCurve) -> Chart:
    """Return a chart of measured agreement (points; bars: lowest to highest pair), and predictions.

    The prediction from the agreement of single runs is a dashed line.
    """
    rows = [
        {"runs": point.runs, "value": point.mean, "low": point.low, "high": point.high}
        | {"pairs": point.pairs, "kind": _MEASURED}
        for point in curve.measured
    ]
    predictions = [
        {"runs": point.runs, "value": point.value, "kind": _PREDICTED} for point in curve.predicted
    ]
    low = min([0.0, *(point.low for point in curve.measured if math.isfinite(point.low))])
    x = _x_axis(max(row["runs"] for row in [*rows, *predictions]))
    scale = alt.Scale(domain=[low, 1], nice=False)
    y = alt.Y("value:Q", title="Spearman's correlation of the mean ranks", scale=scale)
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=[_MEASURED, _PREDICTED], range=[BLUE, ORANGE]),
        legend=alt.Legend(orient="bottom", title=None, symbolType="circle", labelLimit=300),
    )
    line = alt.Chart(data(predictions)).encode(x=x, y=y, color=colour)
    points = alt.Chart(data(rows)).encode(x=x, color=colour)
    dots = points.mark_point(filled=True, size=70, opacity=1).encode(
        y=y, tooltip=["runs:Q", alt.Tooltip("value:Q", format=".3f"), "pairs:Q"]
    )
    bars = points.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    dashed = line.mark_line(strokeDash=[5, 4], strokeWidth=2)
    chart = alt.layer(*_aim_line(curve.aim), dashed, bars, dots).properties(width=400, height=260)
    subtitle = (
        f"{curve.runs} runs, {curve.examples:,} examples ranked by {curve.column}; means over "
        f"some runs against means over as many others"
    )
    return narrow(chart, _headline(curve), subtitle, f"{_headline(curve)}. {curve.summary}")


def _x_axis(last: int) -> alt.X:
    return alt.X(
        "runs:Q",
        title="runs that are averaged on each side",
        scale=alt.Scale(domain=[0.5, last + 0.5], nice=False),
        axis=alt.Axis(values=list(range(1, last + 1)), format="d"),
    )


def _aim_line(aim: float) -> list[alt.Chart]:
    """Return a line at the agreement that is the aim, and its number."""
    base = alt.Chart(data([{"aim": aim, "said": f"{aim:g}"}])).encode(y="aim:Q")
    rule = base.mark_rule(color=QUIET, strokeWidth=1)
    word = base.mark_text(color=INK, fontSize=11, align="left", dx=4, dy=-6)
    return [rule, word.encode(x=alt.value(0), text="said:N")]


def _headline(curve: EnsembleSizeCurve) -> str:
    alone = curve.measured[0].mean
    if alone != alone:
        return "Nothing can be told: not every run ranks the examples"
    if not alone > 0:
        return "Single runs do not agree on what is hard"
    agreement = f"Single runs agree at {rounded(round(alone, 2))}"
    if curve.enough == 1:
        return f"{agreement}: one is enough"
    needed = "over 50" if curve.enough is None else f"about {curve.enough}"
    return f"{agreement}; {curve.aim:g} would need means of {needed}"
