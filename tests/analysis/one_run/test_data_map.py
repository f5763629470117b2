"""Data maps: confidence, variability and correctness of each example, by hand."""

from pathlib import Path

import numpy as np
import pytest

from runs import write_run
from vog.analysis.one_run.data_map import Point, data_map
from vog.errors import ResultError

NAN, INF = float("nan"), float("inf")


def test_a_data_map_by_hand(tmp_path: Path) -> None:
    """The second example has no correctness and so no place; stages are told apart."""
    values = {"confidence": [0.75, 0.9, 0.5], "variability": [0.25, 0.5, 0.125]}
    scores = {f"{name}@{s}": v for name, v in values.items() for s in ("late", "all")}
    scores |= {"correctness@late": [1.0, 1.0, 0.5], "correctness@all": [0.5, NAN, 0.0]}
    small = write_run(tmp_path / "run", scores, [0, 0, 1], [0, 0, 1])
    found = data_map(small)
    assert (found.stage, found.examples) == ("all", 2)
    assert found.points == (Point(0, 0.25, 0.75, 0.5), Point(2, 0.125, 0.5, 0.0))
    assert (found.density.counted, found.density.left_out) == (2, 1)
    places = sorted((one.x0 <= 0.125 <= one.x1, one.mean) for one in found.density.cells)
    assert places == [(False, 0.5), (True, 0.0)], "variability goes to the right"
    assert [one.correctness for one in data_map(small, "late").points] == [1, 1, 0.5]
    with pytest.raises(ResultError, match="no variability@early, .* which a data map needs"):
        data_map(small, "early")


@pytest.mark.parametrize(("count", "points"), [(2000, 2000), (2001, 0)])
def test_a_data_map_of_many_has_no_points(tmp_path: Path, count: int, points: int) -> None:
    names = [f"{name}@all" for name in ("confidence", "variability", "correctness")]
    shares: list[float] = (np.arange(count) / count).tolist()
    scores = {**dict.fromkeys(names, shares)}
    many = write_run(tmp_path / "run", scores, [0] * count, [0] * count)
    found = data_map(many)
    assert (len(found.points), found.examples, found.density.counted) == (points, count, count)
