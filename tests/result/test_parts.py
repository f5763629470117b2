"""A run folder: parts that are whole or absent, questions, and what is read from it."""

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

import vog
from runs import SIX_QUESTION
from vog.errors import DifferentQuestionError, ResultError
from vog.result import Run, open_run, parts, question
from vog.result.parts import Part, gaps, writing_session


def test_the_columns_of_the_design(run: Run) -> None:
    assert run.columns == [
        "index",
        "id",
        "label",
        "label_name",
        "prediction@all",
        "prediction_probability@all",
        "vog@all",
        "aum@all",
        "forgetting@all",
        "problem",
    ]
    assert [str(field.type) for field in run.schema] == (
        ["int64", "string", "int64", "string", "int64"] + ["float"] * 4 + ["string"]
    )
    assert run.table().to_pylist()[4] == {
        "index": 4,
        "id": "<img 4>.jpg",
        "label": 1,
        "label_name": "magpie",
        "prediction@all": None,
        "prediction_probability@all": None,
        "vog@all": None,
        "aum@all": None,
        "forgetting@all": None,
        "problem": "unreadable: truncated",
    }


def ids(table: object) -> list[int]:
    return [int(one[5]) for one in table["id"].to_pylist()]  # type: ignore[index]


def test_top_knows_which_end_is_hard(run: Run) -> None:
    assert ids(run.top(3, by="vog@all")) == [3, 5, 0]
    assert ids(run.top(3, by="aum@all")) == [3, 5, 0], "a small margin is hard"
    assert ids(run.top(3, by="aum@all", easiest=True)) == [1, 2, 0]
    assert ids(run.top(9, by="forgetting@all")) == [3, 5, 2, 1, 0], "never learned comes first"


def test_top_of_a_class_by_name_or_number(run: Run) -> None:
    assert ids(run.top(label="cat", by="vog@all")) == [0, 2, 1]
    assert ids(run.top(label=1, by="vog@all")) == [3, 5], "a row without a value is not listed"
    with pytest.raises(ResultError, match="there is no class 'magpi'. Did you mean 'magpie'"):
        run.top(label="magpi")


def test_the_default_of_top_is_within_the_class(run: Run) -> None:
    """z of class cat: 1.22, -1.22, 0; of magpie, two values: 1 and -1."""
    table = run.top(4)
    assert ids(table) == [0, 3, 2, 5]
    np.testing.assert_allclose(table["vog@all:class"], [1.2247449, 1, 0, -1], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vog@lat", "has no column 'vog@lat'. Did you mean 'vog@all'"),
        ("vog@all:klass", "only scores may end in :class, :robust, :rank"),
        ("prediction@all:class", "only scores may end in"),
    ],
)
def test_columns_that_are_not_there(run: Run, name: str, message: str) -> None:
    with pytest.raises(ResultError, match=message):
        run.table([name])


def test_tables_go_to_other_libraries(run: Run) -> None:
    columns = ["id", "vog@all:rank"]
    assert run.table(columns).to_pydict()["vog@all:rank"] == [0.5, 0.0, 0.25, 1.0, None, 0.75]


def test_problems(run: Run) -> None:
    assert run.problems().to_pylist() == [{"id": "<img 4>.jpg", "problem": "unreadable: truncated"}]


def test_export_to_csv(run: Run, tmp_path: Path) -> None:
    run.export(tmp_path / "it's.csv", columns=["id", "vog@all", "forgetting@all", "vog@all:class"])
    with (tmp_path / "it's.csv").open() as file:
        found = list(csv.DictReader(file))
    assert found[3] == {
        "id": "<img 3>.jpg",
        "vog@all": "9.0",
        "forgetting@all": "inf",
        "vog@all:class": "1.0",
    }
    assert found[4]["vog@all"] == ""


def test_a_link_stays_a_link_and_a_pipe_is_not_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "target.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    run.export(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "target.csv").read_text().startswith("index,")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ResultError, match="is no regular file"):
        run.export(tmp_path / "pipe.csv")
    assert (tmp_path / "pipe.csv").is_fifo()


def test_top_sorts_by_scores_alone(run: Run) -> None:
    with pytest.raises(ResultError, match="'label' is no score"):
        run.top(by="label")
    with pytest.raises(ResultError, match="there is no class 11"):
        run.top(label=11)


def test_exports_do_not_meet_the_users_own_tables(run: Run, tmp_path: Path) -> None:
    duckdb.sql("CREATE OR REPLACE TABLE rows AS SELECT 1 AS mine")
    run.export(tmp_path / "a.csv", columns=["id"])
    assert (tmp_path / "a.csv").read_text().startswith("id\n")


def test_export_to_jsonl(run: Run, tmp_path: Path) -> None:
    run.export(tmp_path / "a.jsonl")
    found = [
        json.loads(line, parse_constant=pytest.fail)
        for line in (tmp_path / "a.jsonl").read_text().splitlines()
    ]
    assert [row["vog@all"] for row in found] == [3.0, 1.0, 2.0, 9.0, None, 5.0]
    assert found[0]["label_name"] == "cat"
    assert found[3]["forgetting@all"] == "Infinity", "JSON has no infinity"


def test_export_to_parquet_keeps_what_columns_mean(run: Run, tmp_path: Path) -> None:
    run.export(tmp_path / "a", "parquet")
    assert pq.read_table(tmp_path / "a").equals(run.table())
    assert pq.read_schema(tmp_path / "a").field("aum@all").metadata[b"higher_means"] == b"easier"


def test_exports_that_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"End it in .csv, .parquet, .jsonl, or pass format"):
        run.export(tmp_path / "a.xlsx")
    with pytest.raises(ResultError, match="could not be written"):
        run.export(tmp_path / "nowhere" / "a.parquet")
    with pytest.raises(ResultError, match="could not be written"):
        run.export(tmp_path / "nowhere" / "a.csv")


def test_a_full_disk_leaves_what_was_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.export(tmp_path / "a.parquet")
    before = (tmp_path / "a.parquet").read_bytes()

    def half(table: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(ResultError, match=r"a.parquet could not be written: the disk is full"):
        run.export(tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.parquet"]


def test_missing_rows_wherever_they_are() -> None:
    found = [Part(Path("a"), 2, 4), Part(Path("b"), 4, 5), Part(Path("c"), 8, 9)]
    assert gaps(found, 10) == [range(2), range(5, 8), range(9, 10)]
    assert gaps([], 3) == [range(3)]
    assert gaps([Part(Path("a"), 0, 3)], 3) == []


def test_a_run_that_is_not_finished_says_so(run: Run) -> None:
    (run.folder / "part-000000000002-3.parquet").unlink()
    again = open_run(run.folder)
    assert (again.rows, again.missing_rows) == (3, 3)


def test_damaged_folders(run: Run, tmp_path: Path) -> None:
    part = run.folder / "part-000000000002-3.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(ResultError, match=rf"{part.name} is damaged: its bytes are not those"):
        open_run(run.folder).table()
    part.rename(run.folder / "part-000000000001-3.parquet")
    with pytest.raises(ResultError, match="both hold row 1"):
        open_run(run.folder)
    (run.folder / "question.json").write_text("{}")
    with pytest.raises(ResultError, match=r"question.json is damaged: it lacks data"):
        open_run(run.folder)
    (run.folder / "question.json").write_text("{half")
    with pytest.raises(ResultError, match=r"question.json is damaged"):
        open_run(run.folder)
    with pytest.raises(ResultError, match="is missing. Expected a folder written by `vog.score`"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(ResultError, match=r"is not a run folder: it has no question.json"):
        open_run(tmp_path)
    with writing_session(tmp_path / "begun", SIX_QUESTION):
        pass
    with pytest.raises(ResultError, match="has no finished rows yet"):
        open_run(tmp_path / "begun")


def test_a_folder_that_holds_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"precious")
    for overwrite in (False, True):
        with (
            pytest.raises(ResultError, match="holds other files and is no run folder"),
            writing_session(tmp_path, SIX_QUESTION, overwrite),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    with (
        pytest.raises(ResultError, match="is a file"),
        writing_session(tmp_path / "photo.jpg", SIX_QUESTION),
    ):
        pass


def test_overwrite_removes_rows_and_nothing_else(run: Run) -> None:
    (run.folder / "notes.txt").write_text("mine")
    with writing_session(run.folder, {"scores": ["el2n"], "data": {"examples": 1}}, overwrite=True):
        pass
    assert question.load_question(run.folder)["scores"] == ["el2n"]
    assert parts.list_parts(run.folder) == []
    assert (run.folder / "notes.txt").read_text() == "mine"


def test_differences_of_questions_are_shown(run: Run) -> None:
    other = {
        "scores": ["vog", "el2n"],
        "data": {"examples": 7, "label_names": ["cat", "magpie"]},
        "where": {"data": "moved"},
    }
    with pytest.raises(DifferentQuestionError) as caught:
        question.require_same_question(Path("scores/a"), question.load_question(run.folder), other)
    assert str(caught.value) == (
        "scores/a answers another question, so its rows cannot be continued:\n"
        "  scores[1]: was 'aum', is now 'el2n'\n"
        "  data.examples: was 6, is now 7\n"
        "Pass a different out, or overwrite=True to start again."
    )
    question.require_same_question(
        Path("a"), SIX_QUESTION, SIX_QUESTION | {"where": {"data": "moved"}}
    )


def test_a_question_with_infinity_is_itself_again(tmp_path: Path) -> None:
    asked = {"data": {"examples": 1}, "model": {"args": {"clip": float("inf"), "x": float("nan")}}}
    question.write_question(tmp_path, asked)
    question.require_same_question(tmp_path, question.load_question(tmp_path), asked)
    other = asked | {"model": {"args": {"clip": float("-inf"), "x": float("nan")}}}
    with pytest.raises(DifferentQuestionError, match="clip: was 'Infinity', is now '-Infinity'"):
        question.require_same_question(tmp_path, question.load_question(tmp_path), other)


@pytest.mark.process
def test_two_writers_of_one_folder(tmp_path: Path) -> None:
    """The lock is of the system: a killed process leaves none behind."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom vog.result.parts import writing_session\n"
        "with writing_session(Path(sys.argv[1]), {'data': {'examples': 1}}):\n"
        "    print('in', flush=True)\n    time.sleep(60)"
    )
    asked = {"data": {"examples": 1}}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with (
            pytest.raises(ResultError, match="another process is writing"),
            writing_session(tmp_path / "run", asked),
        ):
            pass
        other.kill()
    with writing_session(tmp_path / "run", asked):
        pass


def test_what_a_killed_writer_left_is_removed(run: Run) -> None:
    (run.folder / ".part-00003.parquet.99.tmp.parquet").write_bytes(b"half")
    with writing_session(run.folder, SIX_QUESTION):
        pass
    assert not list(run.folder.glob(".part*"))


def test_open_is_what_the_package_calls_it(run: Run) -> None:
    assert vog.open(str(run.folder)).table().equals(run.table())
