"""Files of a run, and beside it, that people or other programs changed: a message, never a bug."""

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import vog
from command_line import Cli, score
from vog.errors import DataError, ResultError
from vog.files import npz, small_files
from vog.files.small_files import read_json, read_text
from vog.planting import plant
from vog.planting.confusion_matrix import read_confusion
from vog.planting.planted_dataset import Recipe
from vog.result import Run, planting_record
from vog.result.class_names import read_class_names
from vog.result.marks import Review
from vog.result.planting_record import Plant, Planted, load_planting_record, write_record
from vog.viewer import application
from vog.viewer.request_guard import Guard

ODD_MARKS = {
    "verdict = 'zap'": "the verdict is 'zap'",
    "verdict = 7": "the verdict is '7'",
    "verdict = x'6b656570'": "the verdict is b'keep'",
    "label = 1.5": "the label is 1.5",
    "label = 'magpie'": "the label is 'magpie'",
    "label = -1": "the label is -1",
    "label = NULL": "the label is None",
    "note = x'ff'": r"the note is b'\\xff'",
    "note = 3": "the note is '3'|",  # SQLite writes a number into a text as text
    "id = x'00'": r"the id is b'\\x00'",
    "at = x'00'": r"the at is b'\\x00'",
}


@pytest.mark.parametrize("change", ODD_MARKS)
def test_marks_that_are_none(run: Run, change: str) -> None:
    """Whoever reads them gets the message: the pages, the lists, and `vog select`."""
    review = Review(run.folder)
    review.mark("<img 0>.jpg", "relabel", 1, "a note")
    pages = TestClient(application(run, Guard("127.0.0.1", "t")), base_url="http://127.0.0.1")
    with closing(sqlite3.connect(review.path)) as connection:
        connection.execute(f"UPDATE decisions SET {change}")
        connection.commit()
    if ODD_MARKS[change].endswith("|"):
        assert review.marks()["<img 0>.jpg"].note == "3"
        return
    said = rf"review.sqlite holds a decision .*: in number 1 {ODD_MARKS[change]}"
    for ask in (
        review.marks,
        review.last,
        lambda: vog.select(run, drop_marked=True),
        lambda: vog.select(run, relabel_marked=True),
    ):
        with pytest.raises(ResultError, match=said):
            ask()
    for page in ("/", "/classes", "/review", "/review.csv", "/review.txt", "/example/1"):
        answer = pages.get(page)
        assert answer.status_code == 400, page
        assert "move the file away" in answer.text


def test_what_is_not_in_force_is_not_looked_at(run: Run) -> None:
    review = Review(run.folder)
    review.mark("a", "keep")
    with closing(sqlite3.connect(review.path)) as connection:
        connection.execute("UPDATE decisions SET verdict = 'zap', undone = 1")
        connection.commit()
    assert review.marks() == {}


PLANTS = (
    Plant("a,1\r\n\n.jpg", "flip", "uniform", 1, "a,1.jpg", 0),
    Plant("b", "flip", "u", 0, None, None),
)
QUESTION = {"data": {"examples": 2, "was": 2, "planted": "data", "digest": "0"}, "seed": 0}


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    write_record(tmp_path, Planted(QUESTION, PLANTS))
    assert load_planting_record(tmp_path) == Planted(QUESTION, PLANTS)


HEADER = "id,kind,how,label,source,was\n"
LISTS = {
    "": "lacks the columns id, kind, how, label, source",
    "id,kind,how,label,was\n": "lacks the columns source",
    f"{HEADER}a,flip,uniform,1.5,b,0\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,,b,0\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,1,b,x\n": "line 2 of planted.csv is of another form",
    f"{HEADER},flip,uniform,1,b,0\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,1\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,1,b,0,c\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,{'9' * 30},b,0\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flip,uniform,\u0663,b,0\n": "line 2 of planted.csv is of another form",
    f"{HEADER}a,flop,uniform,1,b,0\n": "has unknown kinds: flop. Expected flip",
    f"{HEADER}{'a' * 200_000},flip,uniform,1,b,0\n": "field larger than field limit",
    f"{HEADER}\0": "is damaged",
    f"{HEADER}\ud8ff": "'utf-8' codec can't decode",
}


@pytest.mark.parametrize("text", LISTS)
def test_a_list_of_another_form(tmp_path: Path, text: str) -> None:
    write_record(tmp_path, Planted(QUESTION, PLANTS))
    (tmp_path / "planted.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ResultError, match=LISTS[text]):
        load_planting_record(tmp_path)


ODD_QUESTIONS: dict[str, Any] = {
    "a list": [],
    "a text": "planted",
    "data a list": QUESTION | {"data": []},
    "examples a text": QUESTION | {"data": {"examples": "2"}},
    "planted a number": QUESTION | {"data": {"planted": 3}},
    "seed a text": QUESTION | {"seed": "0"},
    "outside_from a text": QUESTION | {"outside_from": "a"},
}


@pytest.mark.parametrize("name", ODD_QUESTIONS)
def test_a_question_of_planting_of_another_form(tmp_path: Path, name: str) -> None:
    write_record(tmp_path, Planted(QUESTION, PLANTS))
    (tmp_path / "planted.json").write_text(json.dumps(ODD_QUESTIONS[name]))
    with pytest.raises(ResultError, match=r"is damaged: .*planted\.json.* Plant again"):
        load_planting_record(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "\ufeff{", '{"seed": ' + "9" * 5000 + "}"]
)
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    write_record(tmp_path, Planted(QUESTION, PLANTS))
    (tmp_path / "planted.json").write_text(text, "utf-8")
    with pytest.raises(ResultError, match="is damaged"):
        load_planting_record(tmp_path)
    with pytest.raises(ValueError, match=r".+"):
        read_json(tmp_path / "planted.json")


def test_planting_again_needs_the_whole_question(
    cli: Cli,
) -> None:
    plant("data.npz", "p", flip=0.2)
    question = json.loads(Path("p/planted.json").read_text())
    del question["data"]["was"]
    Path("p/planted.json").write_text(json.dumps(question))
    code, _, err = cli("plant", "--data", "data.npz", "--flip", "20%", "--out", "p")
    assert (code, "in planted.json data.was is missing" in err) == (1, True)


def test_a_record_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damage, and planting again would not help."""
    write_record(tmp_path, Planted(QUESTION, PLANTS))

    def refuse(path: Path, *given: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        ResultError, match=r"planted\.json cannot be read: Permission denied"
    ) as told:
        load_planting_record(tmp_path)
    assert "damaged" not in str(told.value)


def test_size_is_looked_at_before_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes in a file take no room on the disk; reading them would take 1 TB of memory."""
    for name in ("names.txt", "planted.csv", "planted.json", "confusion.csv"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**40)
    with pytest.raises(ResultError, match="has more than .* bytes"):
        read_class_names(tmp_path / "names.txt")
    monkeypatch.setattr("vog.planting.confusion_matrix._MAX_BYTES", 2**20)
    with pytest.raises(DataError, match="has more than .* bytes"):
        read_confusion(tmp_path / "confusion.csv", 2, None)
    with pytest.raises(ResultError, match="has more than .* bytes"):
        load_planting_record(tmp_path)
    (tmp_path / "planted.json").write_text(json.dumps(QUESTION))
    with pytest.raises(ResultError, match="has more than .* bytes"):
        load_planting_record(tmp_path)
    assert planting_record._LARGEST_FILE < 2**40
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_text(tmp_path / "planted.json", 10)


@pytest.mark.parametrize("number", ["999999999", "1000001"])
def test_a_class_whose_number_is_too_large(tmp_path: Path, number: str) -> None:
    (tmp_path / "names.txt").write_text(f'0: "cat"\n{number}: "dog"\n')
    with pytest.raises(
        ResultError, match=f"line 2: {number} is too large for the number of a class"
    ):
        read_class_names(tmp_path / "names.txt")


def claims_much(path: Path) -> None:
    """A header of a terabyte in an archive of some bytes."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }"
    text = (header + " " * (117 - len(header)) + "\n").encode()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("inputs.npy", b"\x93NUMPY\x01\x00\x76\x00" + text)


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def no_archive(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + b"no archive" * 9)


def objects(path: Path) -> None:
    np.savez(path, inputs=np.array([{}, None], object))


def other_names(path: Path) -> None:
    np.savez(path, weights=np.zeros(3))


def one_number(path: Path) -> None:
    np.savez(path, inputs=np.float32(3), labels=np.int64(0), ids=np.array("a"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [claims_much, one_array, no_archive, objects, other_names, one_number]
)
def test_an_archive_of_another_form(
    cli: Cli,
    damage: Callable[[Path], None],
) -> None:
    assert score(cli, workers="0")[0] == 0
    opened = vog.open("run")
    damage(Path("data.npz"))
    with pytest.raises(
        ResultError, match=r"data\.npz (cannot be read|is not what run was made of)"
    ):
        vog.select(opened, keep_hardest=5).save("kept.npz")
    code, _, err = cli("report", "run", "--out", "report.html", "--quiet")
    assert code == 0
    assert "have no picture. data.npz" in err
    Path("p").mkdir()
    damage(Path("p/recipe.npz"))
    with pytest.raises(ResultError, match=r"recipe\.npz cannot be read"):
        Recipe.load(Path("p"))


def test_an_array_that_is_larger_than_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", inputs=np.zeros(10**6))
    assert (tmp_path / "bomb.npz").stat().st_size < 20_000
    assert npz.load_arrays(tmp_path / "bomb.npz")["inputs"].shape == (10**6,)
    memory = type("Memory", (), {"available": 10**6})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    with pytest.raises(npz.UNPACKABLE, match=r"its arrays unpack to 0\.0 GB"):
        npz.load_arrays(tmp_path / "bomb.npz")


def test_a_table_of_confusion_that_claims_much(tmp_path: Path) -> None:
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (400000, 400000), }"
    text = (header + " " * (117 - len(header)) + "\n").encode()
    (tmp_path / "c.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + text)
    with pytest.raises(DataError, match="confusion=.* cannot be read"):
        read_confusion(tmp_path / "c.npy", 2, None)
    assert small_files._MAX_BYTES == 2**26
