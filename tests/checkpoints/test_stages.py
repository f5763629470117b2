"""Cutting checkpoints into stages: laws for any cut, and the forms a user may write."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.checkpoints import Stage, cut_stages, pick_checkpoints, segments
from vog.errors import StageError


def as_dict(stages: tuple[Stage, ...]) -> dict[str, tuple[int, int]]:
    return {stage.name: (stage.start, stage.stop) for stage in stages}


@given(st.integers(1, 9), st.integers(1, 200))
def test_equal_stages_cover_all_checkpoints_once(count: int, checkpoints: int) -> None:
    if checkpoints < count:
        with pytest.raises(StageError):
            cut_stages(count, checkpoints, min_checkpoints=1)
        return
    *parts, whole = cut_stages(count, checkpoints, min_checkpoints=1)
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
    stages = cut_stages(slices, checkpoints, min_checkpoints=1)
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
    stages = cut_stages(spec, checkpoints, min_checkpoints=2)  # type: ignore[arg-type]
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
        ("a=0:2,A=2:4", 9, "'A' and 'a' differ in capitals only"),
        ({"Late": (0, 2), "late": (2, 4)}, 9, "'late' and 'Late' differ in capitals only"),
        ("All=0:2", 9, "'All' and 'all' differ in capitals only"),
        ("all=0:2", 9, "'all' cannot be the name"),
    ],
)
def test_what_is_refused(spec: object, checkpoints: int, message: str) -> None:
    with pytest.raises(StageError, match=message):
        cut_stages(spec, checkpoints, min_checkpoints=2)  # type: ignore[arg-type]


def test_scores_that_need_no_spread_are_content_with_one_checkpoint() -> None:
    assert as_dict(cut_stages("last=-1:", 4, min_checkpoints=1)) == {"last": (3, 4), "all": (0, 4)}


@given(st.integers(1, 5), st.integers(2, 12), st.integers(60, 90))
def test_some_of_each_stage_are_picked_evenly(count: int, each: int, checkpoints: int) -> None:
    stages = cut_stages(count, checkpoints, min_checkpoints=2)
    chosen, cut_again = pick_checkpoints(stages, each, min_checkpoints=2)
    assert chosen == sorted(set(chosen))
    for before, after in zip(stages[:-1] or stages, cut_again[:-1] or cut_again, strict=True):
        inside = [one for one in chosen if one in before]
        assert inside == chosen[after.start : after.stop]
        assert len(inside) == each
        assert inside[0] == before.start
        assert inside[-1] == before.stop - 1
        gaps = {b - a for a, b in itertools.pairwise(inside)}
        assert max(gaps) - min(gaps) <= 1, "evenly"
    assert cut_again[-1] == Stage("all", 0, len(chosen))


def test_picked_by_hand() -> None:
    """Ten checkpoints in two stages of five, three of each: both ends and the middle."""
    chosen, stages = pick_checkpoints(cut_stages(2, 10, 2), 3, 2)
    assert chosen == [0, 2, 4, 5, 7, 9]
    assert as_dict(stages) == {"early": (0, 3), "late": (3, 6), "all": (0, 6)}


def test_more_than_there_are_is_all_of_them() -> None:
    stages = cut_stages(3, 9, 2)
    assert pick_checkpoints(stages, 50, 2) == (list(range(9)), stages)
    assert pick_checkpoints(stages, None, 2) == (list(range(9)), stages)


def test_stages_that_overlap_have_what_either_picks() -> None:
    chosen, stages = pick_checkpoints(cut_stages({"a": (0, 6), "b": (4, 10)}, 10, 2), 2, 2)
    assert chosen == [0, 4, 5, 9]
    assert as_dict(stages) == {"a": (0, 3), "b": (1, 4), "all": (0, 4)}


def test_fewer_than_the_scores_need_are_refused() -> None:
    with pytest.raises(StageError, match=r"checkpoints_per_stage=1: .* need at least 2"):
        pick_checkpoints(cut_stages(3, 9, 2), 1, 2)
