"""Charts of a report: that they show the numbers they are given, to everybody, in 480 pixels."""

import math
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chart_values import drawn, spec, values
from vog.analysis.one_run.class_quantiles import ClassSpread
from vog.analysis.one_run.data_map import DataMap, Point
from vog.analysis.one_run.density_grid import Density, density
from vog.analysis.one_run.error_by_rank import error_by_rank
from vog.analysis.one_run.stage_shift import DecilePair, Group, StageShift
from vog.figures import charts
from vog.figures.charts import heatmap, theme

NAN, INF = float("nan"), float("inf")
LONG = "Madagascar hissing cockroach of the second kind of Gromphadorhina portentosa"
STAGES = {"early": (0, 2), "late": (2, 4), "all": (0, 4)}


def marks(chart: charts.Chart) -> list[str]:
    """What kinds of marks an SVG has, as a reader of the page without eyes is told."""
    return re.findall(r'aria-roledescription="(.*?)"', charts.chart_svg(chart))


def grid(rows: int, seed: int = 0) -> Density:
    rng = np.random.default_rng(seed)
    x = rng.random(rows) / 2
    return density(x, x + rng.random(rows) / 4, rng.random(rows))


def mapped(rows: int, points: bool) -> DataMap:
    share = [k / rows for k in range(rows)]
    single = tuple(Point(k, s / 2, s, 1 - s) for k, s in enumerate(share)) if points else ()
    return DataMap("late", rows, single, grid(rows))


def coursed(shares: list[float], spearman: float = 0.5) -> StageShift:
    """Every first tenth has the same shares of the last ones."""
    pairs = [
        DecilePair(i, j, 0 if math.isnan(share) else round(100 * share), share)
        for i in range(1, 11)
        for j, share in enumerate(shares, start=1)
    ]
    group = Group("hard throughout", "So.", 0, NAN, NAN, ())
    return StageShift("vog:class", "early", "late", spearman, tuple(pairs), (group,) * 4)


def classes(count: int, name: str | None = "bird") -> list[ClassSpread]:
    """The first is the hardest; all have the same name."""
    return [
        ClassSpread(k, name, 9, 1.0 - k / count, 2.0 - k / count, 3.0 - k / count, 4.0, 5.0)
        for k in range(count)
    ]


MATRIX = {
    "vog@all": {"vog@all": 1.0, "aum@all": -0.25, "el2n@all": NAN},
    "aum@all": {"vog@all": -0.25, "aum@all": 1.0, "el2n@all": 0.5},
    "el2n@all": {"vog@all": NAN, "aum@all": 0.5, "el2n@all": 1.0},
}
SERIES = {"confidence": [0.1, 0.25, INF, 0.75], "margin": [-1.0, NAN, 1.0, 2.0]}
BINS = error_by_rank(np.arange(50.0), (np.arange(50) == 0) | (np.arange(50) >= 40))

EVERY: dict[str, Callable[[], charts.Chart]] = {
    "deciles": lambda: charts.error_by_decile({"late": BINS}, "vog@late", LONG, True, top=0.9),
    "points": lambda: charts.data_map_chart(mapped(30, points=True)),
    "squares": lambda: charts.data_map_chart(mapped(900, points=False)),
    "no map": lambda: charts.data_map_chart(DataMap("all", 0, (), Density((), 40, 3, 0))),
    "course": lambda: charts.stage_shift_chart(coursed([0.1] * 9 + [0.1])),
    "half a course": lambda: charts.stage_shift_chart(coursed([NAN] * 10, NAN)),
    "classes": lambda: charts.class_spread_chart(classes(40), "vog@all", True),
    "many classes": lambda: charts.class_spread_chart(classes(1000, LONG), "vog@all", True),
    "one class": lambda: charts.class_spread_chart(classes(1, None), "vog@all", True),
    "no class": lambda: charts.class_spread_chart([], "vog@all", True),
    "band": lambda: charts.class_band(classes(100), "vog@all", False),
    "band of nothing": lambda: charts.class_band([], "vog@all", False),
    "agreement": lambda: charts.correlation_chart(MATRIX, "all"),
    "large agreement": lambda: charts.correlation_chart(
        {
            f"score_number_{a}@all": {f"score_number_{b}@all": 0.123 for b in range(15)}
            for a in range(15)
        },
        "all",
    ),
    "one score": lambda: charts.correlation_chart({"vog@all": {"vog@all": NAN}}, "all"),
    "comparison": lambda: charts.comparison(grid(900), "vog@all", "aum@all", 0.5),
    "no comparison": lambda: charts.comparison(Density((), 40, 2, 0), "a", "b", NAN),
    "trajectory": lambda: charts.trajectory_chart([10, 20, 30, 40], SERIES, "Learned late", STAGES),
    "one step": lambda: charts.trajectory_chart([7], {"loss": [INF]}, "Once", {"all": (0, 1)}),
    "long": lambda: charts.trajectory_chart(
        list(range(0, 10**6, 1000)), {"loss": [1.0] * 1000}, "Long", {}
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_chart_fits_is_described_and_renders(name: str, capfd: Any) -> None:
    chart = EVERY[name]()
    found = spec(chart)
    assert len(found["description"]) > 20
    assert "nan" not in found["description"]
    root = ElementTree.fromstring(charts.chart_svg(chart))
    assert float(root.get("width", "nan")) <= 480
    assert float(root.get("height", "nan")) <= 850
    assert "".join(capfd.readouterr()) == "", "the engine warns of a spec it does not understand"
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert not {"NaN", "null", "undefined", "Infinity"} & set(texts)


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@given(st.floats(-0.5, 1.5), st.integers(0, 2))
def test_marks_and_text_stand_out(share: float, which: int) -> None:
    ramps = (theme.WRONG_TO_RIGHT, theme.FEW_TO_MANY, (theme.ORANGE, "#ffffff", theme.INK))
    colour = theme.blend(ramps[which], share)
    assert contrast(colour, theme.text_colour(colour)) >= 4.5
    if which < 2:
        assert contrast(colour, "#ffffff") >= 3
    for mark in (theme.BLUE, theme.ORANGE, theme.FAINT):
        assert contrast(mark, "#ffffff") >= 3
    for text in (theme.INK, theme.QUIET):
        assert contrast(text, "#ffffff") >= 4.5


def test_colours_are_mixed_on_the_way() -> None:
    assert theme.blend(("#000000", "#ffffff"), 0.5) == "#808080"
    three = ("#ff0000", "#00ff00", "#0000ff")
    assert [theme.blend(three, share) for share in (-1.0, 0.0, 0.5, 0.75, 1.0, 9.0)] == [
        "#ff0000", "#ff0000", "#00ff00", "#008080", "#0000ff", "#0000ff"
    ]  # fmt: skip
    colours = ("#ffffff", "#000000", "#757575", "#777777")
    assert [theme.text_colour(colour) for colour in colours] == [
        "#000000", "#ffffff", "#ffffff", "#000000"
    ]  # fmt: skip


def test_numbers_that_json_does_not_have_become_null() -> None:
    found = theme.data([{"a": NAN, "b": -INF, "c": 1.5, "d": "x", "e": None, "f": 3}]).to_dict()
    assert found == {"values": [{"a": None, "b": None, "c": 1.5, "d": "x", "e": None, "f": 3}]}


def test_a_panel_of_deciles_with_an_axis_of_its_own() -> None:
    chart = charts.error_by_decile({"late": BINS}, "vog@late", "Errors", True, top=0.9)
    layers = spec(chart)["concat"][0]["layer"]
    assert layers[0]["encoding"]["y"]["scale"] == {"domain": [0, 0.9]}
    free = charts.error_by_decile({"late": BINS}, "vog@late", "Errors", False)
    layers = spec(free)["concat"][0]["layer"]
    assert "scale" not in layers[0]["encoding"]["y"]
    assert layers[0]["encoding"]["x"]["title"] == "percentile of vog@late   (hard \u2192 easy)"
    assert spec(free)["description"] == (
        "Errors. At late 22.0% are wrong, 20.0% in the lowest bin and 100.0% in the highest."
    )
    four = charts.error_by_decile(dict.fromkeys("abcd", BINS), "vog", "Errors", True)
    assert marks(four).count("bar") == 40


def test_a_data_map_of_few_has_a_point_each() -> None:
    chart = charts.data_map_chart(mapped(30, points=True))
    found = spec(chart)
    assert drawn(chart, "symbol") == 30
    rows = [row for row in values(found) if "index" in row]
    assert rows[3] == {"index": 3, "variability": 0.05, "confidence": 0.1, "correctness": 0.9}
    encoding = found["layer"][0]["encoding"]
    assert [encoding[k]["field"] for k in ("x", "y", "color")] == [*rows[0]][1:]
    assert encoding["x"]["scale"]["domain"] == [0, 0.5], "the same at each stage"
    assert {"easy to learn", "ambiguous", "hard to learn"} <= {
        row.get("text") for row in values(found)
    }


def test_a_data_map_of_many_has_a_square_a_cell() -> None:
    """Two cells of 3 and 1 examples that are right at 1/2 and all checkpoints: 5/8 in the mean."""
    x = np.array([0.0, 0.0, 0.0, 0.4])
    found = density(x, 2 * x, np.array([0.25, 0.5, 0.75, 1.0]), bins=2)
    chart = charts.data_map_chart(DataMap("late", 4, (), found))
    rows = [row for row in values(spec(chart)) if "examples" in row]
    assert [(row["examples"], row["correctness"]) for row in rows] == [(3, 0.5), (1, 1.0)]
    assert [row["variability"] for row in rows] == pytest.approx([0.1, 0.3])
    assert [row["confidence"] for row in rows] == pytest.approx([0.2, 0.6])
    assert drawn(chart, "symbol") == 2
    title = spec(chart)["title"]
    assert " ".join(title["text"]) == "Stage late: on average 62% of its checkpoints are right"
    assert title["subtitle"].startswith("4 examples, more of them")
    # Half of 0.4 is 160 of 400 pixels, half of 0.8 is 128 of 320.
    assert spec(chart)["layer"][0]["encoding"]["size"]["scale"]["range"][1] == pytest.approx(128**2)


def test_a_course_prints_its_shares() -> None:
    shares = [0.0, 0.02, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.08, 0.3]
    chart = charts.stage_shift_chart(coursed(shares))
    found = spec(chart)
    rows = list(values(found))[:10]
    assert [row["text"] for row in rows] == ["0", "2", *["10"] * 6, "8", "30"]
    assert [row["value"] for row in rows] == shares
    colours = {row["text"]: row["colour"] for row in rows}
    assert colours["10"] == "#ffffff", "chance is no pattern"
    assert colours["0"] == "#f2c1a3"
    assert colours["30"] == "#1d4273"
    assert (rows[3]["column"], rows[3]["row"]) == ("4", "1")
    x, y = (found["layer"][0]["encoding"][axis] for axis in "xy")
    assert x["title"] == "tenth at late   (easy \u2192 hard)"
    assert (x["sort"][-1], y["sort"][0]) == ("10", "10"), "hard is right and on top"
    assert marks(chart).count("rect mark") == 100
    title = " ".join(found["title"]["text"])
    assert title == "30% of the hardest tenth at early are in the hardest tenth at late"
    assert "Spearman 0.5" in " ".join(found["title"]["subtitle"])


def test_a_course_with_empty_tenths_leaves_them_out() -> None:
    found = spec(charts.stage_shift_chart(coursed([NAN] * 9 + [1.0])))
    assert [row["text"] for row in values(found)][:10] == ["100"] * 10
    empty = spec(charts.stage_shift_chart(coursed([NAN] * 10, NAN)))
    assert list(values(empty)) == []
    assert empty["title"]["text"] == "vog:class at early and at late"


def test_classes_have_bars_lines_and_ticks() -> None:
    chart = charts.class_spread_chart(classes(3), "vog@all", True)
    found = spec(chart)
    names = ["bird (0)", "bird (1)", "bird (2)"]
    assert found["layer"][0]["encoding"]["y"]["scale"]["domain"] == names, "hardest on top"
    thin, thick, median = (layer["encoding"] for layer in found["layer"])
    assert (thin["x"]["field"], thin["x2"]["field"]) == ("low", "high")
    assert (thick["x"]["field"], thick["x2"]["field"]) == ("quarter", "three_quarters")
    assert median["x"]["field"] == "median"
    assert thin["x"]["title"] == "vog@all   (easy \u2192 hard)"
    assert [row["median"] for row in values(found)][:3] == pytest.approx([3, 3 - 1 / 3, 3 - 2 / 3])
    assert [marks(chart).count(kind) for kind in ("rule mark", "bar", "tick")] == [3, 3, 3]
    title = " ".join(found["title"]["text"])
    assert title == (
        "bird (0) is the hardest class, with a median vog@all of 3; bird (2) the easiest, with 2.33"
    )


def test_of_many_classes_only_the_ends_are_shown() -> None:
    chart = charts.class_spread_chart(classes(41, None), "aum@all", False)
    found = spec(chart)
    domain = found["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == [*map(str, range(20)), "\u22ef", *map(str, range(21, 41))]
    assert marks(chart).count("bar") == 40
    assert "the 20 hardest and 20 easiest classes" in " ".join(found["title"]["subtitle"])
    assert found["layer"][0]["encoding"]["x"]["title"] == "aum@all   (hard \u2192 easy)"
    assert marks(charts.class_spread_chart(classes(40), "vog@all", True)).count("bar") == 40


def test_a_band_has_all_classes() -> None:
    chart = charts.class_band(classes(100), "vog@all", True)
    found = spec(chart)
    outer, low, high, inner, median = (layer["encoding"] for layer in found["layer"])
    assert (outer["y"]["field"], outer["y2"]["field"]) == ("low", "high")
    assert (low["y"]["field"], high["y"]["field"]) == ("low", "high")
    assert (inner["y"]["field"], inner["y2"]["field"]) == ("quarter", "three_quarters")
    assert median["y"]["field"] == "median"
    assert [row["place"] for row in values(found)][:100] == list(range(1, 101))
    assert drawn(chart, "symbol") == 100
    assert found["title"]["subtitle"].startswith("100 classes")


def test_agreement_prints_every_pair() -> None:
    chart = charts.correlation_chart(MATRIX, "all")
    found = spec(chart)
    rows = {(row["row"], row["column"]): row for row in list(values(found))[:9]}
    assert rows["vog", "aum"]["text"] == "-.25"
    assert rows["aum", "el2n"]["text"] == ".50"
    assert rows["vog", "vog"]["text"] == "1"
    assert (rows["vog", "el2n"]["text"], rows["vog", "el2n"]["value"]) == ("", None)
    assert (rows["aum", "aum"]["colour"], rows["vog", "el2n"]["colour"]) == ("#2b5d9b", "#e4e7eb")
    assert theme.blend((theme.ORANGE, "#ffffff"), 0.75) == rows["vog", "aum"]["colour"]
    assert marks(chart).count("rect mark") == 9
    title = " ".join(found["title"]["text"])
    assert title == (
        "Stage all: aum and el2n are closest (0.50); vog agrees least (-0.25 on average)"
    )
    zero = charts.correlation_chart(
        {"a": {"a": 1.0, "b": 0.001}, "b": {"a": -1.0, "b": -0.002}}, "all"
    )
    assert [row["text"] for row in values(spec(zero))][:4] == ["1", "0", "-1", "0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spearman", "said"),
    [
        (0.97, "rank nearly alike (Spearman 0.97)"),
        (0.6, "rank much alike"),
        (0.4, "rank somewhat alike"),
        (-0.3, "rank independently"),
        (-0.5, "rank against each other"),
        (NAN, "cannot be compared by rank"),
    ],
)
def test_a_comparison_says_what_it_shows(spearman: float, said: str) -> None:
    found = grid(900)
    chart = charts.comparison(found, "vog@all", "aum@all", spearman)
    shown = spec(chart)
    text = shown["title"]["text"]
    assert said in (text if isinstance(text, str) else " ".join(text))
    assert drawn(chart, "rect") == len(found.cells)
    rows = list(values(shown))
    assert sum(row["count"] for row in rows) == 900
    scale = shown["encoding"]["color"]["scale"]
    assert scale["domain"] == [1, max(2, *(one.count for one in found.cells))]
    fields = [shown["encoding"][k]["field"] for k in ("x", "x2", "y", "y2", "color")]
    assert fields == ["x0", "x1", "y0", "y1", "count"]
    assert [shown["encoding"][k]["title"] for k in "xy"] == ["vog@all", "aum@all"]
    assert "left out" not in str(shown["title"]["subtitle"])


def test_a_comparison_says_what_is_left_out() -> None:
    found = density(np.array([1.0, NAN]), np.array([1.0, 2.0]))
    subtitle = spec(charts.comparison(found, "a", "b", NAN))["title"]["subtitle"]
    assert "1 without two finite values are left out" in " ".join(subtitle)


def test_a_trajectory_has_a_panel_a_quantity() -> None:
    chart = charts.trajectory_chart([10, 20, 30, 40], SERIES, "Learned late", STAGES)
    found = spec(chart)
    first, last = found["vconcat"]
    lines = {row["step"]: row["confidence"] for row in values(first) if "confidence" in row}
    assert lines == {10: 0.1, 20: 0.25, 30: None, 40: 0.75}, "a gap where it is infinite"
    assert {row["margin"] for row in values(last) if "step" not in row} == {0.0}, "the zero line"
    borders = [row for row in values(first) if "stage" in row]
    assert borders[0] == {"step": 25, "stage": "late"}, "half way; nothing before the first stage"
    assert [row["stage"] for row in borders[1:]] == ["early", "late"]
    assert [row for row in values(last) if "stage" in row] == borders[:1]
    domain = first["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert domain == [0, 1]
    titles = [panel["layer"][-1]["encoding"]["x"]["title"] for panel in (first, last)]
    assert titles == [None, "step of training"]
    assert found["description"] == (
        "Learned late. From the first of 4 checkpoints to the last: confidence 0.1 to 0.75, "
        "margin -1 to 2."
    )
    assert found["title"]["subtitle"] == "at 4 checkpoints; stages: early, late"


def test_the_stage_of_all_steps_is_not_drawn() -> None:
    found = spec(charts.trajectory_chart([1, 9], {"loss": [1.0, 0.5]}, "Two", {"all": (0, 2)}))
    assert not [row for row in values(found) if "stage" in row]
    assert found["title"]["subtitle"] == "at 2 checkpoints"


def test_a_stage_without_room_for_its_name_is_not_named() -> None:
    steps, stages = list(range(0, 1000, 10)), {"warmup": (0, 1), "rest": (1, 100)}
    found = spec(charts.trajectory_chart(steps, {"loss": [1.0] * 100}, "Long", stages))
    named = [row["stage"] for row in values(found) if "stage" in row]
    assert named == ["rest", "rest"], "its border and its name"
    assert not found["vconcat"][0]["layer"][-1]["mark"]["point"], "so many dots would be a smear"


def test_cells_print_black_on_light_and_white_on_dark() -> None:
    pair = [
        heatmap.HeatmapCell("a", "b", 0.0, "x", "#ffffff"),
        heatmap.HeatmapCell("b", "b", 0.0, "y", "#000000"),
    ]
    x, y = charts.alt.X("column:N"), charts.alt.Y("row:N")
    rows = list(values(heatmap.heatmap(pair, x, y, [], 10).to_dict()))
    assert [row["ink"] for row in rows][:2] == ["#000000", "#ffffff"]
