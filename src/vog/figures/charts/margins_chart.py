"""The chart of `vog suspects`: margins of right and of suspected labels."""

import altair as alt
import numpy as np

from vog.analysis.label_errors.verdict import Verdict
from vog.figures.charts.theme import BLUE, INK, ORANGE, Chart, data, narrow
from vog.result import Run

_BINS = 60
_METHODS = {
    "tail": "the tail of the margins gives the number, the combined scores say which labels",
    "threshold": "AUM below that of 99 % of the threshold samples",
    "calibrated": "labels that look like planted flips; the flips set the weights of the scores",
    "held out": "labels that calibrated models contradict, which were trained without them",
}


def margins(run: Run, verdict: Verdict) -> Chart:
    """Return a histogram of AUM over all checkpoints, with the suspects on top of the rest.

    Raises:
        ResultError: the run has no AUM.
    """
    values = run.values("aum@all")
    finite = np.isfinite(values)
    edges = np.histogram_bin_edges(values[finite], _BINS) if finite.any() else np.array([0.0, 1.0])
    names = ("taken for right", "taken for wrong")
    rows = [
        {"low": low, "high": high, "examples": count, "labels": name}
        for name, in_group in zip(names, (~verdict.suspect, verdict.suspect), strict=True)
        for low, high, count in zip(
            edges[:-1].tolist(),
            edges[1:].tolist(),
            np.histogram(values[finite & in_group], edges)[0].tolist(),
            strict=True,
        )
        if count
    ]
    bars = (
        alt.Chart(data(rows))
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title="AUM: mean margin of the label over training",
                axis=alt.Axis(tickCount=8),
            ),
            x2="high:Q",
            # On a linear scale, ten wrong labels beside ten thousand right ones are invisible.
            y=alt.Y(
                "examples:Q",
                title="examples (square-root scale)",
                scale=alt.Scale(type="sqrt"),
                stack="zero",
                axis=alt.Axis(tickCount=6, format=",d"),
            ),
            color=alt.Color(
                "labels:N",
                title=None,
                scale=alt.Scale(domain=list(names), range=[BLUE, ORANGE]),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=["labels:N", alt.Tooltip("examples:Q", format=",")],
        )
    )
    zero = alt.Chart(data([{"at": 0.0}])).mark_rule(color=INK, strokeDash=[4, 4]).encode(x="at:Q")
    count = int(verdict.suspect.sum())
    title = f"{count:,} of {len(values):,} labels are taken for wrong"
    words = f"{_METHODS[verdict.method]}; left of the dashed line another class is above the label"
    return narrow(alt.layer(bars, zero).properties(width=400, height=240), title, words, title)
