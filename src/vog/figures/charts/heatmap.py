"""Tables of coloured cells with a text in each, in black or white."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import altair as alt

from vog.figures.charts.theme import Panel, data, text_colour


@dataclass(frozen=True)
class HeatmapCell:
    """One cell.

    Attributes:
        column: name of its column on the axis.
        row: name of its row on the axis.
        value: the number in the tooltip; NaN if there is none.
        text: the text in the cell.
        colour: the colour of the cell, such as `#ffffff`.
    """

    column: str
    row: str
    value: float
    text: str
    colour: str


def heatmap(
    cells: Iterable[HeatmapCell], x: alt.X, y: alt.Y, tooltip: Sequence[alt.Tooltip], letters: int
) -> Panel:
    """Return a table of cells by `column` and `row`; `letters` is the font size in pixels."""
    rows = [asdict(cell) | {"ink": text_colour(cell.colour)} for cell in cells]
    base = alt.Chart(data(rows)).encode(x=x, y=y, tooltip=list(tooltip))
    filled = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color("colour:N", scale=None)
    )
    printed = base.mark_text(fontSize=letters, aria=False).encode(
        text="text:N", color=alt.Color("ink:N", scale=None)
    )
    return alt.layer(filled, printed)
