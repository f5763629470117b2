"""The course of a ranking: where the tenths of the first stage are at the last."""

import math

import altair as alt

from vog.analysis.one_run.stage_shift import DecilePair, StageShift
from vog.figures.charts.heatmap import HeatmapCell, table
from vog.figures.charts.theme import Chart, blended, narrow, short

# White is what every cell would have if the stages had nothing in common.
_CHANCE, _FEWER, _MORE = 0.1, ("#f2c1a3", "#ffffff"), ("#ffffff", "#7596bb", "#1d4273")


def stage_shift_chart(found: StageShift) -> Chart:
    """For each tenth of the first stage, a row, which share of it is in which tenth of the last."""
    shares = [one.share for one in found.deciles if math.isfinite(one.share)]
    most = max([0.3, *shares])  # chance alone must not look like a pattern
    cells = [_cell(one, most) for one in found.deciles if math.isfinite(one.share)]
    places = [str(tenth) for tenth in range(1, 11)]
    axis = alt.Axis(labelAngle=0, domain=False, ticks=False)
    chart = table(
        cells,
        alt.X(
            "column:N", sort=places, title=f"tenth at {found.last}   (easy \u2192 hard)", axis=axis
        ),
        alt.Y(
            "row:N",
            sort=places[::-1],
            title=f"tenth at {found.first}   (easy \u2192 hard)",
            axis=axis,
        ),
        [
            alt.Tooltip("row:N", title=f"tenth at {found.first}"),
            alt.Tooltip("column:N", title=f"tenth at {found.last}"),
            alt.Tooltip("value:Q", title="share of the row", format=".1%"),
        ],
        letters=11,
    )
    title, subtitle = _words(found)
    return narrow(
        chart.properties(width=400, height=300),
        title,
        subtitle,
        f"Ten by ten table of the tenths by {found.score} at {found.first} and at {found.last}. "
        f"{title}. Spearman's correlation is {short(found.spearman)}.",
    )


def _cell(one: DecilePair, most: float) -> HeatmapCell:
    over = (one.share - _CHANCE) / (most - _CHANCE)
    colour = blended(_MORE, over) if over > 0 else blended(_FEWER, one.share / _CHANCE)
    return HeatmapCell(str(one.last), str(one.first), one.share, f"{100 * one.share:.0f}", colour)


def _words(found: StageShift) -> tuple[str, str]:
    """Title and subtitle."""
    hardest = found.deciles[-1]
    title = f"{found.score} at {found.first} and at {found.last}"
    if math.isfinite(hardest.share):
        title = (
            f"{hardest.share:.0%} of the hardest tenth at {found.first} "
            f"are in the hardest tenth at {found.last}"
        )
    return title, (
        f"by {found.score}, per cent of each row; blue: more than the 10 of chance, "
        f"orange: fewer; Spearman {short(found.spearman)}"
    )
