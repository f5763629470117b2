"""Who gets what of planting, how labels are flipped, and what new examples are called."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.errors import DataError
from vog.planting.assignment import PlannedFault, PlantingTarget, draw, fault_counts
from vog.planting.confusion_matrix import read_confusion
from vog.planting.flips import FlipRule
from vog.planting.unique_names import UniqueNames, below_one_folder
from vog.result.planting_record import (
    CORRUPT,
    DUPLICATE,
    FLIP,
    OUTSIDE,
    THRESHOLD,
    Plant,
)

ALL: dict[str, Any] = {"flip": 0.1, "duplicate": 0.1, "corrupt": 0.15, "outside": 0.1}
HOWS = ["noise", "blur", "occlusion"]
NAMES = ("ant", "bee", "cat")


def ground(labels: np.ndarray, **more: Any) -> PlantingTarget:
    given: dict[str, Any] = {"usable": lambda row: True} | more
    return PlantingTarget(labels, int(labels.max()) + 1, True, **given)


def shares(**given: float) -> dict[str, float]:
    return {kind: given.get(kind, 0.0) for kind in (FLIP, DUPLICATE, CORRUPT, OUTSIDE)}


def test_counts_are_rounded_shares_of_what_there_was_and_one_at_least() -> None:
    # 30 examples of 4 classes: 0.06 x 30 = 1.8, 0.001 x 30 = 0.03, and 30 / 5 = 6.
    of = ground(np.arange(30) % 4)
    found = fault_counts(shares(flip=0.06, duplicate=0.001, outside=1.0), of, threshold=True)
    assert found == {FLIP: 2, DUPLICATE: 1, CORRUPT: 0, OUTSIDE: 30, THRESHOLD: 6}
    assert fault_counts(shares(flip=0.06), of, threshold=False)[THRESHOLD] == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"flip": 0.5, "corrupt": 0.45}, "of 20 examples 19 would be changed and 1 left .* 2 at l"),
        ({"flip": 0.5, "duplicate": 0.6}, "10 would be changed and 10 left .* 12 at least"),
        ({"flip": 1.0, "corrupt": 1.0}, "40 would be changed and 0 left as they are"),
    ],
)
def test_too_few_that_stay_clean_are_refused(asked: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        fault_counts(shares(**asked), ground(np.arange(20) % 2), threshold=False)


@pytest.mark.slow
@given(
    labels=st.lists(st.integers(0, 4), min_size=20, max_size=60),
    flip=st.floats(0, 0.3),
    corrupt=st.floats(0, 0.3),
    duplicate=st.floats(0, 0.3),
    outside=st.floats(0, 1),
    threshold=st.booleans(),
    seed=st.integers(0, 2**40),
)
def test_every_example_gets_one_thing_at_most(
    labels: list[int],
    flip: float,
    corrupt: float,
    duplicate: float,
    outside: float,
    threshold: bool,
    seed: int,
) -> None:
    of = ground(np.array([0, 1, *labels[2:]]))
    asked = shares(flip=flip, corrupt=corrupt, duplicate=duplicate, outside=outside)
    try:
        counts = fault_counts(asked, of, threshold)
    except DataError:
        return
    changes = draw(of, counts, HOWS, FlipRule(), seed)
    assert changes == draw(of, counts, HOWS, FlipRule(), seed)
    assert Counter(one.kind for one in changes) == Counter(counts)
    by_kind = {kind: [one for one in changes if one.kind == kind] for kind in counts}
    rows = [one.row for one in changes if one.kind != OUTSIDE]
    assert len(set(rows)) == len(rows)
    assert all(one.label != of.labels[one.row] for one in by_kind[FLIP])
    assert all(one.label == of.labels[one.row] for one in by_kind[CORRUPT] + by_kind[DUPLICATE])
    assert {one.label for one in changes if one.kind != THRESHOLD} <= set(of.present.tolist())
    assert all(one.label == of.classes for one in by_kind[THRESHOLD])
    hows = Counter(one.how for one in by_kind[CORRUPT])
    assert not hows or max(hows.values()) - min(hows[how] for how in HOWS) <= 1


def test_another_seed_draws_others_and_more_of_one_kind_leaves_the_rest() -> None:
    of = ground(np.arange(1000) % 4)
    few = draw(of, fault_counts(shares(flip=0.05, corrupt=0.1), of, False), HOWS, FlipRule(), 0)
    other = draw(of, fault_counts(shares(flip=0.05, corrupt=0.1), of, False), HOWS, FlipRule(), 1)
    more = draw(of, fault_counts(shares(flip=0.1, corrupt=0.1), of, False), HOWS, FlipRule(), 0)

    def corrupted(changes: list[PlannedFault]) -> set[int]:
        return {one.row for one in changes if one.kind == CORRUPT}

    assert {one.row for one in few} != {one.row for one in other}
    assert len(corrupted(few) & corrupted(more)) > 80
    assert len(corrupted(few) & corrupted(other)) < 30


def test_random_numbers_differ_by_seed_kind_and_example() -> None:
    changes = [PlannedFault(kind, "noise", 0, 0, at) for kind in (FLIP, CORRUPT) for at in (0, 1)]
    first = {float(one.rng(seed).normal()) for one in changes for seed in (0, 1)}
    assert len(first) == 8


def test_kinds_draw_from_streams_of_their_own() -> None:
    of = ground(np.arange(1000) % 4)
    rows = []
    for kind in (CORRUPT, DUPLICATE, OUTSIDE):
        changes = draw(of, fault_counts(shares(**{kind: 0.1}), of, False), HOWS, FlipRule(), 0)
        rows.append([one.row for one in changes])
    # Of 100 each among 1000, 10 are drawn twice by chance.
    assert all(len(set(rows[a]) & set(rows[b])) < 30 for a, b in ((0, 1), (0, 2), (1, 2)))


def test_the_record_names_a_source_where_there_is_one() -> None:
    ids, labels = ["x", "y"], np.array([3, 5])
    made = PlannedFault(OUTSIDE, "patches", 1, 0, 0).plant("new", ids, labels)
    assert made == Plant("new", OUTSIDE, "patches", 0, "y", 5)
    for how in ("static", "columns", "other"):
        made = PlannedFault(OUTSIDE, how, 1, 0, 0).plant("new", ids, labels)
        assert made == Plant("new", OUTSIDE, how, 0, None, None)


def test_flips_go_to_all_other_classes_that_have_examples_alike() -> None:
    # Class 2 has none. 1,500 flips of 0 go to 1 and 3, 750 each with a deviation of 19.4.
    labels = np.repeat([0, 1, 3], 3000)
    changes = draw(
        ground(labels), fault_counts(shares(flip=0.5), ground(labels), False), [], FlipRule(), 0
    )
    went = Counter((int(labels[one.row]), one.label) for one in changes)
    assert set(went) == {(0, 1), (0, 3), (1, 0), (1, 3), (3, 0), (3, 1)}
    assert all(abs(count - 750) < 100 for count in went.values())
    assert {one.how for one in changes} == {"uniform"}


def test_flips_follow_a_confusion_matrix() -> None:
    # Classes 0 and 1 flip as 3 to 1; of 400 flips 300 come from class 0, 100 of them to 1.
    weights = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    labels = np.repeat([0, 1, 2], 20_000)
    of = ground(labels)
    changes = draw(
        of, fault_counts(shares(flip=400 / 60_000), of, False), [], FlipRule(confusion=weights), 0
    )
    went = Counter((int(labels[one.row]), one.label) for one in changes)
    assert sum(went.values()) == 400
    assert set(went) == {(0, 1), (0, 2), (1, 0)}
    assert went[1, 0] == pytest.approx(100, abs=35)
    assert went[0, 1] == pytest.approx(100, abs=35)
    assert {one.how for one in changes} == {"confusion"}


def test_what_flips_too_little_is_refused() -> None:
    weights = np.array([[0.0, 1.0], [0.0, 0.0]])
    of = ground(np.array([0] * 3 + [1] * 37))
    with pytest.raises(
        DataError, match="flip asks for 4 examples, but 3 are of the classes that confusion flips"
    ):
        draw(of, fault_counts(shares(flip=0.1), of, False), [], FlipRule(confusion=weights), 0)
    alone = ground(np.zeros(20, np.int64))
    with pytest.raises(DataError, match="at least 2 classes; the data have 1"):
        draw(alone, fault_counts(shares(flip=0.1), alone, False), [], FlipRule(), 0)


def test_what_cannot_be_decoded_is_flipped_but_not_altered() -> None:
    of = ground(np.arange(40) % 2, usable=lambda row: row < 20)
    counts = fault_counts(shares(flip=0.5, corrupt=0.05, duplicate=0.05), of, False)
    changes = draw(of, counts, HOWS, FlipRule(), 0)
    assert all(one.row < 20 for one in changes if one.kind != FLIP)
    assert any(one.row >= 20 for one in changes if one.kind == FLIP)
    of = ground(np.arange(40) % 2, usable=lambda row: row < 8)
    with pytest.raises(DataError, match="corrupt asks for 10 examples, but only 8 can be decoded"):
        draw(of, fault_counts(shares(corrupt=0.25), of, False), HOWS, FlipRule(), 0)


def test_rows_without_a_label_are_left_alone() -> None:
    of = ground(np.array([-1, 0, 1] * 20))
    changes = draw(of, fault_counts(shares(**ALL), of, False), HOWS, FlipRule(), 0)
    assert all(of.labels[one.row] >= 0 for one in changes)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (",ant,bee,cat\nant,9,1,2\nbee,0,9,4\ncat,0,0,9\n", NAMES),
        ("true,cat, ant,bee\nbee,4,0,9\n\nant,2,9,1\ncat,9,0,0\n", NAMES),
        (",0,1,2\n0,9,1,2\n1,0,9,4\n2,0,0,9\n", NAMES),
        (",0,1,2\n0,9,1,2\n1,0,9,4\n2,0,0,9\n", None),
    ],
)
def test_confusion_by_names_or_numbers_in_any_order(
    tmp_path: Path, text: str, names: tuple[str, ...] | None
) -> None:
    (tmp_path / "c.csv").write_text(text)
    found = read_confusion(tmp_path / "c.csv", 3, names)
    np.testing.assert_array_equal(found, np.array([[0, 1, 2], [0, 0, 4], [0, 0, 0]]) / 4)


def test_confusion_of_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([[5, 1], [2, 7]]))
    found = read_confusion(tmp_path / "c.npy", 2, None)
    np.testing.assert_array_equal(found, [[0, 0.5], [1, 0]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (",ant,bee\nant,0,1\nbee,1,0\n", r"has the shape \(2, 2\); expected .* the 3 classes"),
        (",ant,bee,cat\nant,0,1,1\n", r"has the shape \(1, 3\)"),
        (",ant,bee,cat\nant,0,1\nbee,0,1,1\ncat,0,1,1\n", "these rows are longer or .*: 'ant'"),
        (",ant,bee,cut\nant,0,1,1\nbee,0,1,1\ncut,0,1,1\n", "class 'cut', which .* mean 'cat'"),
        (",0,1,3\n0,0,1,1\n1,0,1,1\n3,0,1,1\n", "has the class '3', which the data lack"),
        (",ant,ant,cat\nant,0,1,1\nbee,0,1,1\ncat,0,1,1\n", "names a class twice: 0, 0, 2"),
        (",ant,bee,cat\nant,0,-1,1\nbee,0,0,0\ncat,0,0,0\n", "has entries below 0"),
        (",ant,bee,cat\nant,0,nan,1\nbee,0,0,0\ncat,0,0,0\n", "below 0, NaN or infinite"),
        (",ant,bee,cat\nant,0,inf,1\nbee,0,0,0\ncat,0,0,0\n", "below 0, NaN or infinite"),
        (",ant,bee,cat\nant,4,0,0\nbee,0,4,0\ncat,0,0,4\n", "has only zeros off the diagonal"),
        (",ant,bee,cat\nant,x,0,0\nbee,0,4,0\ncat,0,0,4\n", "cannot be read: could not convert"),
        ("", "cannot be read: it is empty"),
    ],
)
def test_confusion_that_makes_no_sense(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_confusion(tmp_path / "c.csv", 3, NAMES)


def test_confusion_files_of_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: .*No such file"):
        read_confusion(tmp_path / "c.csv", 3, None)
    np.save(tmp_path / "c.npy", np.array([["a"]]))
    with pytest.raises(DataError, match="it is no array of numbers"):
        read_confusion(tmp_path / "c.npy", 1, None)
    np.save(tmp_path / "c.npy", np.ones((2, 3)))
    with pytest.raises(DataError, match=r"has the shape \(2, 3\)"):
        read_confusion(tmp_path / "c.npy", 2, None)


def test_names_do_not_collide_even_without_capitals() -> None:
    names = UniqueNames(["cat/A.jpg", "x"])
    assert names.take("cat/a.JPG") == "cat/a-2.JPG"
    assert names.take("cat/a.jpg") == "cat/a-3.jpg"
    assert names.take("x") == "x-2"
    assert names.take("cat/b.jpg") == "cat/b.jpg"


def test_paths_that_lead_out_of_their_folder_are_seen_from_another() -> None:
    root = Path("/p/lists")
    assert below_one_folder(["a/1.jpg", "./b/2.jpg"], root) == ["a/1.jpg", "b/2.jpg"]
    assert below_one_folder(["../a/1.jpg", "../b/1.jpg"], root) == ["a/1.jpg", "b/1.jpg"]
    assert below_one_folder(["/x/a/1.jpg", "/x/2.jpg"], root) == ["a/1.jpg", "2.jpg"]
    assert below_one_folder(["../b/1.jpg", "a/1.jpg"], root) == ["b/1.jpg", "lists/a/1.jpg"]
    assert below_one_folder(["../../1.jpg", "a/1.jpg"], root) == ["1.jpg", "p/lists/a/1.jpg"]
    assert below_one_folder(["/p/a/1.jpg", "a/1.jpg"], root) == ["a/1.jpg", "lists/a/1.jpg"]
    with pytest.raises(DataError, match="names a file more than once"):
        below_one_folder(["../lists/a/1.jpg", "a/1.jpg"], root)
    with pytest.raises(DataError, match="names a file more than once"):
        below_one_folder(["a/1.jpg", "a/./1.jpg"], root)


def test_the_text_in_digests_is_that_of_runs_of_0_1() -> None:
    fault = PlannedFault("flip", "uniform", 3, 1, 0)
    assert fault.digest_text == "Change(kind='flip', how='uniform', row=3, label=1, number=0)"
