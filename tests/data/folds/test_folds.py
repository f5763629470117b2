"""Folds: every row held out once, scored with the numbers of the whole, and combined again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch import nn
from torch.utils.data import Subset

import vog
from command_line import Cli
from vog.analysis.many_runs.combined_folds import combine_folds
from vog.data import open_source
from vog.data.datasets import from_dataset
from vog.data.folds.fold_dataset import fold
from vog.data.folds.fold_record import load_fold_record
from vog.data.folds.write_folds import draw_folds, folds
from vog.data.run_data import missing_data_places
from vog.errors import DataError, ResultError
from vog.inspection.inspector import inspector
from vog.result import Run

ROWS, FOLDS = 40, 4


@given(
    arrays(np.int64, st.integers(2, 60), elements=st.integers(0, 4)),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_laws_of_the_draw(labels: np.ndarray, count: int, seed: int) -> None:
    by = draw_folds(labels, count, seed)
    assert by.shape == labels.shape
    assert set(by.tolist()) <= set(range(count))
    for mine in (np.ones(len(labels), bool), *(labels == one for one in np.unique(labels))):
        sizes = np.bincount(by[mine], minlength=count)
        assert sizes.max() - sizes.min() <= 1, "equally many, or one more"
    np.testing.assert_array_equal(by, draw_folds(labels, count, seed))


def build() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=np.arange(ROWS) % 3, label_names=list("abc"))
    return tmp_path / "d.npz"


def checkpoints(folder: Path, seed: int) -> str:
    folder.mkdir()
    for step in range(3):
        torch.manual_seed(10 * seed + step)
        torch.save(build().state_dict(), folder / f"step-{step}.pt")
    return str(folder / "*.pt")


def scored(data: Any, tmp_path: Path, number: int, **how: Any) -> Run:
    name = f"{number}-{len(list(tmp_path.iterdir()))}"
    return vog.score(
        build(),
        checkpoints(tmp_path / f"c{name}", number),
        data,
        tmp_path / f"run{name}",
        stages=1,
        quiet=True,
        **how,
    )


@pytest.fixture
def runs(data: Path, tmp_path: Path) -> list[Run]:
    folds(data, tmp_path / "F", folds=FOLDS)
    return [scored(tmp_path / f"F/fold-{n}/held_out.npz", tmp_path, n) for n in range(FOLDS)]


def test_an_npz(data: Path, tmp_path: Path) -> None:
    record = folds(data, tmp_path / "F", folds=FOLDS, seed=3)
    whole, seen = np.load(data), []
    for number in range(FOLDS):
        train, held = (
            np.load(tmp_path / f"F/fold-{number}/{p}.npz") for p in ("train", "held_out")
        )
        assert len(train["labels"]) + len(held["labels"]) == ROWS
        assert not set(train["rows"]) & set(held["rows"])
        seen += held["rows"].tolist()
        for part in (train, held):
            for name in ("inputs", "labels"):
                np.testing.assert_array_equal(part[name], whole[name][part["rows"]])
            assert part["ids"].tolist() == [str(row) for row in part["rows"]]
            assert part["label_names"].tolist() == ["a", "b", "c"]
    assert sorted(seen) == list(range(ROWS))
    assert folds(data, tmp_path / "F", folds=FOLDS, seed=3).files == record.files, "there already"
    with pytest.raises(ResultError, match="holds different folds or data. Give another out"):
        folds(data, tmp_path / "F", folds=FOLDS, seed=4)
    (tmp_path / "F/fold-1/train.npz").unlink()
    with pytest.raises(ResultError, match=r"lacks fold-1/train\.npz"):
        folds(data, tmp_path / "F", folds=FOLDS, seed=3)


def test_a_held_out_run_has_the_numbers_of_the_whole(runs: list[Run], data: Path) -> None:
    labels = np.load(data)["labels"]
    for number, run in enumerate(runs):
        table = run.table(["index", "id", "label", "label_name"])
        rows = table["index"].to_numpy()
        assert table["id"].to_pylist() == [str(row) for row in rows]
        np.testing.assert_array_equal(table["label"].to_numpy(), labels[rows])
        fold = run.question["data"]["fold"]
        assert (fold["number"], fold["folds"], fold["held_out"]) == (number, FOLDS, True)
        assert (run.question["out_of_sample"], run.out_of_sample) == (True, True)
        assert run.question["where"]["data"] == str(data)
        probabilities = run.probabilities()
        assert probabilities is not None
        assert probabilities.dtype == np.float16
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=2e-3)
        predicted = run.table(["prediction@all", "prediction_probability@all"])
        np.testing.assert_array_equal(probabilities.argmax(1), predicted[0].to_numpy())
        np.testing.assert_allclose(probabilities.max(1), predicted[1].to_numpy(), rtol=1e-3)
        assert not any("probabilities" in name for name in run.columns), "not exported unasked"
    with pytest.raises(ResultError, match="rows of one fold, and this needs a value for every row"):
        runs[0].require_every_row()


def test_a_held_out_run_is_as_one_of_the_whole(runs: list[Run], data: Path, tmp_path: Path) -> None:
    """The same checkpoints over all rows give the same numbers, to what a batch changes."""
    run, whole = runs[1], scored(data, tmp_path, 1)
    assert whole.probabilities() is None
    rows = run.table(["index"])[0].to_numpy()
    for column in run.score_columns:
        np.testing.assert_allclose(
            run.values(column), whole.values(column)[rows], rtol=1e-4, atol=1e-6
        )


@pytest.mark.slow
def test_folds_combine(runs: list[Run], tmp_path: Path) -> None:
    made = combine_folds(runs[::-1], tmp_path / "all")
    assert made.question["out_of_sample"] is True
    assert made.table(["index"])[0].to_pylist() == list(range(ROWS))
    made.require_every_row()
    for run in runs:
        rows = run.table(["index"])[0].to_numpy()
        for name in (*run.columns, "probabilities@all"):
            taken = made.table([name]).take(rows)
            assert taken[0].to_pylist() == run.table([name])[0].to_pylist()
            assert made.schema.field(name).metadata == run.schema.field(name).metadata
    again = combine_folds(runs, tmp_path / "other")
    assert again.table().equals(made.table()), "whatever the order of the runs"
    assert vog.suspects(made).method == "held out"


@pytest.mark.slow
def test_what_does_not_combine(runs: list[Run], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, second, *rest = runs
    lost = sorted(second.table(["id"])[0].to_pylist(), key=int)
    with pytest.raises(ResultError, match=rf"no run of fold 1 is given: {', '.join(lost[:5])} and"):
        combine_folds([first, *rest], out)
    twice = first.table(["id"])[0].to_pylist()
    with pytest.raises(ResultError, match=f"10 rows are in more than one run: {twice[0]}, "):
        combine_folds([first, first, second, *rest], out)
    with pytest.raises(ResultError, match="is not a run of held-out rows"):
        combine_folds([scored(data, tmp_path, 7), second], out)
    trained = scored(tmp_path / "F/fold-0/train.npz", tmp_path, 0)
    assert not trained.out_of_sample
    with pytest.raises(ResultError, match="is not a run of held-out rows"):
        combine_folds([trained, second, *rest], out)
    few = scored(tmp_path / "F/fold-0/held_out.npz", tmp_path, 0, limit=6)
    with pytest.raises(ResultError, match="4 rows of the data are in none.*limit left them out"):
        combine_folds([few, second, *rest], out)
    folds(data, tmp_path / "G", folds=FOLDS, seed=9)
    other = scored(tmp_path / "G/fold-0/held_out.npz", tmp_path, 0)
    with pytest.raises(ResultError, match="are of different folds, .*are in both, such as"):
        combine_folds([second, other], out)
    more = scored(tmp_path / "F/fold-0/held_out.npz", tmp_path, 0, scores="vog,aum")
    with pytest.raises(ResultError, match="has .*, which .* lacks. Score all folds with the same"):
        combine_folds([more, second, *rest], out)
    same = vog.score(
        build(),
        checkpoints(tmp_path / "again", 1),
        tmp_path / "F/fold-0/held_out.npz",
        tmp_path / "same",
        stages=1,
        quiet=True,
    )
    with pytest.raises(
        ResultError, match="same weights, so one of them judged rows that it was tr"
    ):
        combine_folds([same, second, *rest], out)
    with pytest.raises(ResultError, match="1 run given, and there are 2 folds or more"):
        combine_folds([first], out)
    with pytest.raises(ResultError, match="is one of the runs. Give another folder"):
        combine_folds(runs, first.folder)
    assert not out.exists()


def test_the_model_is_the_judge(tmp_path: Path) -> None:
    """A class that no model names is not judged, whatever its probabilities."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    inputs = np.eye(3, 6, dtype=np.float32)[np.minimum(labels, 1)]
    inputs += 0.01 * rng.normal(size=inputs.shape).astype(np.float32)
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=labels)
    folds(tmp_path / "d.npz", tmp_path / "F", folds=2)
    runs = []
    for number in range(2):
        module = build()
        with torch.no_grad():
            module[3].bias[2] = -20  # pyright: ignore
        (tmp_path / f"c{number}").mkdir()
        for step in range(2):
            module[1].weight.data += 0.01 * (number + 1)  # pyright: ignore
            torch.save(module.state_dict(), tmp_path / f"c{number}/{step}.pt")
        where = tmp_path / f"F/fold-{number}/held_out.npz"
        points = str(tmp_path / f"c{number}/*.pt")
        runs.append(vog.score(build(), points, where, tmp_path / f"r{number}", quiet=True))
    found = vog.suspects(combine_folds(runs, tmp_path / "all"))
    assert 2 in found.unlearned
    assert not found.suspect[labels == 2].any()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for at in range(12):
        folder = tmp_path / "photos" / ("cat", "a dog")[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(
            folder / f"{at} x.png"
        )
    return tmp_path / "photos"


def test_image_folders_and_lists(pictures: Path, tmp_path: Path) -> None:
    whole = open_source(pictures)
    folds(pictures, tmp_path / "F", folds=3)
    lines = (tmp_path / "F/fold-2/held_out.txt").read_text().splitlines()
    assert len(lines) == 4
    assert all(line.rpartition(" ")[0] in whole.ids for line in lines)
    held = open_source(str(tmp_path / "F/fold-2/held_out.txt"))
    assert held.row_numbers is not None
    assert held.ids == [whole.ids[row] for row in held.row_numbers.tolist()]
    assert (held.label_names, held.classes) == (whole.label_names, whole.classes)
    assert whole.labels is not None
    np.testing.assert_array_equal(held.labels, whole.labels[held.row_numbers])
    value, label = held.read(1)
    expected = whole.read(int(held.row_numbers[1]))
    np.testing.assert_array_equal(value, expected[0])
    assert label == expected[1]
    sample = held.sampled(3)
    assert sample.row_numbers is not None
    assert [whole.ids[row] for row in sample.row_numbers.tolist()] == list(sample.ids)
    with pytest.raises(DataError, match="is itself a fold. Give the data it is made from"):
        folds(tmp_path / "F/fold-2/train.txt", tmp_path / "G", folds=2)
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{name} 4\n" for name in whole.ids))
    folds(listing, tmp_path / "L", folds=2, root=pictures)
    again = open_source(tmp_path / "L/fold-0/held_out.txt")
    assert again.row_numbers is not None
    assert (list(again.ids), again.classes) == ([whole.ids[r] for r in again.row_numbers], None)


def test_a_list_that_was_changed_is_refused(pictures: Path, tmp_path: Path) -> None:
    folds(pictures, tmp_path / "F", folds=3)
    held = tmp_path / "F/fold-0/held_out.txt"
    held.write_text("".join(held.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match="was changed since `vog.folds` wrote it"):
        open_source(held)
    copied = pictures / "mine.txt"
    copied.write_text(held.read_text())
    assert open_source(copied).row_numbers is None, "a list like any other"


class Dataset:
    """Twenty-one rows of three classes, with names."""

    def __init__(self, targets: bool = True, shift: int = 0) -> None:
        self.ids, self.shift = [f"row {at}" for at in range(21)], shift
        if targets:
            self.targets = [(at + shift) % 3 for at in range(21)]

    def __len__(self) -> int:
        return 21

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        return torch.full((6,), float(at)), (at + self.shift) % 3


CODE = """
import sys
sys.path.insert(0, {tests!r})
from test_folds import Dataset
def rows(): return Dataset(targets=False)
"""


def test_a_dataset(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(CODE.format(tests=str(Path(__file__).parent)))
    record = folds(f"{code}:rows", tmp_path / "F", folds=3)
    assert record.kind == "dataset"
    seen = []
    for number in range(3):
        train, held = fold(Dataset(), tmp_path / "F", number)
        assert (len(train), len(held)) == (14, 7)
        names = (tmp_path / f"F/fold-{number}/held_out.txt").read_text().splitlines()
        assert [json.loads(line) for line in names] == [f"row {at}" for at in held.indices]
        seen += held.indices
        named = open_source(str(tmp_path / f"F/fold-{number}/held_out.txt"))
        assert named.row_numbers is not None
        assert named.row_numbers.tolist() == held.indices
        assert list(named.ids) == [f"row {at}" for at in held.indices]
        assert named.read(2)[0][0] == held.indices[2]
    assert sorted(seen) == list(range(21))
    run = scored(fold(Dataset(), tmp_path / "F", 1).held_out, tmp_path, 1)
    assert run.table(["index"])[0].to_pylist() == sorted(
        load_fold_record(tmp_path / "F").rows(1, True)
    )
    with pytest.raises(DataError, match="has the folds 0 to 2, but no fold 3"):
        fold(Dataset(), tmp_path / "F", 3)
    with pytest.raises(DataError, match="labels of the dataset, or their order, differ"):
        fold(Dataset(shift=1), tmp_path / "F", 0)
    with pytest.raises(DataError, match="the dataset has 3 items, but the folds were made from 21"):
        fold([(torch.zeros(6), 0)] * 3, tmp_path / "F", 0)


def test_what_has_no_folds(data: Path, tmp_path: Path) -> None:
    for count in (1, 41):
        with pytest.raises(DataError, match=f"folds={count}: expected 2 to 40"):
            folds(data, tmp_path / "F", folds=count)
    with pytest.raises(DataError, match="seed=-1: expected a whole number"):
        folds(data, tmp_path / "F", seed=-1)
    np.savez(tmp_path / "u.npz", inputs=np.zeros((4, 2), np.float32))
    with pytest.raises(
        DataError, match="4 of 4 examples have no label.*Give every example a label"
    ):
        folds(tmp_path / "u.npz", tmp_path / "F")
    with pytest.raises(DataError, match="of type tuple, which cannot be opened again later"):
        folds((np.zeros((4, 2)), np.zeros(4)), tmp_path / "F")
    with pytest.raises(DataError, match=r"holds no folds\.json"):
        fold(Dataset(), tmp_path, 0)
    assert not (tmp_path / "F").exists()
    folds(data, tmp_path / "F")
    record = tmp_path / "F/folds.json"
    said = json.loads(record.read_text())
    by = said["held_out_by"].split(" ")
    for changed in (
        {"held_out_by": " ".join([by[1], by[0], *by[2:]])},
        {"held_out_by": " ".join([*by[:-1], "9"])},
        {"held_out_by": [0.5]},
        {"files": []},
        {"alone": [1e300]},
        {"folds": 2.5},
        {"label_names": "abc"},
        {"kind": "table"},
    ):
        record.write_text(json.dumps(said | changed))
        with pytest.raises(DataError, match=r"folds\.json is damaged"):
            open_source(tmp_path / "F/fold-0/held_out.npz")
    record.write_text("{")
    with pytest.raises(DataError, match=r"folds\.json is damaged"):
        open_source(tmp_path / "F/fold-0/held_out.npz")


def test_lists_of_others_are_left_alone(pictures: Path) -> None:
    """A folder of one's own that is laid out like ours."""
    (pictures / "fold-0").mkdir()
    listing = pictures / "fold-0/train.txt"
    listing.write_text("../cat/0 x.png 3\n")
    (pictures / "folds.json").write_text('{"k": 3}')
    assert open_source(listing).fold is None
    with pytest.raises(DataError, match=r"folds\.json was not written by `vog\.folds`"):
        load_fold_record(pictures)


def test_rows_that_are_no_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS, 6)).astype(np.float32)
    inputs[5], inputs[7] = np.nan, np.inf
    np.savez(tmp_path / "d.npz", inputs=inputs, labels=np.arange(ROWS) % 3)
    folds(tmp_path / "d.npz", tmp_path / "F", folds=2)
    runs = [scored(tmp_path / f"F/fold-{n}/held_out.npz", tmp_path, n) for n in range(2)]
    made = combine_folds(runs, tmp_path / "all")
    found = made.probabilities()
    assert found is not None
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [5, 7]
    verdict = vog.suspects(made)
    assert not verdict.suspect[[5, 7]].any()
    for ending in ("csv", "jsonl"):
        with pytest.raises(ResultError, match=f"holds a list for each row, which {ending} cannot"):
            made.export(tmp_path / f"x.{ending}", columns=["id", "probabilities@all"])
    made.export(tmp_path / "x.parquet", columns=["id", "probabilities@all"])


def test_whole_numbers_are_scaled_when_they_are_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (12, 2, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(12)[:, None] % 3)
    folds(tmp_path / "d.npz", tmp_path / "F", folds=2)
    held = np.load(tmp_path / "F/fold-1/held_out.npz")
    assert held["images"].dtype == np.uint8
    path = tmp_path / "F/fold-1/held_out.npz"
    run = scored(path, tmp_path, 1, transform=lambda row: torch.tensor(row / 255).float())
    assert run.rows == 6


@pytest.mark.slow
def test_other_models_and_no_probabilities(runs: list[Run], tmp_path: Path) -> None:
    first, *rest = runs
    held = tmp_path / "F/fold-0/held_out.npz"
    bare = scored(held, tmp_path, 0, keep_probabilities=False)
    with pytest.raises(ResultError, match="has no probabilities and .* probabilities of 3 classes"):
        combine_folds([bare, *rest], tmp_path / "out")
    wide = nn.Sequential(nn.Flatten(), nn.Linear(6, 5))
    (tmp_path / "wide").mkdir()
    for step in range(3):
        nn.init.normal_(wide[1].weight)  # pyright: ignore
        torch.save(wide.state_dict(), tmp_path / f"wide/{step}.pt")
    other = vog.score(wide, str(tmp_path / "wide/*.pt"), held, tmp_path / "w", stages=1, quiet=True)
    with pytest.raises(ResultError, match="probabilities of 5 classes and .* of 3 classes"):
        combine_folds([other, *rest], tmp_path / "out")
    assert first.rows


@pytest.mark.slow
def test_one_example_is_inspected_again(pictures: Path, tmp_path: Path) -> None:
    folds(pictures, tmp_path / "F", folds=3)
    moved = tmp_path / "moved"
    pictures.rename(moved)
    (tmp_path / "m.py").write_text(
        "from torch import nn\ndef build():\n"
        "  return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))"
    )
    (tmp_path / "c").mkdir()
    for step in range(3):
        torch.manual_seed(step)
        module = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
        torch.save(module.state_dict(), tmp_path / f"c/{step}.pt")
    run = vog.score(
        f"{tmp_path / 'm.py'}:build",
        str(tmp_path / "c/*.pt"),
        tmp_path / "F/fold-1/held_out.txt",
        tmp_path / "run",
        root=moved,
        transform="none",
        quiet=True,
    )
    assert missing_data_places(run) is None
    for at, index in enumerate(run.table(["index"])[0].to_pylist()):
        seen = inspector(run)(index)
        assert seen.vog == pytest.approx(run.values("vog@all")[at], rel=1e-4)
        assert seen.differs == ()


class Odd(Subset[Any]):
    """A subset that has a part of its own."""

    part = "train"


def test_subsets(tmp_path: Path) -> None:
    code = tmp_path / "subsets.py"
    code.write_text(CODE.format(tests=str(Path(__file__).parent)))
    folds(f"{code}:rows", tmp_path / "F", folds=3)
    held = fold(Dataset(), tmp_path / "F", 1).held_out
    some = from_dataset(Subset(held, [1, 3, 4]))
    assert some.row_numbers is not None
    assert some.row_numbers.tolist() == [held.indices[at] for at in (1, 3, 4)]
    assert some.fold is not None
    assert some.fold.held_out
    assert from_dataset(Subset(held, [3, 1])).fold is None, "rows of a run ascend"
    assert from_dataset(Odd(Dataset(), [0, 2])).fold is None  # pyright: ignore


@pytest.mark.slow
def test_the_commands(
    runs: list[Run],
    data: Path,
    tmp_path: Path,
    cli: Cli,
) -> None:
    code, out, _ = cli("folds", "--data", str(data), "--folds", "4", "--out", "F")
    assert (code, "40 examples, each held out once (was there already)" in out) == (0, True)
    assert "vog score --data F/fold-I/held_out.npz" in out
    names = [str(run.folder) for run in runs]
    code, out, err = cli("combine", "--folds", *names, "--out", "all")
    assert (code, "40 rows of 4 folds, each judged by a model without it" in out) == (0, True)
    assert "the last checkpoint agrees with" in err
    code, out, err = cli("combine", "--folds", *names, "--out", "all", "--by", "vog@all")
    assert (code, "--by is for means over several runs" in err) == (1, True)
    code, out, err = cli("combine", "--folds", *names, "--out", "all", "--format", "json")
    assert [row["rows"] for row in json.loads(out)] == [10] * 4
    code, out, _ = cli("suspects", "all")
    assert (code, "Out of sample: each label was judged by a training without it." in out) == (
        0,
        True,
    )
    np.savez(tmp_path / "one.npz", inputs=np.zeros((5, 6), np.float32), labels=[0, 0, 0, 0, 2])
    code, _, err = cli("folds", "--data", "one.npz", "--folds", "2", "--out", "G")
    assert (code, "The classes 2 have a single example each" in err) == (0, True)


def test_probabilities_are_kept_when_asked(data: Path, tmp_path: Path) -> None:
    asked = scored(data, tmp_path, 0, keep_probabilities=True)
    assert asked.question["probabilities"] is True
    assert "probabilities@all" not in asked.table().column_names
    assert asked.table(["id", "probabilities@all"]).num_columns == 2
    folds(data, tmp_path / "F", folds=2)
    bare = scored(tmp_path / "F/fold-0/held_out.npz", tmp_path, 0, keep_probabilities=False)
    assert bare.probabilities() is None
    with pytest.raises(
        ResultError, match="has no probabilities of all classes.*keep_probabilities=True"
    ):
        vog.suspects(bare)
