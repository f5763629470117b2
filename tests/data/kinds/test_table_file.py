"""Tables of files and of objects: columns, labels, ids, missing values, and a score from each."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

import vog
from vog.data import kinds, open_source
from vog.data.batch_reading import read_batch
from vog.data.examples import UNLABELLED, UnreadableError
from vog.data.protocol import Subset
from vog.data.tables.table_rows import FileRows
from vog.errors import DataError
from vog.figures.example_reader import reader
from vog.figures.previews import previewer
from vog.inspection.inspector import inspector
from vog.item_keys import ItemKeys

ROWS = 24
JOBS = ("clerk", "nurse", "smith")


def people() -> pd.DataFrame:
    """Two numbers, a category, a label of texts and an id."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, ROWS),
            "hours": rng.normal(size=ROWS).round(3),
            "job": [JOBS[row % 3] for row in range(ROWS)],
            "name": [f"p{row}" for row in range(ROWS)],
            "target": [("poor", "rich")[row % 2] for row in range(ROWS)],
        }
    )


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["job", "name"])


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path, row_group_size=5),
    "arrow": lambda frame, path: feather.write_feather(frame, str(path)),
    "feather": lambda frame, path: feather.write_feather(frame, str(path), compression="lz4"),
}
OBJECTS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


def written(frame: pd.DataFrame, folder: Path, ending: str) -> Path:
    path = folder / f"people.{ending}"
    WRITERS[ending](frame, path)
    return path


class Mixed(nn.Module):
    """Takes numbers and categories, as the columns of a table are passed."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = nn.Embedding(len(JOBS), 2)
        self.last = nn.Linear(4, 2)

    def forward(self, numbers: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat([numbers, self.jobs(categories[:, 0])], 1))


def linear() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))


def save(build: Callable[[], nn.Module], folder: Path) -> str:
    folder.mkdir()
    for step in range(3):
        torch.manual_seed(step)
        torch.save(build().state_dict(), folder / f"step-{step}.pt")
    return str(folder / "*.pt")


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_has_the_values_of_the_frame(tmp_path: Path, ending: str) -> None:
    frame = numbers(people())
    examples = open_source(written(frame, tmp_path, ending))
    batch = read_batch(examples, range(ROWS))
    assert np.allclose(np.asarray(batch.inputs), frame[["age", "hours"]].to_numpy(np.float32))
    assert examples.label_names == ("poor", "rich")
    assert batch.labels.tolist() == [row % 2 for row in range(ROWS)]


@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_has_the_values_of_the_frame(kind: str) -> None:
    frame = numbers(people())
    batch = read_batch(open_source(OBJECTS[kind](frame)), range(ROWS))
    assert np.allclose(np.asarray(batch.inputs), frame[["age", "hours"]].to_numpy(np.float32))


@pytest.mark.parametrize("ending", WRITERS)
def test_numbers_and_categories_are_two_inputs(tmp_path: Path, ending: str) -> None:
    """The categories are numbered in sorted order, by column."""
    examples = open_source(written(people(), tmp_path, ending), id="name")
    value, label = pickle.loads(pickle.dumps(examples.read))(4)
    frame = people()
    assert np.allclose(value["numbers"], frame.loc[4, ["age", "hours"]].to_numpy(np.float32))
    assert value["categories"].tolist() == [JOBS.index(frame.loc[4, "job"])]
    assert (label, examples.ids[4]) == (0, "p4")
    assert any("job (3 values)" in note for note in examples.notes)


def test_booleans_and_categoricals_are_categories() -> None:
    frame = pd.DataFrame(
        {"a": [1.5, 2.5], "b": [True, False], "c": pd.Categorical(["x", "w"]), "y": [0, 1]}
    )
    value, _ = open_source(frame).read(0)
    assert value["categories"].tolist() == [1, 1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("workers", [0, 2])
def test_scores_are_those_of_the_arrays(tmp_path: Path, ending: str, workers: int) -> None:
    frame = numbers(people())
    checkpoints = save(linear, tmp_path / "run")
    path = written(frame, tmp_path, ending)
    run = vog.score(linear, checkpoints, path, tmp_path / "s", quiet=True, workers=workers)
    inputs = frame[["age", "hours"]].to_numpy(np.float32)
    pair = (inputs, np.arange(ROWS) % 2)
    same = vog.score(linear, checkpoints, pair, tmp_path / "same", quiet=True)
    columns = [name for name in same.table().column_names if name != "label_name"]
    assert run.table(columns) == same.table(columns)
    assert run.question["data"]["label_names"] == ["poor", "rich"]


def test_a_table_is_scored_continued_shown_and_inspected(tmp_path: Path) -> None:
    checkpoints = save(Mixed, tmp_path / "run")
    path = written(people(), tmp_path, "parquet")
    how: dict[str, Any] = {"id": "name", "quiet": True, "workers": 2}
    run = vog.score(Mixed, checkpoints, path, tmp_path / "s", limit=10, **how)
    run = vog.score(Mixed, checkpoints, path, tmp_path / "s", **how)
    table = run.table(["id", "vog@all"])
    assert table["id"].to_pylist() == [f"p{row}" for row in range(ROWS)]
    shown = reader(run)(3, "p3")
    assert "job: clerk" in shown
    assert previewer(run)(3, "p3").text == shown
    one = inspector(run, model=Mixed)(3)
    assert one.differs == ()
    assert one.vog == pytest.approx(table["vog@all"][3].as_py(), rel=1e-5)


def test_a_run_of_other_values_is_not_continued(tmp_path: Path) -> None:
    checkpoints, frame = save(linear, tmp_path / "run"), numbers(people())
    path = written(frame, tmp_path, "csv")
    vog.score(linear, checkpoints, path, tmp_path / "s", quiet=True)
    frame.loc[0, "age"] = 99
    written(frame, tmp_path, "csv")
    with pytest.raises(vog.VogError, match=r"data\.digest"):
        vog.score(linear, checkpoints, path, tmp_path / "s", quiet=True)


def test_frames_that_differ_have_different_digests() -> None:
    frame, other = people(), people()
    other.loc[5, "job"] = JOBS[0]
    first, second = (open_source(table, id="name").digest for table in (frame, other))
    assert first != second
    assert first == open_source(people(), id="name").digest


@pytest.mark.parametrize("ending", WRITERS)
def test_a_missing_value_marks_its_row(tmp_path: Path, ending: str) -> None:
    frame = numbers(people())
    frame["hours"] = frame["hours"].astype(object)
    frame.loc[2, "hours"] = None
    frame["hours"] = frame["hours"].astype(float)
    examples = open_source(written(frame, tmp_path, ending))
    with pytest.raises(UnreadableError, match="column 'hours' has no value"):
        examples.read(2)
    assert read_batch(examples, range(4)).positions.tolist() == [0, 1, 3]


def test_a_missing_label_is_none() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, None, 0.0]})
    assert open_source(frame).labels is not None
    assert open_source(frame).labels.tolist() == [1, UNLABELLED, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("columns", "how", "sentence"),
    [
        ({"a": [1, 2], "b": [1, 2]}, {}, r"no column named label, .* It has the columns a, b"),
        (
            {"a": [1, 2], "y": [0, 1], "class": [1, 0]},
            {},
            "several columns that may hold the label",
        ),
        ({"a": [1, 2], "y": [0, 1]}, {"keys": ItemKeys(None, "z")}, "label='z': .* no such column"),
        ({"a": [1, 2], "y": [0, 1]}, {"keys": ItemKeys(("q",))}, "input='q': .* no such column"),
        ({"a": [1, 1], "x": [1, 2], "y": [0, 1]}, {"id": "a"}, "the same value in several rows: 1"),
        ({"a": [1, None], "x": [1, 2], "y": [0, 1]}, {"id": "a"}, "no value in the rows 1"),
        ({"y": [0, 1]}, {"keys": ItemKeys(None, "y")}, "no column beside"),
        ({"a": ["2020", "2021"], "y": [0, 1]}, {}, "holds texts, and a model takes tokens"),
        ({"a": ["u", "v"], "b": [1, 2], "y": [0, 1]}, {}, "texts that hardly come back"),
        ({"a": pd.to_datetime(["2020", "2021"]), "y": [0, 1]}, {}, r"'a' .* is of type timestamp"),
        ({"a": [1, 2], "y": [0.5, 1]}, {}, "labels such as 0.5"),
        ({"a": [], "y": []}, {}, "has no rows"),
    ],
)
def test_what_cannot_be_read_is_refused(
    columns: dict[str, Any], how: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        open_source(pd.DataFrame(columns), **how)


def images(folder: Path) -> list[str]:
    folder.mkdir()
    names = [f"{row}.png" for row in range(4)]
    for row, name in enumerate(names):
        Image.new("RGB", (8, 8), (60 * row, 0, 0)).save(folder / name)
    return names


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_paths_of_images_are_images(tmp_path: Path, ending: str) -> None:
    names = images(tmp_path / "pictures")
    frame = pd.DataFrame({"file": names, "label": ["b", "a", "b", "a"]})
    path = written(frame, tmp_path, ending)
    examples = open_source(path, root=tmp_path / "pictures", transform="none")
    assert examples.label_names == ("a", "b")
    assert list(examples.ids) == names
    value, label = examples.read(3)
    assert (float(value[0, 0, 0]), label) == (pytest.approx(180 / 255), 0)


def test_bytes_of_images_are_images(tmp_path: Path) -> None:
    """Those of Hugging Face's Parquet files are structs of bytes and a path."""
    names = images(tmp_path / "pictures")
    contents = [(tmp_path / "pictures" / name).read_bytes() for name in names]
    stored = pa.array([{"bytes": content, "path": None} for content in contents[:3]] + [None])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": stored, "label": [0, 1, 0, 1], "size": [1, 2, 3, 4]}), path)
    examples = open_source(path, transform="none")
    assert float(examples.read(2)[0][0, 0, 0]) == pytest.approx(120 / 255)
    assert read_batch(examples, range(4)).problems == {3: "column 'image' has no value"}
    assert any("not read: size" in note for note in examples.notes)
    damaged = pa.table({"image": [b"no picture", contents[0]], "label": [0, 1]})
    pq.write_table(damaged, path)
    examples = open_source(path, transform="none")
    with pytest.raises(UnreadableError, match="cannot identify image"):
        examples.read(0)


def test_a_folder_of_shards_is_one_table(tmp_path: Path) -> None:
    for shard in range(2):
        frame = numbers(people()).iloc[12 * shard : 12 * (shard + 1)]
        frame.to_parquet(tmp_path / f"train-0000{shard}-of-00002.parquet", row_group_size=5)
    examples = open_source(tmp_path)
    assert np.allclose(examples.read(17)[0][0], people()["age"][17])
    assert len(open_source(str(tmp_path / "train-*.parquet"))) == ROWS
    numbers(people()).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"several parts of a data set: test, train.*train-\*"):
        open_source(tmp_path)


def test_files_that_differ_in_columns_are_refused(tmp_path: Path) -> None:
    people().to_parquet(tmp_path / "a.parquet")
    numbers(people()).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="expected the same in all"):
        open_source(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(DataError, match=r"a.parquet cannot be read as parquet"):
        open_source(tmp_path / "a.parquet")


def test_lists_in_a_column_are_arrays() -> None:
    table = pa.table({"input_ids": [[1, 2, 3], [4, 5]], "attention_mask": [[1, 1, 0], [1, 1]]})
    table = table.append_column("label", pa.array([0, 1]))
    keys = ItemKeys(arguments=("input_ids", "attention_mask"))
    value, _ = open_source(table, keys=keys).read(0)
    assert value["input_ids"].tolist() == [1, 2, 3]
    assert value["attention_mask"].dtype == np.int64


def test_texts_are_given_to_the_transform(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    pd.DataFrame({"text": ["a good one", "bad"], "label": ["pos", "neg"]}).to_csv(path, index=False)
    examples = open_source(path, transform=lambda text: np.array([len(text)], np.float32))
    assert [(value.tolist(), label) for value, label in map(examples.read, range(2))] == [
        ([10.0], 1),
        ([3.0], 0),
    ]


def test_a_list_with_this_ending_stays_a_list(tmp_path: Path) -> None:
    images(tmp_path / "p")
    (tmp_path / "list.csv").write_text("p/0.png 1\np/1.png 0\n")
    examples = open_source(tmp_path / "list.csv", transform="none")
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, 0]


def test_columns_are_named_for_other_kinds_in_vain(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, inputs=np.zeros((2, 3), np.float32), labels=np.arange(2))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"id='x' names a column of a table"):
        open_source(tmp_path / "a.npz", id="x")


@pytest.mark.parametrize("ending", WRITERS)
def test_selected_rows_are_a_table_of_the_same_form(tmp_path: Path, ending: str) -> None:
    checkpoints = save(Mixed, tmp_path / "run")
    path = written(people(), tmp_path, ending)
    run = vog.score(Mixed, checkpoints, path, tmp_path / "s", id="name", quiet=True)
    selection = vog.select(run, keep_hardest=10)
    out = selection.save(tmp_path / f"kept.{ending}")
    kept = open_source(out, id="name")
    assert list(kept.ids) == list(selection.ids)
    value, _ = kept.read(3)
    before, _ = open_source(path, id="name").read(int(selection.indices[3]))
    assert np.allclose(value["numbers"], before["numbers"])
    other = people()
    other["target"] = np.asarray(other["target"])[::-1].copy()
    written(other, tmp_path, ending)
    with pytest.raises(vog.VogError, match="is not what .* was made of"):
        selection.save(tmp_path / f"kept.{ending}")


@pytest.mark.parametrize("ending", WRITERS)
def test_changed_labels_are_written(tmp_path: Path, ending: str) -> None:
    path = written(people(), tmp_path, ending)
    source = kinds.source_of(path)
    labels = np.arange(ROWS) % 2
    rows = np.array([2, 3])
    ids = [f"p{row}" for row in range(ROWS)]
    subset = Subset(rows, np.array([1, 1]), np.arange(ROWS), labels, ids, id="name")
    out = tmp_path / f"out.{ending}"
    assert source.write_subset(path, subset, out)
    table = FileRows((out,), tmp_path, "out", ()).columns(["target", "name"])
    assert table.to_pydict() == {"target": ["rich", "rich"], "name": ["p2", "p3"]}


def test_a_list_without_names_of_columns_stays_one(tmp_path: Path) -> None:
    names = images(tmp_path / "p")
    path = tmp_path / "a.csv"
    path.write_text("".join(f"p/{name},cat\n" for name in names))
    subset = Subset(np.array([1]), np.array([0]), np.arange(4), np.zeros(4, int), names)
    assert kinds.source_of(path).write_subset(path, subset, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == "p/1.png,cat\n"


def test_other_endings_are_refused(tmp_path: Path) -> None:
    path = written(numbers(people()), tmp_path, "csv")
    run = vog.score(linear, save(linear, tmp_path / "run"), path, tmp_path / "s", quiet=True)
    with pytest.raises(vog.VogError, match=r"kept.parquet is not of the form of .*people.csv"):
        vog.select(run, keep_hardest=3).save(tmp_path / "kept.parquet", "table")


def test_the_index_of_pandas_is_no_input(tmp_path: Path) -> None:
    frame = numbers(people()).iloc[[5, *range(5)]]
    frame.to_parquet(tmp_path / "a.parquet")
    examples = open_source(tmp_path / "a.parquet")
    assert np.allclose(examples.read(0)[0], frame[["age", "hours"]].to_numpy(np.float32)[0])
    assert any("not read: __index_level_0__" in note for note in examples.notes)
