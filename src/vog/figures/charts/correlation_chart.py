"""Charts of the agreement of scores: a table of correlations, and the plane of two columns."""

import math
from collections.abc import Mapping
from dataclasses import asdict

import altair as alt

from vog.analysis.one_run.density_grid import Density
from vog.figures.charts.heatmap import HeatmapCell, heatmap
from vog.figures.charts.theme import FEW_TO_MANY, ORANGE, Chart, blend, data, narrow, rounded

_OPPOSITE_TO_SAME = (ORANGE, "#ffffff", "#2b5d9b")
_UNKNOWN = "#e4e7eb"


def correlation_chart(matrix: Mapping[str, Mapping[str, float]], stage: str) -> Chart:
    """Return a table of Spearman's correlations: blue is the same order, orange the opposite.

    Args:
        matrix: from `vog.analysis.one_run.correlation.correlation_matrix`.
        stage: the stage of the columns. It is left out of their names.
    """
    names = {column: column.replace(f"@{stage}", "") for column in matrix}
    cells = [
        HeatmapCell(names[b], names[a], value, _cell_text(value), _cell_colour(value))
        for a, row in matrix.items()
        for b, value in row.items()
    ]
    order = list(names.values())
    axis = {"labelLimit": 94, "domain": False, "ticks": False, "labelFontSize": 11}
    chart = heatmap(
        cells,
        alt.X("column:N", sort=order, title=None, axis=alt.Axis(labelAngle=-45, **axis)),
        alt.Y("row:N", sort=order, title=None, axis=alt.Axis(**axis)),
        [
            alt.Tooltip("row:N", title="score"),
            alt.Tooltip("column:N", title="and"),
            alt.Tooltip("value:Q", title="Spearman", format=".3f"),
        ],
        letters=10,
    )
    title = _headline(matrix, names, stage)
    subtitle = "Spearman's correlation of the hardness: 1 the same order, 0 unrelated, -1 reversed"
    return narrow(
        chart.properties(width=374, height=max(60, 22 * len(order))),
        title,
        subtitle,
        f"{title}. {subtitle}.",
    )


def comparison(density: Density, x_name: str, y_name: str, spearman: float) -> Chart:
    """Return a chart of the number of examples with each pair of values of two columns.

    Args:
        density: the joint density of the two columns.
        x_name: the column on the horizontal axis.
        y_name: the column on the vertical axis.
        spearman: correlation of their hardness, as in
            `vog.analysis.one_run.correlation.correlation_matrix`; NaN if it is unknown.
    """
    most = max((cell.count for cell in density.cells), default=1)
    base = alt.Chart(data(map(asdict, density.cells)))
    scale = alt.Scale(
        type="log", domain=[1, max(2, most)], range=list(FEW_TO_MANY), interpolate="rgb"
    )
    legend = alt.Legend(
        orient="bottom",
        title="examples in a cell",
        gradientLength=400,
        gradientThickness=10,
        format=",",
    )
    fitting = alt.Scale(zero=False, nice=False)
    chart = base.mark_rect(aria=False).encode(
        x=alt.X("x0:Q", title=x_name, scale=fitting, axis=alt.Axis(tickCount=6)),
        x2="x1:Q",
        y=alt.Y("y0:Q", title=y_name, scale=fitting, axis=alt.Axis(tickCount=6)),
        y2="y1:Q",
        color=alt.Color("count:Q", scale=scale, legend=legend),
        tooltip=_tooltips(x_name, y_name),
    )
    title = f"{x_name} and {y_name} {_agreement_words(spearman)}"
    subtitle = f"{density.counted:,} examples; the outermost cells hold what lies beyond"
    if density.left_out:
        subtitle += f"; {density.left_out:,} without two finite values are left out"
    return narrow(chart.properties(width=400, height=320), title, subtitle, f"{title}. {subtitle}.")


def _tooltips(x_name: str, y_name: str) -> list[alt.Tooltip]:
    """Return the tooltips of a cell: the number of examples, and its edges."""
    return [
        alt.Tooltip("count:Q", title="examples", format=","),
        alt.Tooltip("x0:Q", title=f"{x_name} from", format=".3g"),
        alt.Tooltip("x1:Q", title=f"{x_name} to", format=".3g"),
        alt.Tooltip("y0:Q", title=f"{y_name} from", format=".3g"),
        alt.Tooltip("y1:Q", title=f"{y_name} to", format=".3g"),
    ]


def _cell_text(value: float) -> str:
    """Return a correlation in two digits, for narrow cells: `.87`, `-.02`, `1`."""
    if not math.isfinite(value):
        return ""
    text = f"{value:.2f}"
    return str(round(value)) if text.endswith(".00") else text.replace("0.", ".")


def _cell_colour(value: float) -> str:
    return blend(_OPPOSITE_TO_SAME, (value + 1) / 2) if math.isfinite(value) else _UNKNOWN


def _agreement_words(spearman: float) -> str:
    """Return how strong a correlation is, in words."""
    if not math.isfinite(spearman):
        return "cannot be compared by rank"
    words = {0.9: "nearly alike", 0.6: "much alike", 0.3: "somewhat alike", -0.3: "independently"}
    alike = next((word for least, word in words.items() if spearman >= least), "against each other")
    return f"rank {alike} (Spearman {rounded(spearman)})"


def _headline(
    matrix: Mapping[str, Mapping[str, float]], names: Mapping[str, str], stage: str
) -> str:
    """Name the most similar pair, and the score with the lowest mean correlation."""
    pairs = {
        (a, b): value
        for a, row in matrix.items()
        for b, value in row.items()
        if a != b and math.isfinite(value)
    }
    if not pairs:
        return f"Whether the scores agree at stage {stage} cannot be told"
    a, b = max(pairs, key=pairs.__getitem__)
    closest = f"Stage {stage}: {names[a]} and {names[b]} are closest ({pairs[a, b]:.2f})"
    means = {
        column: sum(correlations) / len(correlations)
        for column in matrix
        if (correlations := [value for (first, _), value in pairs.items() if first == column])
    }
    least = min(means, key=means.__getitem__)
    if len(means) < 3:
        return closest
    return f"{closest}; {names[least]} agrees least ({means[least]:.2f} on average)"
