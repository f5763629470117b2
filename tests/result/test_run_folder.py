"""The files of a run: cut on one grid, checked before they are read, mended by the same command."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import begun_by_0_1
import damage
import question_fuzz
import vog
import world
from command_line import TESTS
from vog.errors import DataError, DifferentQuestionError, ResultError
from vog.result import Run, open_run, part_names, question_schema
from vog.result import question as questions
from vog.result.sql import RunTables
from vog.sweep.executor import batches_of, merge_adjacent
from vog.sweep.part_grid import plan_parts

ROWS = 40
OF_0_1 = TESTS / "run-0.1"
WORDS: dict[str, Any] = {"batch_size": 4, "rows_per_part": 8, "quiet": True, "scores": "vog,aum"}


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of five parts, its checkpoints, and another run of other weights."""
    folder = tmp_path_factory.mktemp("scored")
    world.save_checkpoints(folder / "c", 3)
    world.save_checkpoints(folder / "d", 3, seed=5)
    score(folder, folder / "run")
    vog.score(world.build, folder / "d", world.inputs_and_labels(ROWS), folder / "other", **WORDS)
    return folder


def score(folder: Path, out: Path, **more: Any) -> Run:
    data = world.inputs_and_labels(ROWS)
    return vog.score(world.build, folder / "c", data, out, **WORDS | more)


@pytest.fixture
def run(scored: Path, tmp_path: Path) -> Path:
    """The run in a folder of its own."""
    return Path(shutil.copytree(scored / "run", tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in part_names.files(folder)}


@pytest.mark.slow
def test_parts_are_cut_at_one_grid_and_are_the_same_bytes(scored: Path, tmp_path: Path) -> None:
    names = [f"part-{start:012d}-8.parquet" for start in range(0, ROWS, 8)]
    assert sorted(contents(scored / "run")) == names
    again = score(scored, tmp_path / "again", memory="1MB")  # weights are read for larger blocks
    assert contents(again.folder) == contents(scored / "run")
    assert again.question["rows_per_part"] == 8
    assert set(again.table(["index"])["index"].to_pylist()) == set(range(ROWS))


def test_blocks_larger_than_parts_and_batches_that_were_halved_keep_the_grid(
    scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four batches run out of memory at their size, and then go on with half of it."""
    from vog.sweep import executor

    made = executor.rows_of

    def short(job: Any, block: Any, size: int) -> Any:
        if size > 3:
            raise MemoryError
        return made(job, block, size)

    monkeypatch.setattr(executor, "rows_of", short)
    halved = score(scored, tmp_path / "halved")
    assert sorted(contents(halved.folder)) == sorted(contents(scored / "run"))
    np.testing.assert_allclose(
        halved.values("vog@all"), open_run(scored / "run").values("vog@all"), rtol=1e-4
    )


def test_rows_are_cut_at_the_grid_wherever_they_are_missing() -> None:
    assert part_names.cut_into_parts([range(3, 10), range(12, 16)], 4) == [
        range(3, 4), range(4, 8), range(8, 10), range(12, 16),
    ]  # fmt: skip
    assert merge_adjacent([range(3, 4), range(4, 8), range(12, 16)]) == [range(3, 8), range(12, 16)]
    assert batches_of(range(3, 8), 4) == [range(3, 4), range(4, 8)]


@pytest.mark.parametrize(
    ("wanted", "before", "seconds", "rows", "words"),
    [
        (None, {}, 0.01, 52, ""),  # half a second is 50 rows, in whole batches
        (None, {}, 1.0, 3336, ""),  # of a million rows, a 300th
        (None, {}, 1e-9, 2**15, ""),
        (6, {}, 1.0, 8, "8 rows each, in place of 6: whole batches of 4"),
        (8, {}, 1.0, 8, ""),
        (None, {"rows_per_part": 12}, 1.0, 12, ""),
        (8, {"rows_per_part": 12}, 1.0, 12, "12 rows each, as when the run began"),
    ],
)
def test_how_many_rows_a_part_has(
    wanted: int | None, before: dict[str, int], seconds: float, rows: int, words: str
) -> None:
    count = 10**6 if rows == 3336 else 1000
    found = plan_parts(wanted, before, 4, count, seconds)
    assert (found.rows_per_part, found.note) == (rows, words)


def test_ten_thousand_parts_are_listed_at_once() -> None:
    found = [part_names.Part(Path(part_names.part_name(i, i + 1)), i, i + 1) for i in range(10_000)]
    assert len(part_names.order_parts(found[::-1])) == 10_000
    assert part_names.gaps(found, 10_001) == [range(10_000, 10_001)]


@pytest.mark.slow
def test_single_flipped_bits_are_told_or_harmless(run: Path) -> None:
    files = [*part_names.files(run), run / "digests.json", run / "question.json"]
    seen = damage.flipped(run, files, 150, seed=1)
    assert not [kind for kind in seen if kind.startswith("silent")], seen
    assert seen["told"] > 100


def test_a_whole_run_may_not_count_as_damaged(run: Path) -> None:
    assert damage.everything(run) == damage.everything(run)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    damage.replace(path, bytes(content))


def lose_a_page(path: Path) -> None:
    content = path.read_bytes()
    damage.replace(path, content[:4] + bytes(300) + content[304:])


def rewrite(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda path: pq.write_table(change(pq.read_table(path)), path)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a bit": flip,
    "a page": lose_a_page,
    "the end": lambda path: damage.replace(path, path.read_bytes()[:-20]),
    "all": lambda path: damage.replace(path, b""),
    "rows that are twice there": rewrite(lambda table: table.take([0, 1, 2, 3, 4, 5, 6, 6])),
    "a hole": rewrite(lambda table: table.take([0, 1, 2, 4, 5, 6, 7])),
    "other values, well formed": rewrite(lambda table: table),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_is_named_by_readers_and_mended_by_the_same_command(
    scored: Path, run: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    part = run / "part-000000000008-8.parquet"
    before = contents(run)
    DAMAGE[how](part)
    spoiled = part.read_bytes()
    for read in (lambda: open_run(run).table(), lambda: RunTables(open_run(run))):
        with pytest.raises(ResultError, match=r"part-0{11}8-8.parquet is damaged: .*`vog.score`"):
            read()
    score(scored, run)
    assert "part-000000000008-8.parquet: " in capsys.readouterr().err
    assert contents(run) == before
    assert (run / f"{part.name}.damaged").read_bytes() == spoiled


def test_a_part_of_another_run_is_no_part_of_this_one(scored: Path, run: Path) -> None:
    """With its own digest, so that only what it says of its question tells it."""
    name = "part-000000000016-8.parquet"
    before = contents(run)
    shutil.copy(scored / "other" / name, run / name)
    own, theirs = (json.loads((f / "digests.json").read_text()) for f in (run, scored / "other"))
    from vog.result.part_digests import PartDigest, write_digests

    noted = {key: PartDigest(**one) for key, one in own["parts"].items()}
    write_digests(run, noted | {name: PartDigest(**theirs["parts"][name])})
    with pytest.raises(ResultError, match=f"{name} is damaged: its rows answer another question"):
        open_run(run).table()
    score(scored, run)
    assert contents(run) == before


def test_steps_of_any_size_are_read_back(scored: Path, tmp_path: Path) -> None:
    for one in (1, 2):
        name = f"model_2024010112300{one}.pt"
        shutil.copy(sorted((scored / "c").iterdir())[one], tmp_path / name)
    data = world.inputs_and_labels(8)
    vog.score(world.build, f"{tmp_path}/*.pt", data, tmp_path / "run", **WORDS)
    found = open_run(tmp_path / "run").question
    assert question_schema.find_misfit(found) is None
    assert [one["step"] for one in found["checkpoints"]] == [20240101123001, 20240101123002]


@pytest.mark.parametrize("word", ["rows_per_part", "batch_size", "limit"])
def test_numbers_that_a_question_cannot_hold_are_refused_first(
    scored: Path, tmp_path: Path, word: str
) -> None:
    with pytest.raises(DataError, match=f"{word}=9+: expected at most 10"):
        score(scored, tmp_path / "run", **{word: 99999999999999})
    assert not (tmp_path / "run").exists()


def test_rows_beyond_the_data_are_no_rows(scored: Path, run: Path) -> None:
    extra = run / "part-000000000040-8.parquet"
    shutil.copy(run / "part-000000000032-8.parquet", extra)
    with pytest.raises(ResultError, match="it holds rows beyond the 40 of the run"):
        open_run(run)
    assert score(scored, run).rows == ROWS
    assert not extra.exists()


def test_a_path_that_is_not_utf_8_is_refused_and_nothing_set_aside(
    scored: Path, run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk takes no such names")
    moved = run.rename(folder / "run")
    before = sorted(path.name for path in moved.iterdir())
    for read in (lambda: open_run(moved), lambda: score(scored, moved)):
        with pytest.raises(ResultError, match=r"caf\\xe9/run cannot be .* the path is not UTF-8"):
            read()
    assert sorted(path.name for path in moved.iterdir()) == before
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        with pytest.raises(ResultError, match="cannot be written: the path is not UTF-8"):
            open_run(scored / "run").export(folder / name)
    with pytest.raises(ResultError, match="cannot be written: the path is not UTF-8"):
        score(scored, folder / "new")
    assert sorted(path.name for path in folder.iterdir()) == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["lost", "a bit", "empty"])
def test_without_its_digests_what_cannot_be_told_is_computed_again(
    scored: Path, run: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = run / "digests.json", contents(run)
    stamps = {p: p.stat().st_ino for p in part_names.files(run)}
    content = path.read_text()
    at = content.index('"sha256": "') + 14
    spoiled = content[:at] + ("0" if content[at] != "0" else "1") + content[at + 1 :]
    path.unlink() if how == "lost" else path.write_text("" if how == "empty" else spoiled)
    with pytest.raises(ResultError, match=r"digests.json"):
        open_run(run).table()
    if how == "lost":
        with pytest.raises(ResultError, match="digests.json is missing, and nothing else"):
            open_run(run).table()
    score(scored, run)
    assert contents(run) == before
    kept = [p for p, inode in stamps.items() if p.stat().st_ino == inode]
    assert len(kept) == (4 if how == "a bit" else 0), "verified parts are not computed again"
    assert "computed again" in capsys.readouterr().err


def test_a_lost_question_is_written_again_where_the_parts_answer_it(
    scored: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "question.json").unlink()
    with pytest.raises(ResultError, match="question.json is missing beside 5 parts of a run"):
        open_run(run)
    with pytest.raises(ResultError, match="answers another question. Use the settings"):
        score(scored, run, target="loss")
    # What was measured or asked when the run was begun is taken from its parts.
    words = {"batch_size": "auto", "rows_per_part": None}
    before = contents(run)
    (run / "part-000000000016-8.parquet").unlink()
    assert score(scored, run, **words).rows == ROWS
    assert contents(run) == before
    assert "question.json was missing or damaged and is written again" in capsys.readouterr().err
    (run / "question.json").write_text("{half")
    assert score(scored, run).rows == ROWS
    assert (run / "question.json.damaged").read_text() == "{half"


def test_what_is_written_later_counts_as_what_it_was_before() -> None:
    before = {"data": {"examples": 3}, "target": "logit", "rows_per_part": 1, "vog": "0.1.0"}
    same = {"exif": False, "weights": None, "folded": 0, "precision": "float32", "vog": "9"}
    questions.require_same_question(Path("a"), before, before | same)
    assert questions.question_digest(before) == questions.question_digest(
        before | same | {"limit": 2}
    )
    for other in ({"precision": "bfloat16"}, {"exif": True}, {"model": {"args": {"deep": False}}}):
        with pytest.raises(DifferentQuestionError):
            questions.require_same_question(Path("a"), before, before | other)
        assert questions.question_digest(before | other) != questions.question_digest(before)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that 0.1 began, as if by the torch of today, and what it was begun of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(TESTS))
    begun_by_0_1.save(tmp_path)
    folder = Path(shutil.copytree(OF_0_1, tmp_path / "run"))
    question = json.loads((folder / "question.json").read_text())
    import torch

    question["torch"] = torch.__version__
    (folder / "question.json").write_text(json.dumps(question))
    return folder


def finish(old: Path) -> Run:
    """The command that began it."""
    words = {"scores": begun_by_0_1.SCORES, "batch_size": begun_by_0_1.BATCH, "quiet": True}
    return vog.score(begun_by_0_1.build, "checkpoints", "data.npz", old, **words)


@pytest.mark.slow
def test_a_folder_of_0_1_is_read(old: Path) -> None:
    run = open_run(old)
    assert (run.rows, run.missing_rows) == (16, 8)
    assert run.seconds > 0
    work = old.parent / "work"
    work.mkdir()
    shutil.copytree(old, work / "other")
    from typer.testing import CliRunner

    from vog.cli import app

    refused = {"combine": "8 are missing"}
    for name, words in question_fuzz.commands(old, work / "other", work).items():
        result = CliRunner().invoke(app, words)
        if name in refused:
            assert refused[name] in str(result.exception)
        else:
            assert result.exit_code == 0, (name, result.exception)
    assert len(RunTables(run).query("SELECT * FROM rows", [])) == 16


@pytest.mark.slow
def test_a_folder_of_0_1_is_finished(old: Path) -> None:
    before = contents(old)
    run = finish(old)
    after = contents(old)
    assert {name: after[name] for name in before} == before, "old parts stay as they are"
    assert set(after) - set(before) == {"part-000000000008-8.parquet"}
    fresh = finish(old.parent / "fresh")
    assert run.table(["index", "id", "label"]).equals(fresh.table(["index", "id", "label"]))
    for column in run.score_columns:
        np.testing.assert_allclose(run.values(column), fresh.values(column), rtol=1e-4)
    assert run.question["vog"] == "0.1.0"
    flip(old / "part-00002.parquet")
    with pytest.raises(ResultError, match=r"part-00002.parquet is damaged: its bytes"):
        open_run(old).table()
    assert finish(old).rows == begun_by_0_1.ROWS


def test_a_file_of_a_run_is_no_run_folder(run: Path) -> None:
    with pytest.raises(ResultError, match=r"question.json is a file. Give the folder"):
        open_run(run / "question.json")


def test_a_lost_question_of_0_1_is_told_the_same_by_all(old: Path) -> None:
    (old / "question.json").unlink()
    for command in (lambda: open_run(old), lambda: finish(old)):
        with pytest.raises(
            ResultError, match="is missing.* Version 0.1 .* from a copy.*overwrite=T"
        ):
            command()


def test_damage_in_a_folder_of_0_1(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = old / "part-00002.parquet"
    rewrite(lambda table: table.take([0, 1, 2, 4, 5, 6, 7]))(part)
    with pytest.raises(ResultError, match=r"part-00002.parquet is damaged: it holds 7 rows in p"):
        open_run(old).table()
    assert finish(old).rows == begun_by_0_1.ROWS
    assert "part-00002.parquet: it holds 7 rows in place of 8" in capsys.readouterr().err
    assert (old / "part-00002.parquet.damaged").exists()


def test_parts_of_0_1_are_found_by_their_rows(old: Path) -> None:
    (old / "part-00000.parquet").rename(old / "part-00007.parquet")
    assert open_run(old).table(["index"])["index"].to_pylist()[:2] == [0, 1]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("name", ["question.json", "digests.json", "part-000000000008-8.parquet"])
def test_what_may_not_be_read_is_not_called_damaged(
    scored: Path, run: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user without the right; root, who may read all, is refused by hand."""
    before, opened = contents(run), Path.open

    def refused(path: Path, *words: Any, **more: Any) -> Any:
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *words, **more)

    monkeypatch.setattr(Path, "open", refused)
    for read in (lambda: open_run(run).table(), lambda: score(scored, run)):
        with pytest.raises(ResultError, match=rf"{name} cannot be read: Permission denied\. Make"):
            read()
    monkeypatch.undo()
    assert contents(run) == before
    assert not list(run.glob("*.damaged"))


@pytest.mark.slow
def test_questions_of_another_form_are_refused_with_words(old: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    found = question_fuzz.faults(old, work, range(16), slow=lambda seed: seed == 3)
    assert not found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"where": "x"}, "where is 'x'; expected an object"),
        ({"stages": {"all": "x"}}, "stages.all is 'x'; expected a list of 2"),
        (
            {"data": {"examples": True}},
            "data.examples is True; expected a whole number from 0 to 1000000000000",
        ),
        ({"data": {}}, "data.examples is missing; expected it"),
        ({"checkpoints": [{}]}, r"checkpoints\[0\].step is missing"),
        ({"scores": [3]}, r"scores\[0\] is 3; expected an object"),
    ],
)
def test_the_message_names_the_file_the_key_and_what_was_found(
    old: Path, change: dict[str, Any], said: str
) -> None:
    question = json.loads((old / "question.json").read_text()) | change
    (old / "question.json").write_text(json.dumps(question))
    with pytest.raises(ResultError, match=rf"question.json is damaged: {said}"):
        open_run(old)
