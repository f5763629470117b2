"""The list of likely label errors of a report, by hand."""

from pathlib import Path

import numpy as np
import pytest

from runs import write_run
from vog.analysis.label_errors.suspect_list import likely_label_errors
from vog.errors import ResultError
from vog.result import Run

NAN, INF = float("nan"), float("inf")


def test_likely_label_errors_by_hand(tmp_path: Path) -> None:
    """Ranks by loss 0 1/4 1/2 3/4 1, by el2n 1/4 0 1 1/2 3/4; rows 0, 2, 3 and 4 are contradicted.

    Row 2 has 3/4 in the mean, row 3 5/8, row 4 7/8 and row 0 1/8. Row 5 has no scores and row 6 no
    label; only the first is contradicted.
    """
    scores = {
        "loss@all": [1.0, 2.0, 3.0, 4.0, 5.0, NAN, NAN],
        "el2n@all": [2.0, 1.0, 5.0, 3.0, 4.0, NAN, NAN],
        "loss@late": [0.0] * 7,
        "vog@all": [5.0, 4.0, 3.0, 2.0, NAN, NAN, NAN],
    }
    small = write_run(tmp_path / "run", scores, [0, 1, 2, 0, 1, 0, -1], [1, 1, 0, 2, 0, 1, 1])
    found = likely_label_errors(small)
    assert (found.scores, found.contradicted) == (("loss", "el2n"), 5)
    assert [(one.index, one.hardness) for one in found.suspects] == [
        (4, 0.875), (2, 0.75), (3, 0.625), (0, 0.125)
    ]  # fmt: skip
    assert [one.vog for one in found.suspects] == [None, pytest.approx(1 / 3), 0.0, 1.0]
    first = found.suspects[0]
    assert (first.id, first.label, first.prediction) == ("e4", 1, 0)
    assert [one.index for one in likely_label_errors(small, count=2).suspects] == [4, 2]


@pytest.mark.slow
def test_the_low_end_of_aum_is_suspect(run: Run, tmp_path: Path) -> None:
    labels, other = [0, 0, 0], [1, 1, 1]
    small = write_run(tmp_path / "aum", {"aum@all": [5.0, -7.0, 0.0]}, labels, other, "easier")
    found = likely_label_errors(small)
    assert [one.index for one in found.suspects] == [1, 2, 0]
    assert [one.vog for one in found.suspects] == [None] * 3, "no VoG was computed"
    real = likely_label_errors(run, count=1000)
    assert real.scores == ("aum", "confidence", "loss", "el2n")
    assert len(real.suspects) == real.contradicted > 10
    assert all(one.label != one.prediction for one in real.suspects)
    ranks = [run.hardness(f"{name}@all")[real.suspects[0].index] for name in real.scores]
    assert real.suspects[0].hardness == pytest.approx(np.mean(ranks))


def test_label_errors_need_a_score_that_judges_labels(tmp_path: Path) -> None:
    small = write_run(tmp_path / "run", {"vog@all": [1.0], "loss@late": [1.0]}, [0], [1])
    with pytest.raises(ResultError, match="none of the scores aum, confidence, loss"):
        likely_label_errors(small)
    nobody = write_run(tmp_path / "unlabelled", {"loss@all": [1.0]}, [-1], [1])
    assert likely_label_errors(nobody).suspects == ()
