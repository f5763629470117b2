"""Several processes write parts of one run at the same time: no digest is lost, all are checked."""

import json
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import damage
from vog.errors import ResultError
from vog.files.leftovers import temporary_name
from vog.result import open_run, part_checks, part_digests, part_names, parts, repair
from vog.result.data_location import refuse_to_overwrite_inputs
from vog.result.parts import PartSink, writing_session

ROWS, PER_PART = 60, 4
QUESTION: dict[str, Any] = {"scores": ["vog"], "data": {"examples": ROWS}, "rows_per_part": 4}
FIRST, SECOND = "part-000000000000-4.parquet", "part-000000000004-4.parquet"


class Killed(BaseException):
    """Stands for the end of a process in the middle of its work."""


def rows_of(cell: range) -> pa.Table:
    index = np.arange(cell.start, cell.stop)
    score = pa.field("vog@all", pa.float64(), metadata={"higher_means": "harder"})
    fields = [pa.field("index", pa.int64()), pa.field("id", pa.string()), score]
    return pa.table([index, [f"e{row}" for row in index], index / 7], pa.schema(fields))


def write_cells(sink: PartSink) -> None:
    for cell in sink.todo():
        sink.write(cell.start, [rows_of(cell)], cell.start / 10)


def write_when_all_are_ready(sink: PartSink, ready: Barrier) -> None:
    ready.wait()
    write_cells(sink)


def write_by_processes(sink: PartSink, cells: list[range], count: int) -> None:
    """Let new processes and this one write the cells at the same time."""
    context = multiprocessing.get_context("spawn")
    ready: Any = context.Barrier(count + 1)
    sinks = [sink.shared(cells[first :: count + 1]) for first in range(count)]
    writers = [context.Process(target=write_when_all_are_ready, args=(s, ready)) for s in sinks]
    for writer in writers:
        writer.start()
    ready.wait()
    for cell in cells[count :: count + 1]:
        sink.write(cell.start, [rows_of(cell)], cell.start / 10)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * count


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file except the lock, which is hidden."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def small_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".digest")


def named_in_digests_json(folder: Path) -> list[str]:
    return sorted(json.loads((folder / part_digests.FILE).read_text())["parts"])


def read(folder: Path) -> list[int]:
    """Return the row numbers of a run, after its parts were checked as if for the first time."""
    part_checks._checked_files.clear()
    return open_run(folder).table()["index"].to_pylist()


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The files of a run that one process wrote."""
    with writing_session(tmp_path / "whole", QUESTION) as sink:
        write_cells(sink)
    return contents(tmp_path / "whole")


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run of two parts with small files, whose leader was killed before it gathered them."""
    with writing_session(tmp_path / "begun", QUESTION) as sink:
        write_cells(sink.shared(sink.todo()[:2]))
        return Path(shutil.copytree(tmp_path / "begun", tmp_path / "killed"))


def spoil(path: Path, change: Callable[[bytes], bytes]) -> bytes:
    content = change(path.read_bytes())
    damage.replace(path, content)
    return content


def with_a_flipped_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.process
def test_processes_that_write_at_the_same_time(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "run"
    with writing_session(folder, QUESTION) as sink:
        write_by_processes(sink, sink.todo()[:8], 3)
        assert len(small_files(folder)) == 6
        assert len(named_in_digests_json(folder)) == 2, "what this process wrote itself"
        assert read(folder) == list(range(32)), "while the run goes on"
        write_by_processes(sink, sink.todo()[8:], 2)
    assert contents(folder) == whole
    assert read(folder) == list(range(ROWS))
    assert open_run(folder).seconds == pytest.approx(sum(range(0, ROWS, PER_PART)) / 10)


def test_a_sink_is_pickled_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with writing_session(Path("run"), QUESTION) as sink:
        write_cells(sink.shared(sink.todo()[:1]))
    (tmp_path / "elsewhere").mkdir()
    with writing_session(Path("run"), QUESTION) as sink:
        assert pickle.loads(pickle.dumps(sink)) == sink
        shared = sink.shared(sink.todo()[1:3])
        restored = pickle.loads(pickle.dumps(shared))
        assert restored == shared
        assert restored.digests == {}
        assert restored.rows_per_part == PER_PART
        assert restored.todo() == [range(8, 12), range(12, 16)]
        assert sink.shared().todo() == []
        monkeypatch.chdir(tmp_path / "elsewhere")
        write_cells(restored)
        monkeypatch.chdir(tmp_path)
    assert read(Path("run")) == [*range(4), *range(8, 16)]


def kill(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", ["write_digests", "remove_small_files"])
def test_a_kill_at_any_step_of_gathering_loses_nothing(
    tmp_path: Path,
    whole: dict[str, bytes],
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The process is killed at the end of a session, and again at the beginning of the next."""
    folder = tmp_path / "run"

    def write_and_be_killed() -> None:
        with writing_session(folder, QUESTION) as sink:
            write_cells(sink.shared(sink.todo()[:9]))
            monkeypatch.setattr(part_digests, step, kill)

    with pytest.raises(Killed):
        write_and_be_killed()
    for _ in range(2):
        assert len(small_files(folder)) == 9
        assert read(folder) == list(range(36))
        assert parts.remaining_rows(folder, QUESTION) == (24, "")
        with pytest.raises(Killed), writing_session(folder, QUESTION):
            pytest.fail("the session began before all digests were gathered")
    monkeypatch.undo()
    with writing_session(folder, QUESTION) as sink:
        assert small_files(folder) == []
        assert len(named_in_digests_json(folder)) == 9
        write_cells(sink)
    assert contents(folder) == whole
    assert capsys.readouterr().err == ""


def test_digests_are_gathered_although_the_session_fails(tmp_path: Path) -> None:
    def interrupted() -> None:
        with writing_session(tmp_path, QUESTION) as sink:
            write_cells(sink.shared(sink.todo()[:2]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert small_files(tmp_path) == []
    assert named_in_digests_json(tmp_path) == [FIRST, SECOND]


def test_a_kill_before_gathering_loses_nothing(killed: Path, whole: dict[str, bytes]) -> None:
    assert not (killed / part_digests.FILE).exists()
    assert read(killed) == list(range(8))
    (killed / "question.json").unlink()
    with writing_session(killed, QUESTION) as sink:
        assert small_files(killed) == []
        assert named_in_digests_json(killed) == [FIRST, SECOND]
        write_cells(sink)
    assert contents(killed) == whole


def test_a_part_that_no_file_names_is_not_read(killed: Path) -> None:
    (killed / f"{FIRST}.digest").unlink()
    with pytest.raises(ResultError, match=r"digests.json is missing, and nothing else says"):
        read(killed)
    (killed / f"{SECOND}.digest").rename(killed / f"{FIRST}.digest")
    with pytest.raises(ResultError, match=r"digests.json is missing, and nothing else says"):
        read(killed)


def test_a_part_without_its_small_file_is_computed_again(
    killed: Path, whole: dict[str, bytes]
) -> None:
    (killed / f"{FIRST}.digest").unlink()
    with writing_session(killed, QUESTION) as sink:
        assert sink.todo()[0] == range(4)
        write_cells(sink)
    assert contents(killed).pop(f"{FIRST}.damaged") == whole[FIRST]
    assert contents(killed).items() >= whole.items()


def test_a_flipped_bit_is_caught_by_a_small_file(
    killed: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = spoil(killed / SECOND, with_a_flipped_bit)
    with pytest.raises(ResultError, match=f"{SECOND} is damaged: its bytes are not those"):
        read(killed)
    with writing_session(killed, QUESTION) as sink:
        assert small_files(killed) == []
        assert named_in_digests_json(killed) == [FIRST]
        write_cells(sink.shared(sink.todo()))
    assert f"{SECOND}: its bytes are not those" in capsys.readouterr().err
    assert contents(killed) == whole | {f"{SECOND}.damaged": spoiled}


def test_a_small_file_counts_more_than_what_digests_json_said_before(killed: Path) -> None:
    """Without an undamaged part `digests.json` stays as it was when a run is repaired."""
    wrong = part_digests.PartDigest("0" * 64)
    part_digests.write_digests(killed, {FIRST: wrong, SECOND: wrong})
    assert read(killed) == list(range(8))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing left": lambda _: b"",
    "half of it": lambda content: content[: len(content) // 2],
    "a digit of the digest": lambda content: content.replace(b'sha256": "', b'sha256": "0'),
    "the seconds": lambda content: content.replace(b'"seconds": 0', b'"seconds": 9'),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_small_file_concerns_its_part_alone(
    killed: Path, whole: dict[str, bytes], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    is_recovered = name == "the seconds"
    spoil(killed / f"{FIRST}.digest", DAMAGE[name])
    with pytest.raises(ResultError, match=rf"{FIRST}.digest is damaged: .*{FIRST} is kept if"):
        read(killed)
    part_checks.check_parts(killed, [parts.Part(killed / SECOND, 4, 8)])
    remaining, summary = parts.remaining_rows(killed, QUESTION)
    assert remaining == ROWS - (8 if is_recovered else 4)
    assert f"{FIRST}.digest is damaged (" in summary
    with writing_session(killed, QUESTION) as sink:
        assert small_files(killed) == []
        write_cells(sink)
    assert f"{killed}: {summary}." in capsys.readouterr().err
    assert (f"{FIRST}.damaged" in contents(killed)) == (not is_recovered)
    assert contents(killed)[FIRST] == whole[FIRST]
    assert read(killed) == list(range(ROWS))


def test_a_damaged_small_file_that_is_not_needed(killed: Path) -> None:
    """The process was killed when `digests.json` was written, and before the file was removed."""
    part_digests.write_digests(killed, part_digests.load_digests(killed).parts)
    spoil(killed / f"{FIRST}.digest", lambda _: b"")
    assert read(killed) == list(range(8))
    spoil(killed / FIRST, with_a_flipped_bit)
    with pytest.raises(ResultError, match=f"{FIRST} is damaged: its bytes are not those"):
        read(killed)


def test_part_and_small_file_are_both_damaged(killed: Path) -> None:
    spoil(killed / f"{FIRST}.digest", DAMAGE["the seconds"])
    spoil(killed / FIRST, with_a_flipped_bit)
    _, summary = parts.remaining_rows(killed, QUESTION)
    assert f"{FIRST}: {FIRST}.digest is damaged and does not say whether this part" in summary


def test_the_digest_in_a_damaged_small_file_is_of_no_other_part(tmp_path: Path) -> None:
    """In a sample the rows of a part do not show that it is a copy of a different part."""
    sample = QUESTION | {"data": {"examples": ROWS, "order": "sample"}, "limit": ROWS}
    with writing_session(tmp_path / "run", sample) as sink:
        write_cells(sink.shared(sink.todo()[:2]))
        folder = shutil.copytree(tmp_path / "run", tmp_path / "killed")
    spoil(folder / f"{FIRST}.digest", DAMAGE["the seconds"])
    shutil.copy(folder / FIRST, folder / SECOND)
    assert repair.folder_state(folder, sample).bad == {
        folder / SECOND: "its bytes are not those that were written"
    }


def test_a_file_damaged_meanwhile_is_left_for_repair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing_session(tmp_path, QUESTION) as sink:
        cells = sink.todo()
        sink.write(0, [rows_of(cells[0])], 0.0)
        write_cells(sink.shared(cells[1:3]))
        spoil(tmp_path / part_digests.FILE, DAMAGE["the seconds"])
    assert len(small_files(tmp_path)) == 2, "a new digests.json would not tell of the first part"
    with writing_session(tmp_path, QUESTION) as sink:
        assert sink.todo()[0] == range(12, 16)
        write_cells(sink.shared(sink.todo()[:2]))
        spoil(tmp_path / "part-000000000012-4.parquet.digest", lambda _: b"")
    assert small_files(tmp_path) == ["part-000000000012-4.parquet.digest"]
    assert "digests.json is damaged" in capsys.readouterr().err
    with writing_session(tmp_path, QUESTION) as sink:
        assert sink.todo()[0] == range(12, 16)
    assert "part-000000000012-4.parquet.digest is damaged" in capsys.readouterr().err


def test_a_reader_meets_gathering(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small files vanish after the reader has listed them, and before it reads them."""
    list_files = part_names.digest_files

    def list_and_gather(folder: Path) -> dict[str, Path]:
        monkeypatch.undo()
        files = list_files(folder)
        part_digests.gather_digests(folder)
        return files

    monkeypatch.setattr(part_names, "digest_files", list_and_gather)
    digests = part_digests.load_digests(killed)
    assert set(digests.parts) == {FIRST, SECOND}
    assert small_files(killed) == []
    part_digests.remove_small_files(digests.small_files.values())


@pytest.mark.parametrize("names", [[SECOND], [FIRST, SECOND]])
def test_a_writer_outlives_its_leader(killed: Path, names: list[str], tmp_path: Path) -> None:
    """It has written the digest before the next session begins, and names the part afterwards."""
    late = [(killed / name).rename(tmp_path / name) for name in names]
    with writing_session(killed, QUESTION) as sink:
        for path in late:
            path.rename(killed / path.name)
        assert small_files(killed) == []
        assert read(killed) == list(range(8))
        for cell in sink.todo()[len(names) :]:
            sink.write(cell.start, [rows_of(cell)], 0.0)
    assert read(killed) == list(range(ROWS))


def test_a_writer_outlives_the_session(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with writing_session(folder, QUESTION) as sink:
        write_cells(sink.shared(sink.todo()[:2]))
        late = (folder / SECOND).rename(tmp_path / SECOND)
    assert small_files(folder) == []
    late.rename(folder / SECOND)
    assert read(folder) == list(range(8))


def test_leftovers_without_a_part_are_removed(tmp_path: Path) -> None:
    """A writer was killed after it had written the digest, and before the part got its name."""
    digest = part_digests.PartDigest("0" * 64)
    with writing_session(tmp_path, QUESTION):
        (tmp_path / "notes.digest").write_text("of the user")
        part_digests.write_small_file(tmp_path / FIRST, digest)
    assert small_files(tmp_path) == ["notes.digest"]
    part_digests.write_small_file(tmp_path / FIRST, digest)
    name = temporary_name(f"{SECOND}.digest").replace(f"-{os.getpid()}-", "-4194999-")
    (tmp_path / name).touch()
    (tmp_path / f"{SECOND}.digest").touch()
    with writing_session(tmp_path, QUESTION) as sink:
        assert small_files(tmp_path) == ["notes.digest"]
        assert not (tmp_path / name).exists()
        assert len(sink.todo()) == ROWS // PER_PART


def test_a_folder_with_a_small_file_alone_is_written_to(tmp_path: Path) -> None:
    part_digests.write_small_file(tmp_path / FIRST, part_digests.PartDigest("0" * 64))
    with writing_session(tmp_path, QUESTION) as sink:
        write_cells(sink)
    assert read(tmp_path) == list(range(ROWS))


def test_the_digest_is_written_before_the_part_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_digests, "write_small_file", kill)
    with writing_session(tmp_path, QUESTION) as sink:
        with pytest.raises(Killed):
            write_cells(sink.shared(sink.todo()))
        assert parts.list_parts(tmp_path) == []
    assert sorted(contents(tmp_path)) == ["question.json"]


def test_a_small_file_that_cannot_be_removed(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".digest":
            raise PermissionError(13, "Permission denied", str(path))
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with (
        pytest.raises(ResultError, match=r"\.digest could not be written: Permission denied"),
        writing_session(killed, QUESTION),
    ):
        pass
    assert read(killed) == list(range(8))


def test_overwriting_removes_small_files(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the process is killed before it repairs the folder."""
    monkeypatch.setattr(repair, "remove_unfinished", kill)
    with pytest.raises(Killed), writing_session(killed, QUESTION, overwrite=True):
        pass
    assert contents(killed) == {}


def test_a_small_file_is_no_place_for_an_export(killed: Path) -> None:
    with pytest.raises(ResultError, match=f"{FIRST}.digest is a part of the run"):
        refuse_to_overwrite_inputs(open_run(killed), killed / f"{FIRST}.digest")


def test_a_larger_part_takes_the_place_of_a_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample grows, and the process that writes the larger part is in a different folder."""
    monkeypatch.chdir(tmp_path)
    for count in (6, 8):
        data = {"examples": count, "order": "sample"}
        with writing_session(Path("run"), QUESTION | {"data": data, "limit": count}) as sink:
            shared = pickle.loads(pickle.dumps(sink.shared(sink.todo())))
            monkeypatch.chdir("/")
            write_cells(shared)
            monkeypatch.chdir(tmp_path)
    assert sorted(contents(Path("run"))) == ["digests.json", FIRST, SECOND, "question.json"]
    assert read(Path("run")) == list(range(8))
