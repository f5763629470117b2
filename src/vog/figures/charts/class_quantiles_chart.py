"""Charts of the quantiles of a score in each class: bars, or a band for many classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import altair as alt

from vog.analysis.one_run.class_quantiles import ClassSpread
from vog.figures.charts.theme import (
    BLUE,
    FAINT,
    INK,
    LIGHT,
    Chart,
    data,
    direction,
    narrow,
    rounded,
)
from vog.result.class_names import main_name

_MOST_CLASSES = 40  # more names do not fit on one axis
_GAP = "\u22ef"
_LETTERS = 30  # letters


def class_spread_chart(
    spreads: Sequence[ClassSpread], column: str, higher_is_harder: bool
) -> Chart:
    """Return a chart with a bar for each class: 5 to 95 % thin, 25 to 75 % thick, a median tick.

    If there are more than 40 classes, it has the 20 hardest and the 20 easiest.

    Args:
        spreads: the hardest first, from `vog.analysis.one_run.class_quantiles.class_spread`.
        column: the column of the quantiles.
        higher_is_harder: True if high values are hard.
    """
    names = _unique_names(spreads)
    rows = [asdict(spread) | {"class": name} for spread, name in zip(spreads, names, strict=True)]
    left_out, half = len(spreads) - _MOST_CLASSES, _MOST_CLASSES // 2
    if left_out > 0:
        rows = [*rows[:half], *rows[-half:]]
        names = [*names[:half], _GAP, *names[-half:]]
    y = alt.Y(
        "class:N",
        title=None,
        scale=alt.Scale(domain=names),
        axis=alt.Axis(labelLimit=110, domain=False, ticks=False),
    )
    base = alt.Chart(data(rows)).encode(y=y, tooltip=_tooltip("class:N"))
    x = alt.X(
        "low:Q", title=f"{column}   {direction(higher_is_harder)}", scale=alt.Scale(zero=False)
    )
    thin = base.mark_rule(color=FAINT, strokeWidth=2).encode(x=x, x2="high:Q")
    thick = base.mark_bar(color=BLUE, height=8).encode(x="quarter:Q", x2="three_quarters:Q")
    median = base.mark_tick(color=INK, thickness=2, height=13, opacity=1).encode(x="median:Q")
    chart = alt.layer(thin, thick, median).properties(width=345, height=alt.Step(17))
    order = f"the {half} hardest and {half} easiest classes" if left_out > 0 else "hardest on top"
    title = _headline(spreads, column)
    subtitle = f"{order}; tick: median; bar: middle half; line: 5 to 95 %"
    return narrow(chart, title, subtitle, f"{title}. {subtitle}.")


def class_band(spreads: Sequence[ClassSpread], column: str, higher_is_harder: bool) -> Chart:
    """Return a chart of all classes, the hardest on the left: bands of 5-95 % and 25-75 %, medians.

    Args: as for `class_spread_chart`.
    """
    named = zip(spreads, _unique_names(spreads), strict=True)
    rows = [
        asdict(spread) | {"class": name, "place": place}
        for place, (spread, name) in enumerate(named, start=1)
    ]
    x = alt.X(
        "place:Q",
        title="classes, from hard to easy",
        axis=alt.Axis(tickCount=5, tickMinStep=1),
        scale=alt.Scale(domain=[1, max(2, len(spreads))], nice=False),
    )
    base = alt.Chart(data(rows)).encode(x=x)
    outer = base.mark_area(color=LIGHT, opacity=1).encode(
        y=alt.Y(
            "low:Q", title=f"{column}   {direction(higher_is_harder)}", scale=alt.Scale(zero=False)
        ),
        y2="high:Q",
    )
    # The light band alone has too little contrast with white, so it gets dark edges.
    edges = [
        base.mark_line(color=BLUE, strokeWidth=1).encode(y=f"{end}:Q") for end in ("low", "high")
    ]
    inner = base.mark_area(color=BLUE, opacity=1).encode(y="quarter:Q", y2="three_quarters:Q")
    # The tooltip is on squares, because an area has the same tooltip for all classes.
    median = base.mark_square(color=INK, size=5, opacity=1, aria=False).encode(
        y="median:Q", tooltip=_tooltip("class:N", "place:Q")
    )
    chart = alt.layer(outer, *edges, inner, median).properties(width=400, height=240)
    title = _headline(spreads, column)
    subtitle = f"{len(spreads):,} classes; black: median; blue: middle half; pale: 5 to 95 %"
    return narrow(chart, title, subtitle, f"{title}. {subtitle}.")


def _unique_names(spreads: Sequence[ClassSpread]) -> list[str]:
    """Return the first name of each class, cut if long, with its number if names are equal."""
    names = [main_name(spread.label_name or str(spread.label)) for spread in spreads]
    names = [name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "\u2026" for name in names]
    count = Counter(names)
    return [
        name if count[name] == 1 else f"{name} ({spread.label})"
        for spread, name in zip(spreads, names, strict=True)
    ]


def _tooltip(*fields: str) -> list[alt.Tooltip]:
    numbers = ("low", "quarter", "median", "three_quarters", "high")
    return [
        *map(alt.Tooltip, fields),
        alt.Tooltip("examples:Q", format=","),
        *(alt.Tooltip(f"{name}:Q", format=".3g") for name in numbers),
    ]


def _headline(spreads: Sequence[ClassSpread], column: str) -> str:
    if not spreads:
        return f"No class has a value of {column}"
    hard, easy = spreads[0], spreads[-1]
    names = _unique_names(spreads)
    if len(spreads) == 1:
        return f"{names[0]} is the only class, with a median {column} of {rounded(hard.median)}"
    return (
        f"{names[0]} is the hardest class, with a median {column} of {rounded(hard.median)}; "
        f"{names[-1]} the easiest, with {rounded(easy.median)}"
    )
