"""Bad input through the command line: a clear error, exit code 1, no traceback, nothing lost."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vog
import world
from command_line import TESTS, Cli, score


def test_good_input_works(cli: Cli) -> None:
    code, out, err = score(cli)
    assert code == 0
    assert out.startswith("run: 20 rows in ")
    assert "checkpoints  3, step 100 to 300" in err


def spoil(path: Path, **values: float) -> None:
    state = torch.load(path, weights_only=True)
    for key, value in values.items():
        state["state_dict"][key.replace("_", ".")].view(-1)[0] = value
    torch.save(state, path)


def labels(values: np.ndarray) -> None:
    np.savez("data.npz", inputs=world.inputs_and_labels(20)[0], labels=values)


def copy(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())


def listed(line: str) -> None:
    Image.new("RGB", (6, 6)).save("1.png")
    Path("list.txt").write_text(line)


SPOILED = {
    "missing data": (lambda: None, {"data": "gone"}, "--data 'gone': there is no such"),
    "missing checkpoints": (lambda: None, {"checkpoints": "d/*.pt"}, "'d/*.pt' matches no file"),
    "missing model file": (lambda: None, {"model": "gone.py:f"}, "there is no file gone.py"),
    "missing function": (
        lambda: None,
        {"model": f"{TESTS / 'world.py'}:biuld"},
        "has no 'biuld'. Did you mean 'build'?",
    ),
    "no function": (lambda: None, {"model": "resnet"}, "does not name a function"),
    "failing model": (
        lambda: None,
        {"model_arg": "depth=3"},
        "failed: TypeError: build() got an unexpected keyword argument 'depth'",
    ),
    "no keyword": (lambda: None, {"model_arg": "depth"}, "expected NAME=VALUE"),
    "no checkpoint": (
        lambda: Path("c/step-400.pt").write_text("hello"),
        {},
        "checkpoint c/step-400.pt is damaged or no checkpoint",
    ),
    "weights that do not fit": (lambda: None, {"model_arg": "classes=9"}, "5.weight: (4, 96) in"),
    "equal checkpoints": (
        lambda: copy("c/step-100.pt", "c/step-400.pt"),
        {},
        "c/step-100.pt and c/step-400.pt hold equal weights",
    ),
    "no step": (
        lambda: copy("c/step-100.pt", "c/step-1k.pt"),
        {},
        "1 have no step in their name: step-1k.pt",
    ),
    "NaN weights": (
        lambda: spoil(Path("c/step-200.pt"), **{"0_weight": float("nan")}),
        {},
        "c/step-200.pt: NaN or infinite values in 0.weight",
    ),
    "labels outside": (
        lambda: labels(np.arange(20)),
        {},
        "16 of 20 labels are outside the model's classes 0 to 3: '4' has 4, '5' has 5",
    ),
    "negative labels": (lambda: labels(np.full(20, -1)), {}, "have no labels ('0', ...)"),
    "a label -2": (lambda: labels(np.arange(20) % 4 - 2), {}, "'0' has -2"),
    "empty folder": (
        lambda: Path("e").mkdir(),
        {"data": "e"},
        "has neither sub-folders nor images",
    ),
    "list line": (lambda: listed("1.png\n"), {"data": "list.txt"}, "have no labels ('1.png', ...)"),
    "random transform": (
        lambda: None,
        {"transform": f"{Path(__file__)}:noisy"},
        "is different each time it is read",
    ),
    "one checkpoint": (
        lambda: None,
        {"checkpoints": "c/step-100.pt"},
        "stage 'all' has 1 of 1 checkpoints",
    ),
    "unknown score": (lambda: None, {"scores": "vgo"}, "no score is called 'vgo'. Did you mean"),
    "unknown target": (lambda: None, {"target": "logits"}, "Did you mean 'logit'?"),
    "unknown device": (lambda: None, {"device": "tpu9"}, "--device tpu9: expected auto, cpu"),
    "batch size": (lambda: None, {"batch_size": "big"}, "--batch-size big: expected"),
    "folder of others": (
        lambda: (Path("run").mkdir(), Path("run/photo.jpg").write_text("x")),
        {},
        "run holds other files and is no run folder",
    ),
}


def noisy(row: np.ndarray) -> np.ndarray:
    """An augmentation: what must not be scored with."""
    return row + np.random.default_rng().normal(size=row.shape).astype(np.float32)


@pytest.mark.parametrize("name", SPOILED)
def test_a_users_mistake_is_one_clear_message(cli: Cli, name: str) -> None:
    prepare, changes, message = SPOILED[name]
    prepare()
    code, out, err = score(cli, **changes)
    assert code == 1
    assert err.startswith("Error: ")
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert not Path("run/question.json").exists(), "refused before anything is written"


def test_bad_usage_exits_with_2(cli: Cli) -> None:
    assert cli("score", "--model", "a:b")[0] == 2
    assert cli("top")[0] == 2


def test_a_run_that_answers_another_question_is_kept(cli: Cli) -> None:
    assert score(cli)[0] == 0
    before = vog.open("run").table()
    code, _, err = score(cli, target="loss")
    assert code == 1
    assert "target: was 'logit', is now 'loss'" in err
    assert vog.open("run").table().equals(before)


def test_a_truncated_jpeg_marks_its_row_and_the_run_goes_on(cli: Cli) -> None:
    for name in ("a", "b", "c", "d"):
        Path(f"photos/{name}").mkdir(parents=True)
        Image.effect_noise((6, 6), 50).convert("RGB").save(f"photos/{name}/1.png")
    Image.effect_noise((64, 64), 90).convert("RGB").save("photos/b/2.jpg")
    whole = Path("photos/b/2.jpg").read_bytes()
    Path("photos/b/2.jpg").write_bytes(whole[: len(whole) // 3])
    code, out, err = score(cli, data="photos", transform="none")
    assert code == 0
    assert (
        "1 of 5 rows could not be read or scored:\n  b/2.jpg: unreadable: image file is truncated"
        in err
    )
    assert out.startswith("run: 5 rows")
    (row,) = vog.open("run").table().slice(2, 1).to_pylist()
    assert (row["id"], row["label_name"], row["vog@all"]) == ("b/2.jpg", "b", None)


def test_folders_that_are_not_the_models_classes(cli: Cli) -> None:
    """With a class missing, those after it would silently get another's logit."""
    for name in ("a", "b", "c"):
        Path(f"photos/{name}").mkdir(parents=True)
        Image.effect_noise((6, 6), 50).convert("RGB").save(f"photos/{name}/1.png")
    code, _, err = score(cli, data="photos", transform="none")
    assert code == 1
    assert "the data have 3 class folders, the model has 4 outputs" in err


def test_data_of_which_nothing_can_be_read(cli: Cli) -> None:
    for name in ("a", "b", "c", "d"):
        Path(f"photos/{name}").mkdir(parents=True)
        Path(f"photos/{name}/1.jpg").write_text("no image")
    code, _, err = score(cli, data="photos")
    assert code == 1
    assert "none of the first 4 examples can be read; 'a/1.jpg': cannot identify" in err


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_finished(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second part meets a full disk; afterwards the run goes on from the first."""
    import errno

    from vog.result import part_sink

    written: list[Path] = []

    def fills(table: object, path: Path, **words: Any) -> None:
        if written:
            path.write_bytes(b"half a part")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(table, path, **words)
        written.append(path)

    original = part_sink.pq.write_table
    monkeypatch.setattr(part_sink.pq, "write_table", fills)
    code, _, err = score(cli, batch_size="4", rows_per_part="4")
    assert code == 1
    assert "the disk is full. What was finished before is whole" in err
    assert sorted(path.name for path in Path("run").iterdir() if path.name[0] != ".") == [
        "digests.json",
        "part-000000000000-4.parquet",
        "question.json",
    ]
    monkeypatch.setattr(part_sink.pq, "write_table", original)
    first = Path("run/part-000000000000-4.parquet")
    stamp = first.stat().st_mtime_ns
    assert score(cli, batch_size="4")[0] == 0
    assert first.stat().st_mtime_ns == stamp
    assert vog.open("run").rows == 20


def test_a_bug_keeps_its_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vog.sweep.executor.rows_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        score(cli)


@pytest.mark.slow
def test_an_interrupt_says_that_rows_are_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vog.sweep.executor.rows_of", interrupted)
    code, _, err = score(cli)
    assert code == 130
    assert "Finished rows are kept; the same command continues." in err
    spec = f"{TESTS / 'world.py'}:build"
    words = ("--model", spec, "--checkpoints", "c/*.pt", "--data", "data.npz", "--out", "run")
    _, _, err = cli("score", *words, "--overwrite")
    assert "the same command without --overwrite, which would start again, continues." in err


@pytest.mark.process
def test_the_message_is_all_that_a_real_process_prints(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "vog", "top", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        f"Error: {tmp_path / 'nowhere'} is missing. Expected a folder written by `vog score`.\n"
    )
