"""Tables of coloured cells with their numbers printed in them, in black or white."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import altair as alt

from vog.figures.charts.theme import Panel, data, text_colour


@dataclass(frozen=True)
class HeatmapCell:
    """One cell.

    Attributes:
        column: which it is in, from the left.
        row: which it is in, as the axis names it.
        value: what the tooltip says; NaN where there is none.
        text: what is printed in it.
        colour: of the cell.
    """

    column: str
    row: str
    value: float
    text: str
    colour: str


def heatmap(
    cells: Iterable[HeatmapCell], x: alt.X, y: alt.Y, tooltip: Sequence[alt.Tooltip], letters: int
) -> Panel:
    """The cells by the fields `column` and `row`, their text in letters of this many pixels."""
    rows = [asdict(cell) | {"ink": text_colour(cell.colour)} for cell in cells]
    base = alt.Chart(data(rows)).encode(x=x, y=y, tooltip=list(tooltip))
    filled = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color("colour:N", scale=None)
    )
    printed = base.mark_text(fontSize=letters, aria=False).encode(
        text="text:N", color=alt.Color("ink:N", scale=None)
    )
    return alt.layer(filled, printed)
