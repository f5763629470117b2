"""Writing where it cannot be done, names that cannot be written, and what a kill leaves behind."""

import csv
import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import vog
import world
from command_line import Cli, score
from vog.errors import ResultError
from vog.files import leftovers, writing
from vog.files.output_paths import output_path
from vog.files.small_files import temporary_folder
from vog.files.writing import as_csv, as_json, make_folder, safe_table, write_text, write_whole
from vog.result import Run
from vog.result.sql import RunTables

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refusing(number: int, *after: str) -> Callable[..., Any]:
    """A function of the system that is refused, as by a disk."""

    def refuse(*given: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number), str(given[0]), *after)

    return refuse


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            errno.EROFS,
            "Read-only file system. The disk is read-only. Give a path on a different",
        ),
        (errno.EACCES, "Permission denied. Give a path in a folder that you may write to"),
        (errno.ENOSPC, "the disk is full. What was finished before is whole"),
        (errno.EIO, "Input/output error."),
    ],
)
def test_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    """Neither making the file nor removing it works, and what is said is the first of it."""
    (tmp_path / "old.txt").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refusing(number))
        patch.setattr(Path, "unlink", refusing(number))
        with pytest.raises(ResultError, match=f"old.txt could not be written: {said}"):
            write_text(tmp_path / "old.txt", "new")
        patch.setattr(Path, "mkdir", refusing(number))
        with pytest.raises(ResultError, match=f"new could not be written: {said}"):
            make_folder(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [FULL, OSError("100 requested and 0 written"), OSError("Could not write: No space left")],
)
def test_a_disk_that_fills_up_while_it_is_written(tmp_path: Path, error: OSError) -> None:
    """As NumPy, Arrow and DuckDB say it; half of the new file is nowhere."""
    (tmp_path / "a.npy").write_text("old")

    def write(beside: Path) -> None:
        beside.write_bytes(b"half")
        raise error

    with pytest.raises(ResultError, match="the disk is full"):
        write_whole(tmp_path / "a.npy", write)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    assert (tmp_path / "a.npy").read_text() == "old"


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "\u00e9" * 125 + ".txt", "a." + "b" * 250])
def test_the_longest_names_that_a_disk_takes_are_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 256 + ".csv", "a/" + "\u00e9" * 200 + "/b.csv"])
def test_names_that_are_too_long(tmp_path: Path, name: str) -> None:
    said = r"too long\. Its longest part has \d+ bytes"
    with pytest.raises(ResultError, match=said):
        output_path(tmp_path / name)
    if "/" not in name:
        for write in (lambda path: write_text(path, "text"), make_folder):
            with pytest.raises(ResultError, match=said):
                write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\0b", "a/\0"])
def test_names_that_no_file_has(name: str) -> None:
    with pytest.raises(ResultError, match="could not be written: .*null"):
        output_path(name)


@pytest.mark.parametrize("address", ["s3://bucket/a", "gs://b", "hf://datasets/a", "file:///tmp/a"])
def test_addresses_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (address, Path(address)):
        with pytest.raises(ResultError, match="is an address.*Nothing was computed.*a local path"):
            output_path(name)
    for write in (make_folder, lambda path: write_text(path, "text")):
        with pytest.raises(ResultError, match="is an address"):
            write(Path(address))
    assert list(tmp_path.iterdir()) == []
    scheme = Path(f"{address.partition(':')[0]}:")
    scheme.mkdir()
    assert output_path(scheme / "a") == scheme / "a", "a folder that is called so is one"
    assert output_path("C:/a") == Path("C:/a")


def test_the_home_folder_is_expanded_and_that_of_nobody_is_not() -> None:
    assert output_path("~/zzz") == Path.home() / "zzz"
    assert output_path("~nobody-of-this-name") == Path("~nobody-of-this-name")


OUTPUTS = {
    "score": "--model m.py:f --checkpoints c --data d --out {}",
    "gradients": "--model m.py:f --checkpoints c --data d --out {}",
    "import": "run --out {}",
    "export": "run --out {}.csv",
    "report": "run --out {}.html",
    "analyze": "run --out {}",
    "grid": "run --out {}.png",
    "combine": "run run --out {}",
    "plant": "--data d --flip 5% --out {}",
    "select": "run --keep-hardest 50% --out {}.txt",
    "suspects": "run --out {}.csv",
    "verify": "run --planted p --chart {}.png",
    "demo": "--out {}",
    "toy": "--out {}",
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_every_command_refuses_what_it_cannot_write_first(
    cli: Cli,
    command: str,
) -> None:
    """Before it looks at anything else, none of which is there."""
    before = sorted(Path().iterdir())
    for name, said in (("s3://bucket/a", "is an address"), ("x" * 400, "name too long")):
        code, out, err = cli(command, *OUTPUTS[command].format(name).split())
        assert (code, out) == (1, "")
        assert err.startswith("Error: ")
        assert said in err
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("option", ["report --figures", "suspects --chart", "combine --chart"])
def test_other_files_are_refused_as_well(cli: Cli, option: str) -> None:
    command, flag = option.split()
    runs = ["run", "run", "--out", "new"] if command == "combine" else ["run"]
    code, _, err = cli(command, *runs, flag, "s3://bucket/a.png")
    assert (code, "is an address" in err) == (1, True)


def test_from_python_addresses_are_refused_first(run: Run) -> None:
    for write in (
        lambda: vog.score(world.build, "nowhere", "nowhere", "s3://bucket/run"),
        lambda: vog.export(run, "s3://bucket/a.csv"),
        lambda: run.export("s3://bucket/a.csv"),
        lambda: vog.report(run, "s3://bucket/a.html"),
        lambda: vog.combine([run, run], "s3://bucket/run"),
        lambda: vog.plant("nowhere", "s3://bucket/planted", flip=0.1),
    ):
        with pytest.raises(ResultError, match="is an address"):
            write()


def test_a_folder_that_takes_no_files_is_told_before_anything_is_computed(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path.cwd())
    for words in OUTPUTS.items():
        command, text = words
        code, _, err = cli(command, *text.format("new").split())
        assert code == 1
        assert f"{Path.cwd()} is read-only for you. Give a path in a folder" in err, command
    Path("there").mkdir()
    assert output_path("there") == Path("there"), "what is there may be finished already"


WRITES = """
import sys, time
from pathlib import Path
from vog.files.writing import write_whole

def write(beside):
    beside.write_bytes(b"half")
    print(beside.name, flush=True)
    time.sleep(600)

write_whole(Path(sys.argv[1]), write)
"""


@pytest.mark.process
def test_what_a_killed_process_left_goes_with_the_next_writing(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITES, path], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    names = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert sorted(names) == sorted(one.name for one in tmp_path.iterdir())
    assert all(
        str(p.pid) in n and n.endswith(".csv") for p, n in zip(processes, names, strict=True)
    )
    killed, alive = processes
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (tmp_path / names[0].replace("scores", "others")).write_text("of another file")
    write_text(path, "whole")
    left = {one.name for one in tmp_path.iterdir()}
    others = names[0].replace("scores", "others")
    assert left == {"scores.csv", names[1], others}, "a process that lives keeps its own"
    alive.kill()
    for process in processes:
        process.communicate()
    write_text(path, "again")
    assert {one.name for one in tmp_path.iterdir()} == {"scores.csv", others}


def test_leftovers_of_other_hosts_go_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = time.time() - 86_500
    with monkeypatch.context() as patch:
        patch.setattr(leftovers, "_host", lambda: "another-1")
        old, new = (tmp_path / leftovers.temporary_name("a[1].csv") for _ in range(2))
    own = tmp_path / leftovers.temporary_name("a[1].csv")
    of_0_1 = [tmp_path / f".a[1].csv.{number}.tmp.csv" for number in (999_999, os.getpid())]
    users = [tmp_path / name for name in (".a[1].csv", ".a[1].csv.tmp.csv", ".a1.csv.7.tmp.csv")]
    for path in (old, new, own, *of_0_1, *users):
        path.touch()
    for path in (old, own, of_0_1[0], *users):
        os.utime(path, (yesterday, yesterday))
    write_text(tmp_path / "a[1].csv", "text")
    expected = {new, own, of_0_1[1], *users, tmp_path / "a[1].csv"}
    assert set(tmp_path.iterdir()) == expected


def test_leftovers_that_cannot_be_removed_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / ".a.csv.1.tmp.csv"
    left.touch()
    os.utime(left, (1, 1))
    monkeypatch.setattr(os, "unlink", refusing(errno.EPERM))
    write_text(tmp_path / "a.csv", "text")
    assert left.exists()
    assert (tmp_path / "a.csv").read_text() == "text"


def test_temporary_names_fit_and_are_new() -> None:
    for name in ("a.csv", "\u732b" * 80 + ".parquet", "x" * 250 + ".png", "." + "y" * 254):
        made = {leftovers.temporary_name(name) for _ in range(50)}
        assert len(made) == 50
        assert all(len(os.fsencode(one)) <= 143 and one[0] == "." for one in made)
        ending = Path(name).suffix
        assert all(one.endswith(f".tmp{ending if len(ending) < 10 else ''}") for one in made)
    assert leftovers._short_name("x" * 99 + "a") != leftovers._short_name("x" * 99 + "b")


def test_an_export_leaves_one_file(run: Run, tmp_path: Path) -> None:
    """DuckDB writes the file it is given, without one of its own beside it."""
    (tmp_path / "out").mkdir()
    seen: list[list[str]] = []
    replace = Path.replace

    def look(self: Path, target: Path) -> Path:
        seen.append([path.name for path in self.parent.iterdir() if path.name[0] != "."])
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", look)
        for kind in ("csv", "jsonl", "parquet"):
            for _ in range(2):
                run.export(tmp_path / "out" / f"a.{kind}")
    names = ["a.csv", "a.jsonl", "a.parquet"]
    assert [sorted(one) for one in seen] == [names[: (at + 1) // 2] for at in range(6)]


def test_without_a_temporary_folder(
    run: Run,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(run.folder / "gone")])
    for ask in (temporary_folder, lambda: RunTables(run)):
        with pytest.raises(ResultError, match="no folder for temporary files.* Set TMPDIR"):
            ask()
    code, _, err = cli("plant", "--data", "data.npz", "--flip", "10%", "--out", "planted")
    assert (code, "Set TMPDIR to a folder that you may write to" in err) == (1, True)
    assert not Path("planted").exists()
    code, _, err = cli("view", str(run.folder), "--no-open", "--port", "0")
    assert (code, "Set TMPDIR" in err) == (1, True)


HARD = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1", "a=1", "'=1", "", " =1"]
SAFE = [f"'{text}" for text in HARD[:8]] + HARD[8:]


def test_texts_that_a_spreadsheet_would_run() -> None:
    rows = [{"id": text, "n": -1.5, "none": None} for text in HARD]
    plain, safe = (
        list(csv.DictReader(io.StringIO(as_csv(rows, safe_csv=how), newline="")))
        for how in (False, True)
    )
    assert [row["id"] for row in plain] == HARD
    assert [row["id"] for row in safe] == SAFE
    assert {row["n"] for row in safe} == {"-1.5"}, "numbers stay as they are"
    table = pa.table({"id": [*HARD, None], "n": pa.array([-1.0] * 13)})
    assert safe_table(table)["id"].to_pylist() == [*SAFE, None]
    assert safe_table(table)["n"].equals(table["n"])


@pytest.mark.slow
def test_safe_csv_is_off_unless_it_is_asked_for(cli: Cli) -> None:
    """Lists that are read again hold the ids as they are, whatever is asked for."""
    inputs, labels = world.inputs_and_labels(20)
    ids, names = [f"=cmd({row})" for row in range(20)], ["-a", "+b", "@c", "d"]
    np.savez("data.npz", inputs=inputs, labels=labels, ids=ids, label_names=names)
    assert score(cli, workers="0")[0] == 0

    def column(text: str, name: str) -> set[str]:
        return {row[name][:2] for row in csv.DictReader(io.StringIO(text))}

    for more, ids_begin, names_begin in (
        ((), {"=c"}, {"-a", "+b", "@c", "d"}),
        (("--safe-csv",), {"'="}, {"'-", "'+", "'@", "d"}),
    ):
        assert cli("export", "run", "--out", "a.csv", *more)[0] == 0
        text = Path("a.csv").read_text()
        assert (column(text, "id"), column(text, "label_name")) == (ids_begin, names_begin)
        _, text, _ = cli("top", "run", "--format", "csv", *more)
        assert column(text, "id") == ids_begin
        words = ("--keep-hardest", "50%", "--as", "ids", "--out", "a.txt", "--format", "csv")
        _, text, _ = cli("select", "run", *words, *more)
        assert column(text, "name") == names_begin
        assert all(line.startswith("=cmd") for line in Path("a.txt").read_text().splitlines())
        assert cli("analyze", "run", "--out", "a", *more)[0] == 0
        assert column(Path("a/classes.csv").read_text(), "label_name") == names_begin
    code, _, err = cli("export", "run", "--out", "a.parquet", "--safe-csv")
    assert (code, "takes no --safe-csv" in err) == (1, True)


def test_names_that_are_not_utf_8_are_told_or_come_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    import json

    assert json.loads(as_json({"where": name, "caf\u00e9": 1})) == {"where": name, "caf\u00e9": 1}
    assert "caf\u00e9" in as_json({"where": "caf\u00e9"}), "all others stay readable"
    with pytest.raises(ResultError, match=r"'a caf\\udce9.png 1' is not valid text.*Rename"):
        write_text(tmp_path / "list.txt", f"b.png 0\na {name} 1\n")
    assert list(tmp_path.iterdir()) == []


def printed(*words: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    """A process of its own, as streams are settled when one starts."""
    environment = os.environ | more.pop("env", {})
    command = [sys.executable, "-m", "vog", *words]
    return subprocess.run(command, env=environment, check=False, **more)


@pytest.fixture
def accented(cli: Cli) -> None:
    inputs, labels = world.inputs_and_labels(8)
    ids = [f"caf\u00e9/{row} \U0001f638.png" for row in range(8)]
    np.savez("data.npz", inputs=inputs, labels=labels, ids=ids, label_names=["\u732b", *"abc"])
    assert score(cli, workers="0")[0] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("accented")
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_terminal_that_cannot_show_a_name(form: str) -> None:
    ascii_alone = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = printed("top", "run", "--format", form, env=ascii_alone, capture_output=True)
    assert done.returncode == 0
    assert done.stderr.startswith(b"warning: the last checkpoint agrees with")
    assert b"caf\\xe9/" in done.stdout
    done = printed("top", "caf\u00e9", env=ascii_alone, capture_output=True)
    assert done.returncode == 1
    assert b"is missing" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.usefixtures("accented")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_what_is_printed_to_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        for words in (("top", "run", "--format", "csv"), ("scores",)):
            done = printed(*words, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 1
            assert done.stderr.startswith(b"Error: what is printed could not be written: No space")
            assert b"Traceback" not in done.stderr


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.usefixtures("accented")
def test_output_that_nobody_takes() -> None:
    """A stream that is closed from the start, as by `>&-`."""
    for number in (1, 2):
        done = subprocess.run(
            ["sh", "-c", f'"$0" -m vog top run --format csv {number}>&-', sys.executable],
            capture_output=True,
            check=False,
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
        assert bool(done.stdout) == (number == 2)


def test_arrays_are_written_under_their_name(tmp_path: Path) -> None:
    writing.write_array(tmp_path / "weights", np.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    assert np.load(tmp_path / "weights").tolist() == [0, 1, 2]
