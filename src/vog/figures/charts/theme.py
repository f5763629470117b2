"""What all charts share: their look, their colours, clean numbers, and how they are saved."""

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from vog.errors import ResultError
from vog.files.writing import write_whole

Chart = alt.TopLevelMixin
Panel = alt.LayerChart | alt.FacetChart
AnyChart = alt.Chart | Panel | alt.ConcatChart | alt.VConcatChart
FORMATS = ("png", "svg", "html", "json")

INK, QUIET, FAINT = "#1f2933", "#616e7c", "#8795a3"
LIGHT, BLUE, ORANGE = "#b5cbe2", "#4a7fb5", "#c2490f"
# What the colour-blind tell apart, and each at least 3:1 against white.
WRONG_TO_RIGHT = (ORANGE, "#7b5a86", "#2b5d9b")
FEW_TO_MANY = ("#7596bb", "#0d2a4f")

_TITLE_LETTERS, _SUBTITLE_LETTERS = 58, 72  # letters in a line of 440 pixels


def data(rows: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Rows for a chart. JSON has no infinity and no NaN: they become null, which is not drawn."""
    return alt.Data(
        values=[{key: _finite_or_none(value) for key, value in row.items()} for row in rows]
    )


def blend(colours: Sequence[str], share: float) -> str:
    """The colour at a share in [0, 1] of the way from the first through all to the last."""
    position = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    lower = min(int(position), len(colours) - 2)
    channels = (
        round(a + (b - a) * (position - lower))
        for a, b in zip(_channels(colours[lower]), _channels(colours[lower + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def text_colour(colour: str) -> str:
    """Black or white, whichever is read more easily; the contrast is 4.5:1 on every colour.

    Source: relative luminance as in WCAG 2.2; at 0.179 both have the same contrast.
    """
    linear = [
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
        for level in (channel / 255 for channel in _channels(colour))
    ]
    luminance = sum(w * level for w, level in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000000" if luminance > 0.179 else "#ffffff"


def direction_words(hard_is_high: bool) -> str:
    """Which way an axis grows harder, as its title says it."""
    easy, hard = ("easy", "hard") if hard_is_high else ("hard", "easy")
    return f"({easy} \u2192 {hard})"


def rounded(value: float) -> str:
    """A number in three digits; a question mark where there is none."""
    return f"{value:.3g}" if math.isfinite(value) else "?"


def save_chart(chart: Chart, path: Path) -> Path:
    """Write a chart in the format that the ending of the path names; PNG at twice the size.

    Raises:
        ResultError: another ending, or the file cannot be written.
    """
    kind = format_of(path)
    scale, inline = 2 if kind == "png" else 1, kind == "html"
    write_whole(path, lambda file: chart.save(str(file), scale_factor=scale, inline=inline))
    return path


def format_of(path: Path) -> str:
    """What a chart of this name is saved as; asked before what takes long.

    Raises:
        ResultError: another ending.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise ResultError(f"{path}: a chart is saved as .{', .'.join(FORMATS)}.")
    return kind


def chart_svg(chart: Chart) -> str:
    """A chart as the text of an SVG, for a page."""
    text = io.StringIO()
    chart.save(text, format="svg")
    return text.getvalue()


def narrow(chart: AnyChart, title: str, subtitle: str, description: str) -> Chart:
    """The look of a chart of at most 480 pixels: as `styled`, its title and subtitle in lines."""
    return styled(
        chart, wrap(title, _TITLE_LETTERS), wrap(subtitle, _SUBTITLE_LETTERS), description
    )


def wrap(text: str, width: int = _TITLE_LETTERS) -> str | list[str]:
    """A text in lines of so many letters; as it is where it fits in one."""
    return text if len(text) <= width else textwrap.wrap(text, width)


def styled(
    chart: AnyChart, title: str | list[str], subtitle: str | list[str], description: str = ""
) -> Chart:
    """The look that all charts share: no grid, quiet axes, the title above on the left.

    Args:
        chart: what is drawn.
        title: what it says, in lines if it is long.
        subtitle: how it is to be read.
        description: for who cannot see it; the title and the subtitle unless it is given.
    """
    heading = alt.Title(title, subtitle=subtitle, anchor="start", subtitleColor=QUIET)
    texts = [" ".join([text] if isinstance(text, str) else text) for text in (title, subtitle)]
    return (
        chart.properties(title=heading, description=description or ". ".join(texts))
        .configure_view(stroke=None)
        .configure_axis(
            grid=False,
            domainColor=QUIET,
            tickColor=QUIET,
            labelFontSize=12,
            titleFontSize=12,
            labelColor=INK,
            titleColor=INK,
            titleFontWeight="normal",
            titlePadding=10,
        )
        .configure_title(fontSize=15, subtitleFontSize=12, color=INK, offset=12)
        .configure_legend(
            labelFontSize=12,
            labelColor=INK,
            titleFontSize=12,
            titleColor=INK,
            titleFontWeight="normal",
        )
    )


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
