"""How a score lies within the classes: bars of quantiles, or a band where there are many."""

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
    direction_words,
    narrow,
    rounded,
)
from vog.result.class_names import main_name

_MOST_CLASSES = 40  # more classes cannot be read one by one
_GAP = "\u22ef"
_NAME_LETTERS = 30  # letters


def class_spread_chart(spreads: Sequence[ClassSpread], column: str, hard_is_high: bool) -> Chart:
    """A bar a class: thin from 5 to 95 %, thick from 25 to 75 %, a tick at the median.

    Of more than 40 classes the 20 hardest and the 20 easiest.

    Args:
        found: the hardest first, from `vog.analysis.one_run.class_quantiles.class_spread`.
        column: what the quantiles are of.
        hard_is_high: which end of it is hard.
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
    title = f"{column}   {direction_words(hard_is_high)}"
    x = alt.X("low:Q", title=title, scale=alt.Scale(zero=False))
    thin = base.mark_rule(color=FAINT, strokeWidth=2).encode(x=x, x2="high:Q")
    thick = base.mark_bar(color=BLUE, height=8).encode(x="quarter:Q", x2="three_quarters:Q")
    median = base.mark_tick(color=INK, thickness=2, height=13, opacity=1).encode(x="median:Q")
    chart = alt.layer(thin, thick, median).properties(width=345, height=alt.Step(17))
    selection = (
        "hardest on top" if left_out <= 0 else f"the {half} hardest and {half} easiest classes"
    )
    subtitle = f"{selection}; tick: median; bar: middle half; line: 5 to 95 %"
    return narrow(
        chart, _headline(spreads, column), subtitle, f"{_headline(spreads, column)}. {subtitle}."
    )


def class_band(spreads: Sequence[ClassSpread], column: str, hard_is_high: bool) -> Chart:
    """All classes side by side, the hardest on the left: bands of 5-95 % and 25-75 %, medians.

    Args:
        found: as for `class_spread`.
        column: what the quantiles are of.
        hard_is_high: which end of it is hard.
    """
    rows = [
        asdict(spread) | {"class": name, "place": position}
        for position, (spread, name) in enumerate(
            zip(spreads, _unique_names(spreads), strict=True), start=1
        )
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
            "low:Q",
            title=f"{column}   {direction_words(hard_is_high)}",
            scale=alt.Scale(zero=False),
        ),
        y2="high:Q",
    )
    # The edges are what stands out from white: the light band is too light for that.
    edges = [
        base.mark_line(color=BLUE, strokeWidth=1).encode(y=f"{end}:Q") for end in ("low", "high")
    ]
    inner = base.mark_area(color=BLUE, opacity=1).encode(y="quarter:Q", y2="three_quarters:Q")
    # Squares carry the tooltip, which an area would show for all classes alike.
    median = base.mark_square(color=INK, size=5, opacity=1, aria=False).encode(
        y="median:Q", tooltip=_tooltip("class:N", "place:Q")
    )
    chart = alt.layer(outer, *edges, inner, median).properties(width=400, height=240)
    subtitle = f"{len(spreads):,} classes; black: median; blue: middle half; pale: 5 to 95 %"
    return narrow(
        chart, _headline(spreads, column), subtitle, f"{_headline(spreads, column)}. {subtitle}."
    )


def _unique_names(spreads: Sequence[ClassSpread]) -> list[str]:
    """The first name of each class, cut if it is long, with its number where two have the same."""
    names = [main_name(spread.label_name or str(spread.label)) for spread in spreads]
    names = [
        name if len(name) <= _NAME_LETTERS else name[: _NAME_LETTERS - 1] + "\u2026"
        for name in names
    ]
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
