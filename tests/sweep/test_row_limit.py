"""`--limit`: a fixed sample over classes, with the row numbers of the data, that may grow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vog
import world
from vog.data.sampling import sample_order
from vog.errors import ResultError
from vog.exports.sample_weights import sample_weight
from vog.figures.example_reader import reader
from vog.gradients.score_stored import import_stored
from vog.gradients.store import prepare_storing, store
from vog.result import Run, parts
from vog.result.row_lookup import RowLookup
from vog.result.sql import RunTables
from vog.sweep.request import Request

ROWS = 60
WORDS: dict[str, Any] = {"batch_size": 4, "rows_per_part": 8, "quiet": True}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sorted by class, as folders are: the head is one class alone."""
    inputs, _ = world.inputs_and_labels(ROWS)
    path = tmp_path / "data.npz"
    np.savez(path, inputs=inputs, labels=np.sort(np.arange(ROWS) % world.CLASSES))
    return path


@pytest.fixture
def whole(checkpoints: Path, data: Path, tmp_path: Path) -> Run:
    return vog.score(world.build, checkpoints, str(data), tmp_path / "whole", **WORDS)


def limited(checkpoints: Path, data: Path, out: Path, limit: int | None) -> Run:
    return vog.score(world.build, checkpoints, str(data), out, limit=limit, **WORDS)


def index_of(run: Run) -> list[int]:
    return run.table(["index"])["index"].to_pylist()


def assert_same_rows(run: Run, whole: Run) -> None:
    """Its rows are those of the same numbers of a run of all rows."""
    own, rows = run.table(), whole.table().take(index_of(run))
    assert own["id"].equals(rows["id"])
    assert own["label"].equals(rows["label"])
    for column in run.score_columns:
        np.testing.assert_allclose(own[column], rows[column], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_rows_are_those_of_the_data_and_classes_take_turns(
    checkpoints: Path, data: Path, whole: Run, tmp_path: Path
) -> None:
    run = limited(checkpoints, data, tmp_path / "run", 10)
    labels = np.load(data)["labels"]
    assert index_of(run) == sorted(sample_order(labels, ROWS)[:10].tolist())
    assert sorted(run.table(["label"])["label"].value_counts().field("counts").to_pylist()) == (
        [2, 2, 3, 3]
    )
    assert_same_rows(run, whole)
    assert (run.rows, run.missing_rows, run.question["limit"]) == (10, 0, 10)
    assert run.question["data"]["part"]


@pytest.mark.slow
def test_a_larger_sample_goes_on_with_the_parts_that_are_there(
    checkpoints: Path, data: Path, whole: Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    few = index_of(limited(checkpoints, data, out, 20))
    first = {part.path: part.path.stat().st_mtime_ns for part in parts.list_parts(out)[:2]}
    more = limited(checkpoints, data, out, 30)
    assert set(few) < set(index_of(more))
    assert len(index_of(more)) == 30
    assert_same_rows(more, whole)
    every = limited(checkpoints, data, out, None)
    assert index_of(every) == list(range(ROWS))
    assert_same_rows(every, whole)
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert "limit" not in every.question
    every.require_every_row()
    uninterrupted = tmp_path / "at once"
    limited(checkpoints, data, uninterrupted, 1)
    limited(checkpoints, data, uninterrupted, None)
    assert {p.name: p.read_bytes() for p in out.glob("part*")} == {
        p.name: p.read_bytes() for p in uninterrupted.glob("part*")
    }, "the same rows are the same bytes, whatever the steps were"


@pytest.mark.slow
@pytest.mark.parametrize(("first", "said"), [(20, "with limit=20"), (None, "without limit")])
def test_a_smaller_sample_is_refused_with_a_sentence(
    checkpoints: Path, data: Path, tmp_path: Path, first: int | None, said: str
) -> None:
    limited(checkpoints, data, tmp_path / "run", first)
    with pytest.raises(ResultError, match=rf"{said}, and limit=12 is smaller\. Leave limit"):
        limited(checkpoints, data, tmp_path / "run", 12)


@pytest.mark.slow
def test_what_reads_a_sample_finds_its_rows(
    checkpoints: Path, data: Path, whole: Run, tmp_path: Path
) -> None:
    run = limited(checkpoints, data, tmp_path / "run", 17)
    last = index_of(run)[-1]
    assert last > 17
    inputs = np.load(data)["inputs"]
    expected = reader(whole)(last, str(last))
    assert np.array_equal(np.asarray(reader(run)(last, str(last))), np.asarray(expected))
    lookup = RowLookup(RunTables(run))
    known = whole.table().to_pylist()[last]
    found = lookup.example(last)
    assert found is not None
    assert (found["id"], found["label"]) == (known["id"], known["label"])
    listed = [pair for some in lookup.ids_and_labels() for pair in some]
    assert [id for id, _ in listed] == [str(row) for row in index_of(run)]
    chosen = vog.select(run, keep_hardest="50%")
    chosen.save(tmp_path / "kept.npz")
    kept = np.load(tmp_path / "kept.npz")
    assert set(chosen.indices.tolist()) <= set(index_of(run))
    assert np.array_equal(kept["inputs"], inputs[chosen.indices])
    with pytest.raises(ResultError, match="has 17 rows of its data, a sample by limit"):
        sample_weight(run)


@pytest.mark.slow
def test_halves_of_a_sample_are_those_of_a_larger_one(
    checkpoints: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vog.sweep.split_half.ROWS", 8)
    run = limited(checkpoints, data, tmp_path / "run", 16)
    first = sorted(sample_order(np.load(data)["labels"], ROWS)[:8].tolist())
    for limit in (16, 40):
        run = limited(checkpoints, data, tmp_path / "run", limit)
        halved = run.table(["index", "vog@all.odd"]).drop_null()["index"].to_pylist()
        assert halved == first


@pytest.mark.slow
def test_gradients_of_a_sample_are_numbered_anew(
    checkpoints: Path, data: Path, whole: Run, tmp_path: Path
) -> None:
    asked = Request(
        world.build, str(checkpoints), str(data), tmp_path / "g", limit=9, batch_size=4, quiet=True
    )
    store(prepare_storing(asked))
    run = import_stored(tmp_path / "g", tmp_path / "run", quiet=True)
    rows = [int(id) for id in run.table(["id"])["id"].to_pylist()]
    assert rows == sample_order(np.load(data)["labels"], ROWS)[:9].tolist()
    expected = whole.table(["vog@all"]).take(rows)["vog@all"]
    np.testing.assert_allclose(run.table(["vog@all"])["vog@all"], expected, rtol=1e-4)
    with pytest.raises(ResultError, match="its row numbers are not those of the data"):
        run.require_row_numbers()


@pytest.mark.slow
def test_a_run_of_0_1_with_a_limit_has_the_first_rows(
    checkpoints: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    inputs, labels = np.load(data)["inputs"], np.load(data)["labels"]
    run = vog.score(world.build, checkpoints, (inputs, labels), out, **WORDS)
    # As 0.1 would have left it: no key of a part, and the first seven rows of all.
    question = json.loads((out / "question.json").read_text())
    del question["rows_per_part"]
    question["data"]["examples"] = 7
    for path in [*run.part_files, out / "digests.json"]:
        path.unlink()
    (out / "question.json").write_text(json.dumps(question))
    again = vog.score(world.build, checkpoints, (inputs, labels), out, limit=7, **WORDS)
    assert index_of(again) == list(range(7))
