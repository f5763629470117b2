"""The chart of `vog verify`: how well each score finds planted faults."""

import math
from collections.abc import Mapping
from typing import Any

import altair as alt

from vog.analysis.detection.planted_faults import COMBINATION, Detection, Verification
from vog.figures.charts.theme import BLUE, INK, ORANGE, QUIET, Chart, Panel, data, styled, wrap

_WIDTH, _STEP, _LABEL_WIDTH, _VALUE_WIDTH = 290, 20, 110, 46


def detection(verification: Verification, stage: str = "all", kind: str | None = None) -> Chart:
    """Return a chart of AUROC with 95 % intervals, the best score on top; a panel for each kind.

    Args:
        verification: from `vog.verify`.
        stage: the stage of the scores.
        kind: the only kind of fault to show; None for all.

    Raises:
        ResultError: there is no such kind or stage.
    """
    kinds = verification.kinds if kind is None else (kind,)
    by_kind = {name: verification.detections_of(name, stage) for name in kinds}
    panels = [_panel(name, detections) for name, detections in by_kind.items()]
    columns = min(2, len(panels))
    title = _headline(by_kind, stage)
    scores = {detection.score for detections in by_kind.values() for detection in detections}
    subtitle = [
        "AUROC: a planted example is harder than a clean one; dashed: chance",
        "lines: 95 % intervals; orange: the combination of scores"
        if COMBINATION in scores
        else "lines: 95 % intervals",
    ]
    words = " ".join(f"{name}: {_scores_in_words(scores)}." for name, scores in by_kind.items())
    chart = alt.concat(*panels, columns=columns, spacing=28).resolve_scale(y="independent")
    return styled(chart, wrap(title, 58 * columns), subtitle, f"{title}. {words}")


def _panel(kind: str, detections: tuple[Detection, ...]) -> Panel:
    rows = [_row(detection) for detection in detections]
    axis = alt.Axis(labelLimit=_LABEL_WIDTH, domain=False, ticks=False, minExtent=_LABEL_WIDTH)
    base = alt.Chart(data(rows)).encode(
        y=alt.Y("score:N", sort=None, title=None, axis=axis),
        color=alt.condition("datum.combined", alt.value(ORANGE), alt.value(BLUE)),
        tooltip=[
            alt.Tooltip("score:N"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("auroc", "low", "high")),
            alt.Tooltip("ap:Q", title="average precision", format=".3f"),
        ],
    )
    x = alt.X(
        "auroc:Q",
        title="AUROC",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f", labelFlush=False),
    )
    lines = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", title="AUROC"), x2="high:Q")
    dots = base.mark_circle(size=75, opacity=1).encode(x=x)
    numbers = base.mark_text(align="right", dx=_VALUE_WIDTH - 6, color=INK, fontSize=11).encode(
        x=alt.value(_WIDTH), text="printed:N", color=alt.value(INK)
    )
    chance = alt.Chart(data([{"chance": 0.5}])).mark_rule(color=QUIET, strokeDash=[4, 4])
    layers = (chance.encode(x="chance:Q"), lines, dots, numbers)
    heading = f"{kind}: {detections[0].planted:,} planted, {detections[0].clean:,} clean"
    title = alt.Title(heading, anchor="start", fontSize=13, fontWeight="normal", offset=6)
    return alt.layer(*layers).properties(width=_WIDTH, height=alt.Step(_STEP), title=title)


def _row(detection: Detection) -> dict[str, Any]:
    auroc = detection.auroc
    return {
        "score": detection.score,
        "auroc": auroc.value,
        "low": auroc.low,
        "high": auroc.high,
        "ap": detection.ap.value,
        "printed": _auroc_text(detection),
        "combined": detection.score == COMBINATION,
    }


def _headline(by_kind: Mapping[str, tuple[Detection, ...]], stage: str) -> str:
    """Name the best score if there is one kind; describe the chart if there are several."""
    if len(by_kind) > 1:
        return f"How well each score of stage {stage} finds what was planted"
    kind, (best, *_) = next(iter(by_kind.items()))
    if best.auroc.low > 0.5:
        return f"{best.score} finds {kind} best at stage {stage}, with an AUROC of " + _auroc_text(
            best
        )
    return f"No score of stage {stage} finds {kind}"


def _auroc_text(detection: Detection) -> str:
    return f"{detection.auroc.value:.3f}" if math.isfinite(detection.auroc.value) else "?"


def _scores_in_words(detections: tuple[Detection, ...]) -> str:
    """Return the numbers of a panel in words, for readers who cannot see it."""
    return ", ".join(f"{row['score']} {row['printed']}" for row in map(_row, detections))
