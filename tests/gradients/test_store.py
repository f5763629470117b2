"""`vog gradients`: what it stores, how it stops, and that `vog import` of it equals `vog score`."""

import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vog
import world
from command_line import TESTS, Cli
from photographs import small
from vog.errors import DataError, DifferentQuestionError, ResultError
from vog.gradients import store as module
from vog.gradients.score_stored import import_stored
from vog.gradients.store import prepare_storing, store
from vog.result import parts
from vog.sweep.request import Request

ROWS = 40


def request(checkpoints: Path, out: Path, **more: object) -> Request:
    data = world.inputs_and_labels(ROWS)
    asked: dict[str, object] = {"data": data, "batch_size": 8, "quiet": True}
    return Request(world.build, str(checkpoints), out=out, **(asked | more))  # type: ignore[arg-type]


def gradients_of(folder: Path) -> dict[str, bytes]:
    """What lies in the folders of the checkpoints."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("weight_*/*")}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["logit", "predicted", "loss"])
def test_import_of_what_was_stored_equals_score(
    checkpoints: Path, tmp_path: Path, target: str
) -> None:
    inputs, labels = world.inputs_and_labels(ROWS)
    inputs[5] = np.nan
    asked = request(checkpoints, tmp_path / "g", data=(inputs, labels), target=target)
    store(prepare_storing(asked))
    imported = import_stored(tmp_path / "g", tmp_path / "stored", quiet=True)
    out, how = tmp_path / "direct", {"batch_size": 8, "quiet": True, "target": target}
    scored = vog.score(world.build, checkpoints, (inputs, labels), out, **how)
    columns = [*imported.columns, "vog@late:class", "vog@all:robust"]
    stored, direct = imported.table(columns), scored.table(columns)
    assert [row["id"] for row in imported.problems().to_pylist()] == ["5"]
    for name in columns:
        if name.partition("@")[0] in ("vog", "grad_norm"):
            np.testing.assert_allclose(stored[name], direct[name], rtol=1e-6)
        else:
            assert stored[name].equals(direct[name]), name


def test_the_layout(checkpoints: Path, tmp_path: Path) -> None:
    store(prepare_storing(request(checkpoints, tmp_path / "g")))
    folders = sorted(p.name for p in (tmp_path / "g").glob("weight_*"))
    assert folders == [f"weight_{100 * (i + 1):05d}" for i in range(7)]
    inputs, labels = world.inputs_and_labels(ROWS)
    with_labels = np.load(tmp_path / "g" / "weight_00700" / "ground_truth.npy")
    np.testing.assert_array_equal(with_labels, labels)
    predicted = np.load(tmp_path / "g" / "weight_00700" / "pred_label.npy")
    flags = np.load(tmp_path / "g" / "weight_00700" / "classified_flag.npy")
    assert flags.shape == (ROWS, 2)
    np.testing.assert_array_equal(flags[:, 0], np.arange(ROWS))
    np.testing.assert_array_equal(flags[:, 1], (predicted == labels).astype(float))
    assert 0 < flags[:, 1].mean() < 1
    gradient = np.load(tmp_path / "g" / "weight_00300" / "grad_00005.npy")
    assert (gradient.dtype, gradient.shape) == (np.float32, (6, 6))
    expected = slow_gradient(checkpoints / "step-300.pt", inputs[5], labels[5])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def slow_gradient(checkpoint: Path, one: np.ndarray, label: int) -> np.ndarray:
    """Of the label's logit, one example alone, averaged over colours."""
    model = world.build().eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    leaf = torch.from_numpy(one)[None].requires_grad_()
    model(leaf * 1)[0, label].backward()
    assert leaf.grad is not None
    return leaf.grad[0].mean(dim=0).numpy()


@pytest.mark.slow
def test_what_was_stopped_goes_on(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(prepare_storing(request(checkpoints, tmp_path / "whole")))
    asked = request(checkpoints, tmp_path / "g", rows_per_part=8)
    written = module._store_block
    monkeypatch.setattr(module, "_store_block", world.interrupted(written, at=4))
    with pytest.raises(KeyboardInterrupt):
        store(prepare_storing(asked))
    with pytest.raises(DataError, match="not finished: 16 examples have no gradients yet"):
        import_stored(tmp_path / "g", tmp_path / "run", quiet=True)
    first = tmp_path / "g" / "weight_00100" / "grad_00003.npy"
    stamp = first.stat().st_mtime_ns
    monkeypatch.setattr(module, "_store_block", written)
    assert store(prepare_storing(asked)).rows == 16
    assert first.stat().st_mtime_ns == stamp
    assert gradients_of(tmp_path / "g") == gradients_of(tmp_path / "whole")
    assert store(prepare_storing(asked)).rows == 0


@pytest.mark.slow
def test_images_are_copied_as_they_are(
    checkpoints: Path,
    photos: Path,
    tmp_path: Path,
) -> None:
    Image.open(tmp_path / "photos" / "0.png").save(tmp_path / "photos" / "a.JPEG")
    photos.write_text("photos/a.JPEG 0\n" + photos.read_text())
    out = tmp_path / "g"
    asked = request(checkpoints, out, data=str(photos), transform=small)
    store(prepare_storing(asked))
    last = out / "weight_00700"
    assert (last / "img_00000.jpg").read_bytes() == (tmp_path / "photos/a.JPEG").read_bytes()
    assert (last / "img_00001.png").read_bytes() == (tmp_path / "photos/0.png").read_bytes()
    assert len(list(out.glob("weight_*/img_*"))) == 25
    imported = import_stored(out, tmp_path / "run", quiet=True)
    assert imported.table(["id"])["id"].to_pylist()[:2] == ["photos/a.JPEG", "photos/0.png"]
    from vog.figures.class_grid import class_grid

    assert class_grid(imported).width > 1000, "the grid finds the copies"
    bare = request(checkpoints, tmp_path / "bare", data=str(photos), transform=small)
    store(prepare_storing(bare, images=False))
    assert not list((tmp_path / "bare").glob("weight_*/img_*"))


@pytest.mark.slow
def test_an_image_that_cannot_be_read_is_marked(
    checkpoints: Path,
    photos: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "photos" / "5.png").write_bytes(b"no image")
    store(prepare_storing(request(checkpoints, tmp_path / "g", data=str(photos), transform=small)))
    assert np.isnan(np.load(tmp_path / "g" / "weight_00100" / "grad_00005.npy")).all()
    run = import_stored(tmp_path / "g", tmp_path / "run", quiet=True)
    assert [row["id"] for row in run.problems().to_pylist()] == ["photos/5.png"]
    assert run.table(["prediction@all"])["prediction@all"].null_count == 1


@pytest.mark.slow
def test_another_question_is_refused_and_overwrite_leaves_nothing_of_it(
    checkpoints: Path, tmp_path: Path
) -> None:
    out = tmp_path / "g"
    store(prepare_storing(request(checkpoints, out)))
    fewer = [str(path) for path in sorted(checkpoints.iterdir())[:3]]
    other = request(checkpoints, out)
    with pytest.raises(DifferentQuestionError, match="checkpoints"):
        store(prepare_storing(Request(other.model, fewer, other.data, out, quiet=True)))
    again = Request(other.model, fewer, other.data, out, quiet=True, overwrite=True)
    store(prepare_storing(again))
    assert len(list(out.glob("weight_*"))) == 3
    import_stored(out, tmp_path / "run", quiet=True)


@pytest.mark.slow
def test_what_cannot_be_stored(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vog.experiments import toy

    toy.run_toy(tmp_path / "toy", quiet=True)
    points = np.zeros((4, 2), np.float32), np.zeros(4, np.int64)
    flat = Request(toy.build, str(tmp_path / "toy/checkpoints"), points, tmp_path / "g")
    with pytest.raises(DataError, match=r"shape \(2,\); the layout.*`vog.score` takes"):
        prepare_storing(flat)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    asked = request(checkpoints, tmp_path / "full")
    with pytest.raises(ResultError, match="GB free; the gradients of 40 examples"):
        store(prepare_storing(asked))


@pytest.mark.slow
def test_the_command(cli: Cli, checkpoints: Path) -> None:
    world.save_npz(Path("data.npz"), ROWS)
    spec = f"{TESTS / 'world.py'}:build"
    words = ("--model", spec, "--checkpoints", str(checkpoints), "--data", "data.npz")
    code, out, err = cli("gradients", *words, "--out", "g", "--dry-run")
    assert (code, out, Path("g").exists()) == (0, "", False)
    assert "estimate" in err
    code, out, err = cli("gradients", *words, "--out", "g")
    assert code == 0, err
    assert re.search(r"gradients +0\.00 GB", err)
    assert re.search(r"checkpoints +7, step 100 to 700", err)
    assert "Next: vog import g --out RUN" in out
    code, out, _ = cli("gradients", *words, "--out", "g")
    assert "all 40 rows were there already" in out
    assert cli("import", "g", "--out", "run")[0] == 0
    assert cli("score", *words, "--out", "direct")[0] == 0
    one, other = (vog.open(name).table(["vog@late"]) for name in ("run", "direct"))
    np.testing.assert_allclose(one["vog@late"], other["vog@late"], rtol=1e-6)
    code, _, err = cli("top", "g")
    assert (code, "has no scores" in err) == (1, True)


def test_a_label_outside_the_classes_is_named(checkpoints: Path, tmp_path: Path) -> None:
    """Labels of a dataset may only be known when it is read, after the guards of the start."""
    inputs, labels = world.inputs_and_labels(ROWS)
    labels[30] = 9
    rows = [(torch.from_numpy(one), int(label)) for one, label in zip(inputs, labels, strict=True)]

    class Data:
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return rows[index]

    asked = request(checkpoints, tmp_path / "g", data=Data(), workers=0)
    with pytest.raises(DataError, match="'30' has 9"):
        store(prepare_storing(asked))


def test_checkpoints_that_do_not_belong_are_refused(checkpoints: Path, tmp_path: Path) -> None:
    out = tmp_path / "g"
    store(prepare_storing(request(checkpoints, out)))
    shutil.copytree(out / "weight_00700", out / "weight_00800")
    with pytest.raises(DataError, match="do not name the same steps; only one of them has 800"):
        import_stored(out, tmp_path / "run", quiet=True)


@pytest.mark.slow
def test_a_kill_while_overwriting_leaves_no_finished_rows(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that say what is finished go first, the question last."""
    out = tmp_path / "g"
    asked = request(checkpoints, out)
    store(prepare_storing(asked))

    def killed(folder: Path) -> None:
        raise SystemExit

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(SystemExit):
        store(prepare_storing(replace(asked, overwrite=True)))
    monkeypatch.undo()
    with pytest.raises(DataError, match="is not finished: 40 examples"):
        import_stored(out, tmp_path / "run", quiet=True)
    assert store(prepare_storing(asked)).rows == ROWS


@pytest.mark.slow
def test_lost_gradients_and_unfinished_files(checkpoints: Path, tmp_path: Path) -> None:
    out = tmp_path / "g"
    asked = request(checkpoints, out)
    store(prepare_storing(asked))
    (out / "weight_00300" / "grad_00007.npy").unlink()
    with pytest.raises(ResultError, match="weight_00300 has lost 1 of 40 gradients"):
        store(prepare_storing(asked))
    (out / "weight_00300" / "grad_00007.npy").write_bytes(b"")
    (out / ".grad_00001.npy.1.tmp.npy").write_bytes(b"of a process that was killed")
    (out / "weight_00700" / "classified_flag.npy").unlink()
    with pytest.raises(DataError, match="not finished"):
        import_stored(out, tmp_path / "run", quiet=True)
    store(prepare_storing(asked))
    assert not list(out.glob(".*.tmp*"))
    assert (out / "weight_00700" / "classified_flag.npy").exists()


def test_the_folder_of_the_gradients_is_no_run_folder(checkpoints: Path, tmp_path: Path) -> None:
    store(prepare_storing(request(checkpoints, tmp_path / "g")))
    with pytest.raises(ResultError, match="holds the gradients"):
        import_stored(tmp_path / "g", tmp_path / "g", overwrite=True, quiet=True)


@pytest.mark.process
@pytest.mark.slow
def test_a_killed_command_goes_on(checkpoints: Path, tmp_path: Path) -> None:
    """kill -9 in the middle; afterwards the folder is the one of an undisturbed command."""
    world.save_npz(tmp_path / "data.npz", 2000)
    spec = f"{Path(world.__file__)}:build"
    words = ["--model", spec, "--checkpoints", str(checkpoints), "--data"]
    words += [str(tmp_path / "data.npz"), "--batch-size", "16", "--quiet"]
    command = [sys.executable, "-m", "vog", "gradients", *words]
    folder = tmp_path / "killed"
    process = subprocess.Popen([*command, "--out", str(folder)])
    while process.poll() is None and len(list(folder.glob("part-*"))) < 1:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = sum(part.stop - part.start for part in parts.list_parts(folder))
    assert 0 < finished < 2000, "killed in the middle"
    for out in (folder, tmp_path / "whole"):
        subprocess.run([*command, "--out", str(out)], check=True)
    assert not list(folder.glob("**/.*tmp*"))
    assert gradients_of(folder) == gradients_of(tmp_path / "whole")
