"""A kind of data that the package does not have: one entry of the table adds it everywhere."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vog
import world
from vog.data import kinds
from vog.data.arrays import from_arrays
from vog.data.examples import Examples
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.errors import DataError, ResultError
from vog.exports import export
from vog.figures.example_reader import reader
from vog.figures.previews import previewer
from vog.inspection.inspector import inspector
from vog.result import Run

ROWS = 30


@dataclass(frozen=True)
class ParquetTable(Source):
    """A table with a column of inputs and one of labels."""

    kind = "Parquet table"

    def opens(self, data: Any) -> bool:
        return is_name(data) and str(data).endswith(".cells")

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        inputs, labels = columns(existing_path(data))
        return from_arrays(inputs, labels, value_transform(options.transform), source=str(data))

    def place(self, data: Any) -> Path | None:
        return Path(data)

    def reader(self, data: Any, display: Display) -> StoredReader:
        inputs, _ = columns(data)
        return lambda index, _: inputs[index]


@dataclass(frozen=True)
class OneByOne(ParquetTable):
    """The same table, read by a plain function, which says nothing but how a row is read."""

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        examples = super().examples(data, options)
        read = examples.read
        return Examples(examples.ids, lambda row: read(row), examples.digest, examples.labels)


def columns(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(path)
    inputs = np.array(table["inputs"].to_pylist(), np.float32).reshape(-1, 3, 6, 6)
    return inputs, table["labels"].to_numpy()


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of this kind, which the package can open as long as the test runs."""
    monkeypatch.setattr(kinds, "SOURCES", (ParquetTable(), *kinds.SOURCES))
    inputs, labels = world.inputs_and_labels(ROWS)
    path = tmp_path / "table.cells"
    pq.write_table(pa.table({"inputs": list(inputs.reshape(ROWS, -1)), "labels": labels}), path)
    return path


def score(data: Any, checkpoints: Path, out: Path, **how: Any) -> Run:
    return vog.score(world.build, str(checkpoints / "*.pt"), data, out, quiet=True, **how)


@pytest.fixture
def run(table: Path, checkpoints: Path, tmp_path: Path) -> Run:
    return score(table, checkpoints, tmp_path / "run")


def test_the_package_has_no_such_source(tmp_path: Path) -> None:
    assert kinds.source_of(tmp_path / "table.cells").kind == "list file"


def test_its_scores_are_those_of_the_arrays(run: Run, checkpoints: Path, tmp_path: Path) -> None:
    same = score(world.inputs_and_labels(ROWS), checkpoints, tmp_path / "same")
    assert run.table() == same.table()


def test_it_is_shown(run: Run, table: Path, tmp_path: Path) -> None:
    inputs, _ = world.inputs_and_labels(ROWS)
    assert previewer(run)(4, "4").image is not None
    assert np.array_equal(reader(run)(4, "4"), inputs[4])
    moved = table.rename(tmp_path / "moved.cells")
    with pytest.raises(ResultError, match="Give the file as root"):
        reader(run)
    assert np.array_equal(reader(run, moved)(4, "4"), inputs[4])
    assert np.array_equal(reader(run, data=str(moved))(4, "4"), inputs[4])


def test_it_is_inspected(run: Run) -> None:
    one = inspector(run, model=world.build)(4)
    assert one.differs == ()
    assert one.vog == pytest.approx(run.table(["vog@all"])["vog@all"][4].as_py(), rel=1e-5)


def test_it_is_selected_from(run: Run, tmp_path: Path) -> None:
    selection = vog.select(run, keep_hardest=10)
    rows = selection.save(tmp_path / "kept.txt").read_text().split()
    assert rows == [str(row) for row in selection.indices]
    with pytest.raises(ResultError, match=r"table.cells, which is not an .npz. Give the file"):
        selection.save(tmp_path / "kept.npz")


def test_tools_that_open_files_refuse_it(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"FiftyOne opens image files, and the examples of"):
        export(run, tmp_path / "a.json", "fiftyone")
    with pytest.raises(ResultError, match=r"Label Studio shows image files and texts"):
        export(run, tmp_path / "a.json", "label-studio")


def test_faults_are_planted_into_it(table: Path, checkpoints: Path, tmp_path: Path) -> None:
    """Its examples are arrays, so the planted ones are an `.npz`."""
    planted = vog.plant(table, tmp_path / "planted", flip=0.2, duplicate=0.1, quiet=True)
    run = score(tmp_path / "planted" / "data.npz", checkpoints, tmp_path / "of-planted")
    assert run.rows == planted.question["data"]["examples"] == ROWS + 3


def test_faults_are_planted_when_it_is_read(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader without arrays is planted into by code that opens the data again."""
    monkeypatch.setattr(kinds, "SOURCES", (OneByOne(), *kinds.SOURCES))
    vog.plant(table, tmp_path / "planted", flip=0.2, corrupt=0.1, quiet=True)
    monkeypatch.chdir(tmp_path / "planted")
    from vog.planting import reopen

    data = reopen(tmp_path / "planted")
    labels = world.inputs_and_labels(ROWS)[1]
    assert len(data) == ROWS
    assert sum(data[row][1] != labels[row] for row in range(ROWS)) == 6


def test_each_fold_holds_out_other_rows(table: Path, checkpoints: Path, tmp_path: Path) -> None:
    vog.folds(table, tmp_path / "folds", folds=3, quiet=True)
    files = [tmp_path / "folds" / f"fold-{number}" / "held_out.txt" for number in range(3)]
    runs = [score(file, checkpoints, tmp_path / f"run-{file.parent.name}") for file in files]
    rows = [row for run in runs for row in run.table(["index"])["index"].to_pylist()]
    assert sorted(rows) == list(range(ROWS))
    whole = score(table, checkpoints, tmp_path / "whole").table(["index", "label", "vog@all"])
    scored = whole.take(runs[0].table(["index"])["index"])
    assert scored["label"] == runs[0].table(["label"])["label"]
    assert np.allclose(scored["vog@all"], runs[0].table(["vog@all"])["vog@all"], rtol=1e-5)
    pq.write_table(pq.read_table(table).slice(1), table)
    with pytest.raises(DataError, match=r"table.cells has different examples than the folds"):
        score(files[0], checkpoints, tmp_path / "of-changed-data")


def test_a_pair_of_arrays_is_shown_by_row(checkpoints: Path, tmp_path: Path) -> None:
    pair = world.inputs_and_labels(ROWS)
    run = score(pair, checkpoints, tmp_path / "run")
    assert np.array_equal(reader(run, data=pair)(4, "4"), pair[0][4])
    with pytest.raises(ResultError, match=r"the pair of arrays has 4 rows, and '4' was row 4"):
        reader(run, data=(pair[0][:4], pair[1][:4]))(4, "4")


@pytest.mark.process
def test_asking_a_source_loads_no_framework() -> None:
    code = (
        "import sys, vog.figures.previews, vog.analysis.selection.select, vog.exports; "
        "from vog.data import kinds; kinds.source_of('photos'); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "False"
