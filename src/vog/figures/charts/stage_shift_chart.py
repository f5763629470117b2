"""The chart of how a ranking changes from the first stage to the last."""

import math

import altair as alt

from vog.analysis.one_run.stage_shift import DecilePair, StageShift
from vog.figures.charts.heatmap import HeatmapCell, heatmap
from vog.figures.charts.theme import Chart, blend, narrow, rounded

# A cell is white if it has the share that unrelated stages would give.
_CHANCE, _FEWER, _MORE = 0.1, ("#f2c1a3", "#ffffff"), ("#ffffff", "#7596bb", "#1d4273")


def stage_shift_chart(shift: StageShift) -> Chart:
    """Return a table: share of each tenth of the first stage (row) in each tenth of the last."""
    shares = [pair.share for pair in shift.deciles if math.isfinite(pair.share)]
    most = max([0.3, *shares])  # so that small deviations from chance stay pale
    cells = [_cell(pair, most) for pair in shift.deciles if math.isfinite(pair.share)]
    tenths = [str(tenth) for tenth in range(1, 11)]
    axis = alt.Axis(labelAngle=0, domain=False, ticks=False)
    chart = heatmap(
        cells,
        alt.X(
            "column:N", sort=tenths, title=f"tenth at {shift.last}   (easy \u2192 hard)", axis=axis
        ),
        alt.Y(
            "row:N",
            sort=tenths[::-1],
            title=f"tenth at {shift.first}   (easy \u2192 hard)",
            axis=axis,
        ),
        [
            alt.Tooltip("row:N", title=f"tenth at {shift.first}"),
            alt.Tooltip("column:N", title=f"tenth at {shift.last}"),
            alt.Tooltip("value:Q", title="share of the row", format=".1%"),
        ],
        letters=11,
    )
    title, subtitle = _title_and_subtitle(shift)
    return narrow(
        chart.properties(width=400, height=300),
        title,
        subtitle,
        f"Ten by ten table of the tenths by {shift.score} at {shift.first} and at {shift.last}. "
        f"{title}. Spearman's correlation is {rounded(shift.spearman)}.",
    )


def _cell(pair: DecilePair, most: float) -> HeatmapCell:
    over = (pair.share - _CHANCE) / (most - _CHANCE)
    colour = blend(_MORE, over) if over > 0 else blend(_FEWER, pair.share / _CHANCE)
    percent = f"{100 * pair.share:.0f}"
    return HeatmapCell(str(pair.last), str(pair.first), pair.share, percent, colour)


def _title_and_subtitle(shift: StageShift) -> tuple[str, str]:
    """Return the title and the subtitle."""
    hardest = shift.deciles[-1]
    title = f"{shift.score} at {shift.first} and at {shift.last}"
    if math.isfinite(hardest.share):
        title = (
            f"{hardest.share:.0%} of the hardest tenth at {shift.first} "
            f"are in the hardest tenth at {shift.last}"
        )
    return title, (
        f"by {shift.score}, per cent of each row; blue: more than the 10 of chance, "
        f"orange: fewer; Spearman {rounded(shift.spearman)}"
    )
