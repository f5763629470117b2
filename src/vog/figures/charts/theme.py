"""The common theme of all charts: style, colours, valid numbers, and saving."""

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
# Colour-blind readers can distinguish these; each has a contrast of at least 3:1 with white.
WRONG_TO_RIGHT = (ORANGE, "#7b5a86", "#2b5d9b")
FEW_TO_MANY = ("#7596bb", "#0d2a4f")

# Letters in a line of 440 pixels, also in a wide font: an SVG is shown in that of the reader.
_TITLE_WIDTH, _SUBTITLE_WIDTH = 50, 72


def data(rows: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Return rows for a chart. NaN and infinity become null, because JSON has neither."""
    return alt.Data(values=[{key: _finite(value) for key, value in row.items()} for row in rows])


def blend(colours: Sequence[str], share: float) -> str:
    """Return the colour at a share in [0, 1] of the way from the first colour to the last."""
    position = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    lower = min(int(position), len(colours) - 2)
    channels = (
        round(a + (b - a) * (position - lower))
        for a, b in zip(_channels(colours[lower]), _channels(colours[lower + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def text_colour(colour: str) -> str:
    """Return black or white, whichever has more contrast; it is at least 4.5:1 on every colour.

    Source: relative luminance as in WCAG 2.2; at 0.179 black and white have the same contrast.
    """
    linear = [
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
        for level in (channel / 255 for channel in _channels(colour))
    ]
    luminance = sum(w * level for w, level in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000000" if luminance > 0.179 else "#ffffff"


def direction(higher_is_harder: bool) -> str:
    """Return the direction in which an axis gets harder, for its title."""
    easy, hard = ("easy", "hard") if higher_is_harder else ("hard", "easy")
    return f"({easy} \u2192 {hard})"


def rounded(value: float) -> str:
    """Return a number in three digits; a question mark if it is not finite."""
    return f"{value:.3g}" if math.isfinite(value) else "?"


def save_chart(chart: Chart, path: Path) -> Path:
    """Write a chart in the format of the suffix of the path; PNG at twice the size.

    Raises:
        ResultError: the suffix is not one of `FORMATS`, or the file cannot be written.
    """
    kind = format_of(path)
    scale, inline = 2 if kind == "png" else 1, kind == "html"
    write_whole(path, lambda file: chart.save(str(file), scale_factor=scale, inline=inline))
    return path


def format_of(path: Path) -> str:
    """Return the format of the suffix of a path; for a check before a long computation.

    Raises:
        ResultError: the suffix is not one of `FORMATS`.
    """
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise ResultError(f"{path}: a chart is saved as .{', .'.join(FORMATS)}.")
    return kind


def chart_svg(chart: Chart) -> str:
    """Return a chart as the text of an SVG, for a page."""
    text = io.StringIO()
    chart.save(text, format="svg")
    return text.getvalue()


def narrow(chart: AnyChart, title: str, subtitle: str, description: str) -> Chart:
    """Return a chart of at most 480 pixels as `styled` does, with title and subtitle in lines."""
    return styled(chart, wrap(title, _TITLE_WIDTH), wrap(subtitle, _SUBTITLE_WIDTH), description)


def wrap(text: str, width: int = _TITLE_WIDTH) -> str | list[str]:
    """Return a text in lines of at most `width` letters; unchanged if it fits in one line."""
    return text if len(text) <= width else textwrap.wrap(text, width)


def styled(
    chart: AnyChart, title: str | list[str], subtitle: str | list[str], description: str = ""
) -> Chart:
    """Return a chart in the common style: no grid, grey axes, the title at the top left.

    Args:
        chart: the chart.
        title: its main result, in lines if it is long.
        subtitle: how to read it.
        description: text for readers who cannot see it; by default the title and the subtitle.
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


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
