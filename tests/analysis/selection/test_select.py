"""Choosing what to train with: shares, floors, people's marks, and the lists that are written."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import vog
from command_line import Cli, score
from runs import EASIER, STAIRS, TWO_CLASSES, write_run
from vog.analysis.selection import select as selection
from vog.analysis.selection.select import select
from vog.data import open_source
from vog.errors import ResultError
from vog.result import Run
from vog.result.marks import Review

NAN = float("nan")


def numbers(found: selection.Selection) -> list[int]:
    return found.indices.tolist()


@pytest.fixture
def stairs(tmp_path: Path) -> Run:
    return write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, class_names=["cat", "dog"])


def test_shares_by_hand(stairs: Run) -> None:
    """37.5 % of 8 are 3; of 40 %, 3.2, it takes 4 to keep them, and 3 may be dropped."""
    assert numbers(select(stairs, keep_hardest="37.5%", by="vog@all")) == [5, 6, 7]
    assert numbers(select(stairs, keep_hardest="40 %", by="vog@all")) == [4, 5, 6, 7]
    assert numbers(select(stairs, keep_hardest=0.375, by="vog@all")) == [5, 6, 7]
    assert numbers(select(stairs, keep_hardest="3", by="vog@all")) == [5, 6, 7]
    assert numbers(select(stairs, keep_hardest=3, by="vog@all")) == [5, 6, 7]
    assert numbers(select(stairs, drop_easiest="40%", by="vog@all")) == [3, 4, 5, 6, 7]
    assert numbers(select(stairs, drop_easiest=1 - 0.375, by="vog@all")) == [5, 6, 7]
    assert numbers(select(stairs, keep_easiest=3, by="vog@all")) == [0, 1, 2]
    assert numbers(select(stairs, keep_hardest="100%")) == list(range(8))
    assert numbers(select(stairs, keep_hardest=0)) == []


def test_a_tenth_is_a_tenth(tmp_path: Path) -> None:
    """1 - 0.9 is less than a tenth, and 0.1 + 0.2 more than three: no row more or less for it."""
    run = write_run(tmp_path / "run", {"vog@all": list(range(10))}, [0] * 10)
    assert numbers(select(run, drop_easiest=1 - 0.9, by="vog@all")) == list(range(1, 10))
    assert numbers(select(run, keep_hardest=0.1 + 0.2, by="vog@all")) == [7, 8, 9]


def test_the_end_that_is_hard_is_known(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"aum@all": STAIRS}, TWO_CLASSES, higher_means=EASIER)
    assert numbers(select(run, keep_hardest=3)) == [0, 1, 2], "a small margin is hard"


def test_within_the_class_is_the_default(stairs: Run) -> None:
    """Raw VoG would keep class 0 alone."""
    assert numbers(select(stairs, keep_hardest=4)) == [2, 3, 6, 7]
    assert numbers(select(stairs, keep_hardest=4, by="vog@all")) == [4, 5, 6, 7]


def test_a_floor_by_hand(stairs: Run) -> None:
    """4 of 8: 7 6 5 4. Of class 1 one at least: 3, for which 4 goes; two: 3 2, for 5 4."""
    found = select(stairs, keep_hardest=4, by="vog@all", floor=1)
    assert numbers(found) == [3, 5, 6, 7]
    assert numbers(select(stairs, keep_hardest=4, by="vog@all", floor="2")) == [2, 3, 6, 7]
    assert numbers(select(stairs, keep_hardest=4, by="vog@all", floor="30%")) == [2, 3, 6, 7]
    assert (found.reasons, found.notes) == ({"easy": 4}, ())
    assert [
        (one.label_name, one.rows, one.kept_rows, one.dropped_by_reason) for one in found.classes
    ] == [
        ("cat", 4, 3, {"easy": 1}),
        ("dog", 4, 1, {"easy": 3}),
    ]


def test_a_floor_that_holds_more_than_asked(stairs: Run) -> None:
    found = select(stairs, keep_easiest=3, by="vog@all", floor=2)
    assert numbers(found) == [0, 1, 4, 5]
    assert found.notes == (
        "4 rows are left, and not 3 as requested: the floor and rows without a value keep more.",
    )
    assert found.reasons == {"hard": 4}
    assert numbers(select(stairs, keep_hardest=3, by="vog@all", floor=99)) == list(range(8))


def test_rows_without_a_value_are_kept_and_count(tmp_path: Path) -> None:
    values = [NAN, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    run = write_run(tmp_path / "run", {"vog@all": values}, TWO_CLASSES, problems={0: "unreadable"})
    found = select(run, keep_hardest=3, by="vog@all")
    assert numbers(found) == [0, 6, 7]
    assert found.notes == ("1 rows have no vog@all and are kept; drop_problems=True drops them.",)
    found = select(run, keep_hardest=3, by="vog@all", floor=1)
    assert numbers(found) == [0, 6, 7], "it counts for the floor of its class"
    found = select(run, keep_hardest=3, by="vog@all", drop_problems=True)
    assert (numbers(found), found.dropped["e0"]) == ([5, 6, 7], "problem")
    assert found.notes == ()
    assert numbers(select(run, drop_problems=True)) == list(range(1, 8))
    run = write_run(tmp_path / "run", {"vog@all": values}, TWO_CLASSES)
    assert numbers(select(run, keep_hardest=3, by="vog@all", drop_problems=True)) == [5, 6, 7]


def test_a_problem_is_dropped_whatever_its_value(tmp_path: Path) -> None:
    problems = {7: "the gradient is infinite"}
    run = write_run(
        tmp_path / "run", {"aum@all": STAIRS}, TWO_CLASSES, higher_means=EASIER, problems=problems
    )
    assert numbers(select(run, drop_problems=True)) == list(range(7))
    assert numbers(select(run, keep_easiest=1)) == [7]
    assert numbers(select(run, keep_easiest=1, drop_problems=True)) == [6]


def test_rows_without_a_class_have_no_floor(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, [-1, -1, -1, -1, 0, 0, 0, 0])
    found = select(run, keep_hardest=2, by="vog@all", floor=2)
    assert numbers(found) == [6, 7]
    assert (found.classes[0].label, found.classes[0].rows, found.classes[0].kept_rows) == (
        None,
        4,
        0,
    )


def test_labels_may_be_large_numbers(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, [2**40] * 8)
    found = select(run, keep_hardest=2, drop_redundant=2, floor=1, by="vog@all")
    assert numbers(found) == [6, 7]


def test_infinities_are_the_ends(tmp_path: Path) -> None:
    values = [np.inf, 1.0, -np.inf, 3.0]
    run = write_run(tmp_path / "run", {"vog@all": values}, [0] * 4)
    for by in ("vog@all", "vog@all:class", "vog@all:rank"):
        assert numbers(select(run, keep_hardest=2, by=by)) == [0, 3]
        assert numbers(select(run, keep_easiest=1, by=by)) == [2]


def marked_suspect(monkeypatch: pytest.MonkeyPatch, *rows: int) -> None:
    """The verdict on labels is another module's business."""

    class Found:
        suspect = np.isin(np.arange(8), rows)
        reason, stage_reason = None if rows else "nothing stands out", None

    monkeypatch.setattr("vog.analysis.label_errors.suspects.suspects", lambda *_, stage: Found)


def test_suspects_go_first_and_count(stairs: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    marked_suspect(monkeypatch, 7, 3)
    found = select(stairs, drop_suspects=True, yes=True)
    assert numbers(found) == [0, 1, 2, 4, 5, 6]
    found = select(stairs, drop_suspects=True, yes=True, keep_hardest=3, by="vog@all", floor=1)
    assert numbers(found) == [2, 5, 6]
    assert found.reasons == {"suspect": 2, "easy": 3}
    found = select(stairs, drop_suspects=True, yes=True, keep_hardest=7, by="vog@all")
    assert numbers(found) == [0, 1, 2, 4, 5, 6]
    assert found.notes == ("6 rows are left, and not 7 as requested: other options drop more.",)


def test_many_suspects_are_not_dropped_without_being_told(
    stairs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a fifth of the 8 rows, four of a class each; or more than half of a class."""
    marked_suspect(monkeypatch, 2)
    assert len(select(stairs, drop_suspects=True).ids) == 7
    marked_suspect(monkeypatch)
    assert select(stairs, drop_suspects=True).notes == (
        "no suspects: the number of wrong labels is unknown: nothing stands out.",
    )
    marked_suspect(monkeypatch, 2, 3)
    with pytest.raises(ResultError) as caught:
        select(stairs, drop_suspects=True)
    said = str(caught.value)
    assert said.startswith(
        "drop_suspects=True would drop 2 of 8 rows (25%). A wrong verdict is more"
    )
    assert said.endswith("To drop them all: yes=True. Nothing was written.")
    marked_suspect(monkeypatch, *(row for row, label in enumerate(TWO_CLASSES) if label == 1))
    with pytest.raises(ResultError, match=r"and more than half of 1 classes: dog \(4 of 4\)\."):
        select(stairs, drop_suspects=True)
    assert len(select(stairs, drop_suspects=True, yes=True).ids) == 8 - TWO_CLASSES.count(1)


def test_a_floor_does_not_bring_suspects_back(stairs: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    marked_suspect(monkeypatch, 0, 1, 2)
    found = select(stairs, drop_suspects=True, yes=True, floor=2)
    assert numbers(found) == [3, 4, 5, 6, 7]
    assert found.notes == ("below the floor, for other reasons: dog (1 of 2).",)


def test_marks_of_people(stairs: Run) -> None:
    review = Review(stairs.folder)
    review.mark("e7", "drop")
    review.mark("e3", "relabel", 0)
    review.mark("e2", "keep")
    review.mark("e1", None, note="odd")
    review.mark("elsewhere", "drop")
    found = select(stairs, drop_marked=True)
    assert (numbers(found), found.dropped) == (list(range(7)), {"e7": "marked"})
    assert found.labels.tolist() == TWO_CLASSES[:7]
    found = select(stairs, relabel_marked=True)
    assert found.labels.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert (found.relabelled, len(found.ids)) == (1, 8)
    assert [(one.label_name, one.rows) for one in found.classes] == [("cat", 5), ("dog", 3)]
    review.mark("e7", "keep")
    found = select(stairs, drop_marked=True)
    assert (len(found.ids), found.notes) == (8, ("no row is marked drop.",)), "the last one holds"


def test_people_have_the_last_word_on_suspects(
    stairs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept is right; relabelled is right only where the new label is taken."""
    marked_suspect(monkeypatch, 2, 3, 7)
    Review(stairs.folder).mark("e2", "keep")
    Review(stairs.folder).mark("e3", "relabel", 0)
    Review(stairs.folder).mark("e7", "drop")
    found = select(stairs, drop_suspects=True, yes=True)
    assert numbers(found) == [0, 1, 2, 4, 5, 6]
    assert found.notes == ("1 suspects stay: people kept or relabelled them.",)
    found = select(stairs, drop_suspects=True, yes=True, relabel_marked=True, drop_marked=True)
    assert numbers(found) == [0, 1, 2, 3, 4, 5, 6]
    assert found.dropped == {"e7": "marked"}


def test_the_redundant_by_hand(tmp_path: Path) -> None:
    """Mean hardness rises with the row; rows 0 and 3 were wrong once. 25 % of 8 are 2."""
    always = [0.9, 1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0]
    scores = {"vog@all": STAIRS, "aum@all": [-v for v in STAIRS], "correctness@all": always}
    run = write_run(tmp_path / "run", scores, TWO_CLASSES, higher_means=EASIER)
    found = select(run, drop_redundant="25%")
    assert (numbers(found), found.reasons) == ([0, 3, 4, 5, 6, 7], {"redundant": 2})
    # Class 1 has four rows and holds back three of them: of 1 2 only the first may go, then 4.
    assert numbers(select(run, drop_redundant=2, floor=3)) == [0, 2, 3, 5, 6, 7]
    found = select(run, drop_redundant=8)
    assert numbers(found) == [0, 3]
    assert found.notes == ("6 rows are redundant, and not 8 as requested.",)
    found = select(run, drop_redundant=2, keep_hardest=3, by="vog@all")
    assert (numbers(found), found.reasons) == ([5, 6, 7], {"redundant": 2, "easy": 3})
    assert len(select(run, drop_redundant="20%").dropped) == 1, "no more than the share"


def test_the_mean_of_all_scores_says_what_is_redundant(tmp_path: Path) -> None:
    """Ranks 0 1 2 and, of 9 0 1, 1 0 .5 (in hardness): means .5 .25 .75. The second goes."""
    scores = {"vog@all": [0.0, 1.0, 2.0], "aum@all": [-9.0, 0.0, -1.0]}
    run = write_run(tmp_path / "run", scores, [0, 0, 0], higher_means=EASIER)
    assert select(run, drop_redundant=1).dropped == {"e1": "redundant"}


def test_without_correctness_the_last_prediction_has_to_be_right(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, predictions=[0, -1, 1, 1] + [0] * 4
    )
    found = select(run, drop_redundant=2)
    assert set(found.dropped) == {"e2", "e3"}, "row 1 has no prediction, and row 0 a wrong one"
    assert found.notes == ("without correctness, only the last checkpoint has to be right.",)


def test_a_row_that_lacks_a_score_is_not_redundant(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", {"vog@all": STAIRS, "aum@all": [NAN] + [1.0] * 7}, TWO_CLASSES
    )
    assert set(select(run, drop_redundant=1).dropped) == {"e1"}


def test_a_constant_score_keeps_a_random_part_of_each_class(tmp_path: Path) -> None:
    """50 of 100 of each class, hypergeometric with standard deviation 3.5: 5 of them are 18."""
    run = write_run(tmp_path / "run", {"vog@all": [1.0] * 200}, [0] * 100 + [1] * 100)
    chosen = [set(numbers(select(run, keep_hardest="50%", seed=seed))) for seed in (0, 1)]
    for one in chosen:
        assert 32 <= sum(at < 100 for at in one) <= 68
        assert one not in (set(range(100)), set(range(100, 200)))
    assert chosen[0] != chosen[1]
    for share in ("50%", "0.5", ".5", 0.5):
        assert set(numbers(select(run, keep_hardest=share))) == chosen[0]


VALUES = st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, 7.0, float("inf"), NAN])
CASES = st.lists(st.tuples(VALUES, st.integers(-1, 2)), min_size=1, max_size=14)
BY = st.sampled_from(["vog@all", "vog@all:class", "vog@all:robust", "vog@all:rank"])
FLOORS = st.sampled_from([0, 1, 2, "10%", "50%"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws")


def made(folder: Path, cases: list[tuple[float, int]], order: Sequence[int] | None = None) -> Run:
    order = range(len(cases)) if order is None else order
    return write_run(
        folder / "run",
        {"vog@all": [cases[i][0] for i in order]},
        [cases[i][1] for i in order],
        ids=[f"e{i}" for i in order],
    )


@pytest.mark.slow
@settings(max_examples=40)
@given(CASES, BY, FLOORS, st.integers(0, 100), st.integers(0, 100), st.integers(0, 3))
def test_laws_of_a_share(
    folder: Path,
    cases: list[tuple[float, int]],
    by: str,
    floor: Any,
    percent: int,
    more: int,
    seed: int,
) -> None:
    run, percent, more = made(folder, cases), min(percent, more), max(percent, more)

    def hardest(share: int) -> selection.Selection:
        return select(run, keep_hardest=f"{share}%", by=by, floor=floor, seed=seed)

    found, rows = hardest(percent), len(cases)
    rest = select(run, drop_easiest=f"{100 - percent}%", by=by, floor=floor, seed=seed)
    assert found.ids == rest.ids, "hardest p is without the easiest 1 - p"
    assert set(found.ids) <= set(hardest(more).ids), "kept sets are nested"
    assert not set(found.ids) & set(found.dropped)
    assert len(found.ids) + len(found.dropped) == rows
    lacking = np.isnan(run.values(by))
    assert lacking[found.positions].sum() == lacking.sum()
    labels = np.array([label for _, label in cases])
    held = 0
    for one in found.classes:
        own = labels == (-1 if one.label is None else one.label)
        least = -(-own.sum() * int(floor[:-1]) // 100) if isinstance(floor, str) else floor
        least = 0 if one.label is None else min(least, own.sum())
        assert one.kept_rows >= least
        assert (one.rows, one.kept_rows) == (own.sum(), own[found.positions].sum())
        held += max(least, (own & lacking).sum())
    assert len(found.ids) == max(-(-rows * percent // 100), held)


@pytest.mark.slow
@settings(max_examples=40)
@given(CASES, BY, FLOORS, st.integers(0, 100), st.integers(0, 3), st.randoms())
def test_the_order_of_the_rows_does_not_matter(
    folder: Path,
    cases: list[tuple[float, int]],
    by: str,
    floor: Any,
    percent: int,
    seed: int,
    random: Any,
) -> None:
    order = list(range(len(cases)))
    random.shuffle(order)
    asked = {"keep_hardest": f"{percent}%", "by": by, "floor": floor, "seed": seed}
    run = made(folder, cases)
    kept = set(select(run, **asked).ids)
    dropped = select(run, drop_redundant="40%", floor=floor, seed=seed).dropped
    run = made(folder, cases, order)
    assert set(select(run, **asked).ids) == kept
    assert select(run, drop_redundant="40%", floor=floor, seed=seed).dropped == dropped


def test_rounding_of_sums_does_not_matter(tmp_path: Path) -> None:
    """Within the class both are alike up to the last digits, which depend on the order."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=40).astype(np.float32).astype(float)
    cases = [(v, 0) for v in one] + [(4 * v, 1) for v in one]
    kept = set(select(made(tmp_path, cases), keep_hardest=39).ids)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(80).tolist()
        assert set(select(made(tmp_path, cases, order), keep_hardest=39).ids) == kept


@pytest.mark.slow
@settings(max_examples=40)
@given(CASES, BY, st.integers(0, 14), st.integers(0, 3))
def test_the_easiest_are_what_the_hardest_leave(
    folder: Path, cases: list[tuple[float, int]], by: str, count: int, seed: int
) -> None:
    cases = [(0.0 if np.isnan(value) else value, label) for value, label in cases]
    run, count = made(folder, cases), min(count, len(cases))
    hard = select(run, keep_hardest=count, by=by, seed=seed)
    easy = select(run, keep_easiest=len(cases) - count, by=by, seed=seed)
    assert set(hard.ids) == set(easy.dropped)
    values = run.values(by).round(6)
    out = np.setdiff1d(np.arange(len(cases)), hard.positions)
    assert values[out].max(initial=-np.inf) <= values[hard.positions].min(initial=np.inf)


def test_lists_of_ids_and_numbers(stairs: Run, tmp_path: Path) -> None:
    found = select(stairs, keep_hardest=3, by="vog@all")
    assert found.save(tmp_path / "kept.txt").read_text() == "5\n6\n7\n"
    assert found.save(tmp_path / "kept.txt", "ids").read_text() == "e5\ne6\ne7\n"
    assert found.save(str(tmp_path / "a"), "list").read_text() == "e5 0\ne6 0\ne7 0\n"
    for name, form in (("a.npy", None), ("b.npy", "indices"), ("c.bin", "npy")):
        read = np.load(found.save(tmp_path / name, form), allow_pickle=False)
        assert (read.tolist(), read.dtype) == ([5, 6, 7], np.int64)


def photos(folder: Path) -> None:
    for name in ("a/1.png", "a/2 3.png", "b/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 50).convert("RGB").save(folder / name)


def test_a_list_is_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos(Path("data/photos"))
    ids = ["a/1.png", "a/2 3.png", "b/1.png"]
    values = {"vog@all": [1.0, 2.0, 3.0]}
    run = write_run(
        Path("run"), values, [0, 0, 1], higher_means=EASIER, ids=ids, where={"data": "data/photos"}
    )
    found = select(run, keep_hardest=2, by="vog@all")
    assert found.save("kept.txt").read_text() == "a/2 3.png 0\nb/1.png 1\n"
    again = open_source("kept.txt", root=Path("data/photos"))
    assert again.labels is not None
    assert (again.ids, again.labels.tolist()) == (["a/2 3.png", "b/1.png"], [0, 1])
    found.save("kept.txt", root="data")
    assert Path("kept.txt").read_text() == "photos/a/2 3.png 0\nphotos/b/1.png 1\n"
    assert open_source("kept.txt", root=Path("data")).ids == ["photos/a/2 3.png", "photos/b/1.png"]
    listed = {"data": "lists/train.txt", "root": "data/photos"}
    run = write_run(Path("run"), values, [0, 0, 1], higher_means=EASIER, ids=ids, where=listed)
    found = select(run, keep_hardest=1, by="vog@all")
    assert found.save("kept.txt", root="data").read_text() == "photos/b/1.png 1\n"
    run = write_run(
        Path("run"),
        values,
        [0, 0, 1],
        higher_means=EASIER,
        ids=ids,
        where={"data": "data/photos/train.txt"},
    )
    found = select(run, keep_hardest=1, by="vog@all")
    assert found.save("kept.txt", root="data").read_text() == "photos/b/1.png 1\n"


def test_what_is_not_image_files_is_written_by_number(tmp_path: Path) -> None:
    places = ({"data": "x.npz"}, {"data": "mine.py:made"}, {}, {"data": "g", "gradients": "g"})
    for place in places:
        run = write_run(tmp_path / "run", {"vog@all": [1.0, 2.0]}, [0, 0], where=place)
        saved = select(run, keep_hardest=1).save(tmp_path / "kept.txt")
        assert saved.read_text() == "1\n"


def npz(path: Path, **more: Any) -> dict[str, Any]:
    arrays = {
        "inputs": np.arange(16, dtype=np.float16).reshape(8, 2),
        "labels": np.array(TWO_CLASSES, np.uint8),
        "ids": np.array([f"e{i}" for i in range(8)]),
        "weight": np.arange(8),
        "label_names": np.array([f"class {i}" for i in range(8)]),
        "mean": np.float32(3),
    } | more
    np.savez(path, **arrays)
    return arrays


def test_an_npz_with_the_kept_rows(tmp_path: Path) -> None:
    """As many names as rows are names all the same."""
    arrays = npz(tmp_path / "data.npz")
    place = {"data": str(tmp_path / "data.npz")}
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, where=place)
    Review(run.folder).mark("e6", "relabel", 1)
    found = select(run, keep_hardest=3, by="vog@all", relabel_marked=True)
    with np.load(found.save(tmp_path / "kept.npz"), allow_pickle=False) as file:
        kept = dict(file)
    assert kept["labels"].tolist() == [0, 1, 0]
    assert kept["labels"].dtype == np.uint8
    for name in ("inputs", "ids", "weight"):
        np.testing.assert_array_equal(kept[name], arrays[name][5:])
    np.testing.assert_array_equal(kept["label_names"], arrays["label_names"])
    assert kept["mean"] == 3
    assert open_source(tmp_path / "kept.npz", transform=_float).ids == ["e5", "e6", "e7"]
    (tmp_path / "data.npz").rename(tmp_path / "moved.npz")
    found.save(tmp_path / "again.npz", data=tmp_path / "moved.npz")
    assert (tmp_path / "again.npz").exists()


def _float(row: np.ndarray) -> np.ndarray:
    return row.astype(np.float32)


def test_an_npz_of_which_only_the_first_rows_were_scored(tmp_path: Path) -> None:
    npz(
        tmp_path / "data.npz",
        labels=np.array([*TWO_CLASSES, 0, 1]),
        inputs=np.zeros((10, 2)),
        ids=1,
    )
    place = {"data": str(tmp_path / "data.npz")}
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, where=place)
    (tmp_path / "data.npz").unlink()
    np.savez(tmp_path / "data.npz", inputs=np.zeros((10, 2)), labels=np.array([*TWO_CLASSES, 0, 1]))
    saved = select(run, keep_hardest=3, by="vog@all").save(tmp_path / "kept.npz")
    with np.load(saved, allow_pickle=False) as file:
        assert file["inputs"].shape == (3, 2)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "no criterion to select by. Give at least one of keep_hardest, "),
    "a floor alone": ({"floor": 3}, "no criterion to select by"),
    "contrary": (
        {"keep_hardest": "70%", "keep_easiest": "30%"},
        "keep_hardest and keep_easiest contradict each other",
    ),
    "twice": ({"keep_hardest": 1, "drop_easiest": 1}, "keep_hardest and drop_easiest"),
    "too large a share": (
        {"keep_hardest": "101%"},
        "keep_hardest='101%': expected a share from 0 % to 100 %, such as 30% or 0.3, or a "
        "number of rows from 0 to 8, such as 20.",
    ),
    "too many": ({"drop_easiest": 9}, "drop_easiest=9: expected a share"),
    "more than redundant": ({"drop_redundant": 9}, "drop_redundant=9: expected a share"),
    "negative": ({"keep_easiest": -1}, "keep_easiest=-1: expected"),
    "negative share": ({"keep_easiest": -0.1}, "keep_easiest=-0.1: expected"),
    "more than all": ({"keep_easiest": 1.5}, "keep_easiest=1.5: expected"),
    "no number": ({"keep_easiest": NAN}, "keep_easiest=nan: expected"),
    "word": ({"keep_hardest": "most"}, "keep_hardest='most': expected"),
    "share above all": ({"keep_hardest": "1.5"}, "keep_hardest='1.5': expected"),
    "truth": ({"keep_hardest": True}, "keep_hardest=True: expected"),
    "a floor above all": (
        {"keep_hardest": 3, "floor": "120%"},
        "floor='120%': expected a share from 0 % to 100 %, such as 30% or 0.3, or a "
        "number of rows from 0, such as 20.",
    ),
    "no column": ({"keep_hardest": 3, "by": "vgo@all"}, "has no column 'vgo@all'. Did you mean"),
    "no score": ({"keep_hardest": 3, "by": "label"}, "'label' is no score"),
    "by without a share": (
        {"drop_problems": True, "by": "vog@all"},
        "by='vog@all' only works with one of keep",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_chosen(stairs: Run, name: str) -> None:
    asked, message = WRONG[name]
    with pytest.raises(ResultError) as error:
        select(stairs, **asked)
    assert message in str(error.value)


def without_labels(folder: Path) -> Run:
    return write_run(folder, {"vog@all": STAIRS}, [-1] * 8)


def with_a_label(folder: Path) -> Run:
    return write_run(folder, {"vog@all": STAIRS}, [0, *[-1] * 7])


def of_names(*ids: str) -> Callable[[Path], Run]:
    return lambda folder: write_run(
        folder, {"vog@all": [1.0] * len(ids)}, [0] * len(ids), ids=list(ids)
    )


def of_npz(**changes: Any) -> Callable[[Path], Run]:
    def made(folder: Path) -> Run:
        npz(folder.parent / "data.npz", **changes)
        where = {"data": str(folder.parent / "data.npz")}
        return write_run(folder, {"vog@all": STAIRS}, TWO_CLASSES, where=where)

    return made


def of_damaged(folder: Path) -> Run:
    run = of_npz()(folder)
    (folder.parent / "data.npz").write_bytes(b"PK\x03\x04 no archive")
    return run


UNWRITABLE: dict[str, tuple[Callable[[Path], Run], dict[str, Any], str]] = {
    "no form": (without_labels, {"form": "lists"}, "there is no form 'lists'. Did you mean 'list'"),
    "some labels": (with_a_label, {"form": "list"}, "7 kept rows have no label"),
    "line breaks": (of_names("a\nb", "c"), {"form": "ids"}, r"the id 'a\nb' has line breaks"),
    "a break at the end": (of_names("a", "c\n"), {"form": "ids"}, r"the id 'c\n' has line breaks"),
    "spaces": (of_names("a ", "c"), {"form": "list"}, "the id 'a ' has line breaks, or spaces"),
    "an empty id": (of_names("", "c"), {"form": "ids"}, "the id '' has line breaks"),
    "root of numbers": (
        without_labels,
        {"root": "x"},
        "root is for lists of image files. Add form='list'.",
    ),
    "root of none": (of_npz(), {"root": "x", "form": "list"}, "was not made of image files"),
    "no npz": (
        without_labels,
        {"form": "npz"},
        "was made of an object in Python, which is not an .npz",
    ),
    "data that are no npz": (of_npz(), {"form": "npz", "data": "a.csv"}, "data='a.csv' is not an"),
    "missing npz": (of_npz(), {"form": "npz", "data": "gone.npz"}, "gone.npz cannot be read"),
    "damaged npz": (of_damaged, {"form": "npz"}, "data.npz cannot be read"),
    "other labels": (
        of_npz(labels=np.zeros(8, np.int64)),
        {"form": "npz"},
        "its labels or ids differ. Give the .npz that was scored as data.",
    ),
    "other ids": (of_npz(ids=np.arange(8)), {"form": "npz"}, "its labels or ids differ"),
    "fewer rows": (
        of_npz(labels=np.array(TWO_CLASSES[:7])),
        {"form": "npz"},
        "labels or ids differ",
    ),
    "no arrays of ours": (of_npz(labels=np.zeros(0)), {"form": "npz"}, "labels or ids differ"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_cannot_be_written(tmp_path: Path, name: str) -> None:
    make, words, message = UNWRITABLE[name]
    found = select(make(tmp_path / "run"), keep_hardest="100%")
    with pytest.raises(ResultError) as error:
        found.save(tmp_path / "kept", **words)
    assert message in str(error.value)
    assert not (tmp_path / "kept").exists()


def test_a_list_without_labels_is_one_of_paths(tmp_path: Path) -> None:
    found = select(without_labels(tmp_path / "run"), keep_hardest=2)
    found.save(tmp_path / "kept.txt", "list")
    assert (tmp_path / "kept.txt").read_text() == "e6\ne7\n"


@pytest.mark.parametrize("given", [None, -1])
def test_an_npz_without_labels(tmp_path: Path, given: int | None) -> None:
    arrays = {"inputs": np.arange(16.0).reshape(8, 2)}
    arrays |= {} if given is None else {"labels": np.full(8, given)}
    np.savez(tmp_path / "d.npz", **arrays)  # pyright: ignore[reportArgumentType]
    where = {"data": str(tmp_path / "d.npz")}
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, [-1] * 8, where=where)
    select(run, keep_hardest=2).save(tmp_path / "KEPT.NPZ")
    with np.load(tmp_path / "KEPT.NPZ") as kept:
        assert set(kept.files) == set(arrays)
        np.testing.assert_array_equal(kept["inputs"], arrays["inputs"][6:])


def test_nothing_is_not_written(stairs: Run, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no row is kept, so"):
        select(stairs, keep_hardest=0).save(tmp_path / "kept.txt")


def scored() -> Run:
    """A run of twenty rows, in the folder that `cli` starts in."""
    values = np.random.default_rng(0).permutation(20).tolist()
    return write_run(Path("run"), {"vog@all": values}, [i % 4 for i in range(20)])


def test_the_command_prints_what_would_be_kept(cli: Cli) -> None:
    scored()
    code, out, err = cli("select", "run", "--drop-easiest", "30%", "--floor", "1")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["dropped:", "easy", "6", "30.0%"] in lines
    assert ["kept", "14", "70.0%"] in lines
    assert "By class, the smallest share kept first; the smallest is now " in out
    words = ("select", "run", "--keep-hardest", "14", "--format")
    rows = json.loads(cli(*words, "json")[1])
    assert rows == list(map(_numbers, csv.DictReader(io.StringIO(cli(*words, "csv")[1]))))
    assert sum(row["kept"] for row in rows) == 14
    assert sum(row["easy"] for row in rows) == 6
    assert not [path for path in Path().iterdir() if path.name not in ("c", "data.npz", "run")]


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    return {k: v if k == "name" and v else (None if v == "" else int(v)) for k, v in row.items()}


@pytest.mark.slow
def test_the_command_writes_a_list(cli: Cli) -> None:
    score(cli)
    asked = ("select", "run", "--keep-hardest", "30%", "--by", "aum@all")
    code, out, err = cli(*asked, "--out", "kept.txt")
    assert code == 0
    assert err.startswith("warning: the last checkpoint agrees with")  # it was never trained
    assert out.endswith("kept.txt: 6 of 20 rows\n")
    expected = vog.open("run").top(6, by="aum@all")["index"].to_pylist()
    assert Path("kept.txt").read_text().split() == [str(one) for one in sorted(expected)]
    code, out, err = cli(*asked, "--out", "kept.npz", "--format", "json")
    assert err.endswith("kept.npz: 6 of 20 rows\n")
    assert len(open_source("kept.npz")) == 6
    assert score(cli, data="kept.npz", out="again")[0] == 0
    code, _, err = cli(*asked, "--out", "kept.txt", "--as", "list", "--root", "x")
    assert (code, err) == (1, "Error: run was not made of image files. Leave --root out.\n")


def test_notes_are_printed_and_mistakes_are_told(cli: Cli) -> None:
    scored()
    Review(Path("run")).mark("e3", "drop")
    code, out, err = cli("select", "run", "--relabel-marked", "--drop-marked")
    assert (code, err) == (0, "Note: no row is marked relabel.\n")
    assert "dropped: marked" in out
    code, out, err = cli("select", "run", "--keep-hardest", "170%")
    assert (code, out) == (1, "")
    assert err.startswith("Error: --keep-hardest 170%: expected a share from 0 % to 100 %")


def test_an_unfinished_run_says_so(cli: Cli) -> None:
    run = scored()
    run.question["data"]["examples"] = 25
    Path("run/question.json").write_text(json.dumps(run.question))
    _, _, err = cli("select", "run", "--keep-hardest", "50%")
    assert "run has 20 rows; 5 are missing" in err


def test_many_classes_are_cut_short(cli: Cli) -> None:
    write_run(Path("run"), {"vog@all": list(range(24))}, [i // 2 for i in range(24)])
    out = cli("select", "run", "--keep-hardest", "50%")[1]
    assert "... and 2 more classes" in out


def test_the_data_are_not_overwritten(tmp_path: Path) -> None:
    """Of the scored file only the kept rows would be left."""
    data = tmp_path / "data.npz"
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, where={"data": str(data)})
    found = select(run, keep_hardest=3, by="vog@all")
    with pytest.raises(ResultError, match="is the data that .* was made of"):
        found.save(data, "ids")
    assert not data.exists()


def test_a_record_of_planting_is_for_suspects(stairs: Run) -> None:
    with pytest.raises(ResultError, match="planted only works with drop_suspects=True"):
        select(stairs, drop_redundant=1, planted="nowhere")


def test_what_is_redundant_has_to_be_known(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES, predictions=[])
    with pytest.raises(ResultError, match="neither correctness nor predictions"):
        select(run, drop_redundant=1)
