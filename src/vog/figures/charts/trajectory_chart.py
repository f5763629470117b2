"""The chart of one example over training: a small line chart for each quantity."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import altair as alt

from vog.figures.charts.theme import BLUE, FAINT, INK, QUIET, Chart, Panel, data, narrow, rounded

_WIDTH, _HEIGHT = 390, 90
_TITLES = {"margin": "margin (logits)", "loss": "loss (nats)"}
_MOST_DOTS = 60  # more would overlap
_LETTER_WIDTH = 7  # pixels


@dataclass(frozen=True)
class _StageStart:
    """The start of a stage on the axis of steps."""

    stage: str
    step: float


def trajectory_chart(
    steps: Sequence[int],
    series: Mapping[str, Sequence[float]],
    title: str,
    stages: Mapping[str, tuple[int, int]],
) -> Chart:
    """Return a chart with a panel for each quantity, such as confidence, margin or loss.

    The margin has a line at zero: above it the prediction is right. A value that is not finite
    leaves a gap.

    Args:
        steps: steps of training in order, at least one.
        series: the values of each quantity, one for each step.
        title: which example it is, and the main result.
        stages: the start and stop position of each stage in `steps`; `all` is not drawn.
    """
    names = list(series)
    panels = [
        _panel(steps, name, series[name], stages, name == names[0], name == names[-1])
        for name in names
    ]
    ends = [f"{name} {rounded(line[0])} to {rounded(line[-1])}" for name, line in series.items()]
    named = ", ".join(stage for stage in stages if stage != "all")
    subtitle = f"at {len(steps)} checkpoints" + (f"; stages: {named}" if named else "")
    words = f"{title}. From the first of {len(steps)} checkpoints to the last: {', '.join(ends)}."
    return narrow(alt.vconcat(*panels, spacing=14), title, subtitle, words)


def _panel(
    steps: Sequence[int],
    name: str,
    values: Sequence[float],
    stages: Mapping[str, tuple[int, int]],
    first: bool,
    last: bool,
) -> Panel:
    """Return the panel of a quantity; the first has names of stages, the last the axis of steps."""
    rows = [{"step": step, name: value} for step, value in zip(steps, values, strict=True)]
    x = _x_axis(steps).title("step of training" if last else None)
    x = x.axis(labels=last, ticks=last, tickCount=6)
    scale = alt.Scale(domain=[0, 1]) if name == "confidence" else alt.Scale(zero=True)
    y = alt.Y(
        f"{name}:Q",
        title=_TITLES.get(name, name),
        scale=scale,
        axis=alt.Axis(tickCount=4, minExtent=34),
    )
    line = alt.Chart(data(rows)).mark_line(
        color=BLUE,
        strokeWidth=2,
        point=alt.OverlayMarkDef(size=28, color=BLUE) if len(steps) <= _MOST_DOTS else False,
    )
    curve = line.encode(x=x, y=y, tooltip=["step:Q", alt.Tooltip(f"{name}:Q", format=".3g")])
    layers = [*_stage_borders(steps, stages, first), curve]
    if name == "margin":
        zero = alt.Chart(data([{name: 0.0}])).mark_rule(color=INK, strokeDash=[4, 4])
        layers.insert(0, zero.encode(y=f"{name}:Q"))
    return alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)


def _stage_borders(
    steps: Sequence[int], stages: Mapping[str, tuple[int, int]], named: bool
) -> list[alt.Chart]:
    """Return faint lines between stages, and names of the stages that are wide enough."""
    starts = _stage_starts(steps, stages)
    borders = alt.Chart(data(asdict(start) for start in starts if start.step > steps[0]))
    layers = [borders.mark_rule(color=FAINT).encode(x=_x_axis(steps))]
    if named:
        names = alt.Chart(data(map(asdict, _wide_enough(starts, steps))))
        layers.append(
            names.mark_text(color=QUIET, fontSize=11, align="left", dx=4, baseline="bottom").encode(
                x=_x_axis(steps), y=alt.value(-3), text="stage:N"
            )
        )
    return layers


def _x_axis(steps: Sequence[int]) -> alt.X:
    domain = [steps[0], max(steps[-1], steps[0] + 1)]
    return alt.X("step:Q", scale=alt.Scale(domain=domain, nice=False))


def _stage_starts(steps: Sequence[int], stages: Mapping[str, tuple[int, int]]) -> list[_StageStart]:
    """Return the starts in order, each half way between two steps."""
    order = sorted((start, name) for name, (start, _) in stages.items() if name != "all")
    return [_StageStart(name, (steps[max(0, i - 1)] + steps[i]) / 2) for i, name in order]


def _wide_enough(starts: Sequence[_StageStart], steps: Sequence[int]) -> list[_StageStart]:
    """Return the stages that are wider than their names."""
    ends = [*(start.step for start in starts[1:]), float(steps[-1])]
    pixels = _WIDTH / max(1, steps[-1] - steps[0])
    return [
        start
        for start, end in zip(starts, ends, strict=False)
        if (end - start.step) * pixels > _LETTER_WIDTH * len(start.stage)
    ]
