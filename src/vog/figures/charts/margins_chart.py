"""Margins of right and of suspected labels: where the verdict cuts."""

import altair as alt
import numpy as np

from vog.analysis.label_errors.verdict import Verdict
from vog.figures.charts.theme import BLUE, INK, ORANGE, Chart, data, narrow
from vog.result import Run

_BINS = 60
_METHOD_WORDS = {
    "tail": "doubts beyond the tail of right labels say how many, the scores together say which",
    "threshold": "AUM below that of 99 % of the threshold samples",
    "calibrated": "what looks like planted flips, by scores that these weigh",
    "held out": "what calibrated models contradict that were trained without the label",
}


def margins(run: Run, verdict: Verdict) -> Chart:
    """A histogram of AUM over all checkpoints, with the suspects on top of the others.

    Raises:
        ResultError: the run has no AUM.
    """
    values = run.numbers("aum@all")
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
            # Ten wrong labels beside ten thousand right ones are seen on no other scale.
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
    subtitle = (
        f"{_METHOD_WORDS[verdict.method]}; left of the dashed line another class is above the label"
    )
    return narrow(alt.layer(bars, zero).properties(width=400, height=240), title, subtitle, title)
