"""Cutting checkpoints into stages: laws for any cut, and the forms a user may write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.checkpoints import Stage, cut, segments
from vog.errors import StageError


def as_dict(stages: tuple[Stage, ...]) -> dict[str, tuple[int, int]]:
    return {stage.name: (stage.start, stage.stop) for stage in stages}


@given(st.integers(1, 9), st.integers(1, 200))
def test_equal_stages_cover_all_checkpoints_once(count: int, checkpoints: int) -> None:
    if checkpoints < count:
        with pytest.raises(StageError):
            cut(count, checkpoints, least=1)
        return
    *parts, whole = cut(count, checkpoints, least=1)
    assert whole == Stage("all", 0, checkpoints)
    covered = [i for part in parts for i in range(part.start, part.stop)]
    assert covered == ([] if count == 1 else list(range(checkpoints)))
    sizes = {part.stop - part.start for part in parts}
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(st.data(), st.integers(2, 30))
def test_segments_rebuild_every_stage(data: st.DataObject, checkpoints: int) -> None:
    edges = st.tuples(st.integers(0, checkpoints - 1), st.integers(1, checkpoints)).filter(
        lambda at: at[0] < at[1]
    )
    slices = data.draw(st.dictionaries(st.sampled_from("abcde"), edges))
    stages = cut(slices, checkpoints, least=1)
    pieces = segments(stages)
    assert [i for piece in pieces for i in piece] == list(range(checkpoints))
    for stage in stages:
        inside = [i for piece in pieces if piece.start in stage for i in piece]
        assert inside == list(range(stage.start, stage.stop))


@pytest.mark.parametrize(
    ("spec", "checkpoints", "expected"),
    [
        (None, 5, {}),
        (None, 6, {"early": (0, 2), "middle": (2, 4), "late": (4, 6)}),
        (1, 9, {}),
        ("2", 5, {"early": (0, 2), "late": (2, 5)}),
        (3, 9, {"early": (0, 3), "middle": (3, 6), "late": (6, 9)}),
        (3, 8, {"early": (0, 3), "middle": (3, 5), "late": (5, 8)}),
        (4, 8, {"stage1": (0, 2), "stage2": (2, 4), "stage3": (4, 6), "stage4": (6, 8)}),
        ("early=0:3,late=-3:", 20, {"early": (0, 3), "late": (17, 20)}),
        ({"tail": (-2, None)}, 5, {"tail": (3, 5)}),
    ],
)
def test_what_may_be_written(
    spec: object, checkpoints: int, expected: dict[str, tuple[int, int]]
) -> None:
    stages = cut(spec, checkpoints, least=2)  # type: ignore[arg-type]
    assert as_dict(stages) == expected | {"all": (0, checkpoints)}


@pytest.mark.parametrize(
    ("spec", "checkpoints", "message"),
    [
        (3, 5, "stage 'early' has 1|stage 'middle' has 1|stage 'late' has 1"),
        (None, 1, "stage 'all' has 1 of 1 checkpoints; .* need at least 2"),
        ("last=-1:", 9, "stage 'last' has 1 of 9"),
        ("none=5:5", 9, "stage 'none' has 0 of 9"),
        ("back=5:2", 9, "stage 'back' has 0 of 9"),
        (0, 9, "expected at least 1"),
        ("early", 9, "neither a number of stages nor NAME=START:STOP"),
        ("a=0:2,a=2:4", 9, "'a' is given twice"),
        ("all=0:2", 9, "'all' cannot be the name"),
    ],
)
def test_what_is_refused(spec: object, checkpoints: int, message: str) -> None:
    with pytest.raises(StageError, match=message):
        cut(spec, checkpoints, least=2)  # type: ignore[arg-type]


def test_scores_that_need_no_spread_are_content_with_one_checkpoint() -> None:
    assert as_dict(cut("last=-1:", 4, least=1)) == {"last": (3, 4), "all": (0, 4)}
