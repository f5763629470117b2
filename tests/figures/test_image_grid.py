"""Error by rank with its intervals, and the pictures: that what they show is what is there."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import norm

from vog.analysis.one_run.error_by_rank import error_by_rank
from vog.errors import ResultError
from vog.figures import charts, image_grid


def test_a_worked_case() -> None:
    """Four examples, two bins. Ranked: b (wrong), d | a, c (wrong). Wilson by its formula."""
    values = np.array([3.0, 1.0, 4.0, 2.0])
    wrong = np.array([False, True, True, False])
    first, second = error_by_rank(values, wrong, bins=2)
    assert (first.first, first.last, second.first, second.last) == (0, 0.5, 0.5, 1)
    assert (first.examples, first.error, second.error) == (2, 0.5, 0.5)
    z = norm.ppf(0.975)
    half = z / (1 + z**2 / 2) * np.sqrt(0.25 / 2 + z**2 / 16)
    assert (first.low, first.high) == pytest.approx((0.5 - half, 0.5 + half))


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.booleans())), st.integers(1, 12))
def test_every_example_is_in_one_bin(rows: list[tuple[float, bool]], bins: int) -> None:
    """Equal values and both extremes included; bins open at an end would lose some."""
    values = np.array([value for value, _ in rows], float)
    wrong = np.array([flag for _, flag in rows], bool)
    found = error_by_rank(values, wrong, bins)
    known = ~np.isnan(values)
    assert sum(one.examples for one in found) == known.sum()
    assert sum(one.error * one.examples for one in found) == pytest.approx(wrong[known].sum())
    assert len(found) == min(bins, known.sum())
    for one in found:
        assert 0 <= one.low <= one.error + 1e-9
        assert one.error - 1e-9 <= one.high <= 1
    if found:
        sizes = [one.examples for one in found]
        assert max(sizes) - min(sizes) <= 1
        assert (found[0].first, found[-1].last) == (0, 1)


def test_equal_values_do_not_lie_in_the_order_of_the_data() -> None:
    """A constant score of rows sorted by class would otherwise have 0 % below and 100 % above."""
    wrong = np.repeat([False, True], 500)
    found = error_by_rank(np.zeros(1000), wrong)
    assert all(0.3 < one.error < 0.7 for one in found)
    assert found == error_by_rank(np.zeros(1000), wrong), "drawn the same way each time"


@pytest.fixture
def chart() -> charts.alt.TopLevelMixin:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    bins = error_by_rank(values, values + rng.normal(size=200) > 1)
    return charts.error_by_decile({"late": bins}, "vog@late", "Errors", higher_is_harder=True)


@pytest.mark.slow
@pytest.mark.parametrize("ending", charts.FORMATS)
def test_charts_are_saved_offline_in_every_format(
    chart: charts.alt.TopLevelMixin, tmp_path: Path, ending: str
) -> None:
    content = charts.save_chart(chart, tmp_path / f"a.{ending}").read_bytes()
    if ending == "png":
        pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
        assert pixels.shape[0] > 500
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10, "something is drawn"
    elif ending == "html":
        assert b"<script src" not in content, "no script from elsewhere"
    elif ending == "svg":
        assert content.count(b'aria-roledescription="bar"') == 10
    else:
        bars, whiskers, mean = json.loads(content)["concat"][0]["layer"]
        assert bars["encoding"]["y"]["field"] == "error"
        assert [whiskers["encoding"][end]["field"] for end in ("y", "y2")] == ["low", "high"]
        shown = bars["data"]["values"]
        wrong = sum(one["error"] * one["examples"] for one in shown)
        assert mean["data"]["values"][0]["mean"] == pytest.approx(wrong / 200)
        assert [one["end"] for one in shown] == [True, *[False] * 8, True]


def test_charts_of_other_endings_are_refused(
    chart: charts.alt.TopLevelMixin, tmp_path: Path
) -> None:
    with pytest.raises(ResultError, match="a chart is saved as .png, .svg"):
        charts.save_chart(chart, tmp_path / "a.gif")


def tile(
    colour: str, wrong: bool = False, size: tuple[int, int] = (40, 20)
) -> image_grid.GridImage:
    return image_grid.GridImage(
        Image.new("RGB", size, colour), "a caption that is much too long", wrong
    )


def test_a_grid_shows_easiest_left_and_hardest_right(tmp_path: Path) -> None:
    sheet = image_grid.easiest_and_hardest(
        [tile("#0000ff")] * 25, [tile("#00ff00", wrong=True)] * 25, "Magpies"
    )
    image_grid.save_grid(sheet, tmp_path / "grid.png")
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    half = pixels.shape[1] // 2
    for colour, left, right in (((0, 0, 255), 1, 0), ((0, 255, 0), 0, 1), ((192, 57, 43), 0, 1)):
        found = (pixels == colour).all(axis=2)
        assert (found[:, :half].any(), found[:, half:].any()) == (left, right), colour
    # 25 tiles of 112 x 112, less the red frames of three pixels.
    assert (pixels == (0, 0, 255)).all(axis=2).sum() == 25 * 112**2
    assert (pixels == (0, 255, 0)).all(axis=2).sum() == 25 * 106**2


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_grid_of_few_images_is_no_larger_than_needed(count: int) -> None:
    few = image_grid.easiest_and_hardest([tile("red")] * count, [], "Few")
    many = image_grid.easiest_and_hardest([tile("red")] * 25, [], "Many")
    assert few.width == many.width
    assert few.height < many.height
