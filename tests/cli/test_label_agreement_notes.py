"""Every command that reads a run says when its last checkpoint does not know the labels."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

import vog
import world
from scored import NAMES, Scored
from vog.cli import app, run_command
from vog.experiments import demo
from vog.result import Run
from vog.viewer.app import application
from vog.viewer.request_guard import Guard

ORDER = np.array([3, 0, 1, 2, 4, 7, 5, 6, 9, 8])
LOW = "warning: the last checkpoint agrees with"


def save(scored: Scored, path: Path, order: np.ndarray, invert: bool = False) -> Path:
    """The digits with their classes in another order, or as negatives, 400 of them."""
    images = scored.inputs.reshape(-1, 1, 8, 8)[:400]
    names = np.array(NAMES)[np.argsort(order)]
    images = 1 - images if invert else images
    np.savez(path, images=images, labels=order[scored.labels[:400]], label_names=names)
    return path


def vog_command(*words: str | Path) -> int:
    """The exit status of a command."""
    try:
        run_command(lambda: app([str(word) for word in words]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def score(scored: Scored, data: Path, *words: str) -> Path:
    """The folder of a run of the trained network on these data."""
    out = data.with_suffix("")
    command = ["score", "--model", "vog.experiments.demo:build", "--scores", "aum,confidence,loss"]
    where = ["--checkpoints", str(scored.run.folder.parent / "checkpoints"), "--data", str(data)]
    assert vog_command(*command, *where, "--out", str(out), "--workers", "0", *words) == 0
    return out


@pytest.fixture(scope="module")
def permuted(scored: Scored, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose data number the classes in another order than the training."""
    data = save(scored, tmp_path_factory.mktemp("permuted") / "digits.npz", ORDER)
    return vog.open(score(scored, data, "--quiet"))


def renamed(text: str) -> dict[int, int]:
    """The renaming that a warning shows."""
    moves = re.findall(r"(\d+) \(digit \d\) -> (\d+) \(digit \d\)", text)
    return {int(a): int(b) for a, b in moves}


@pytest.mark.slow
def test_a_right_run_says_how_often_it_agrees_and_does_not_warn(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save(scored, tmp_path / "right.npz", np.arange(10))
    out = score(scored, data)
    said = capsys.readouterr().err
    share = re.search(r"^the last checkpoint agrees with (\d+) % of the labels$", said, re.M)
    assert share is not None
    assert int(share[1]) >= 85  # 5 % of the labels are flipped
    assert "warning" not in said
    score(scored, data, "--quiet")
    for command in (["top", str(out)], ["select", str(out), "--keep-hardest", "50%"]):
        assert vog_command(*command) == 0
    assert vog_command("report", str(out), "--out", str(tmp_path / "report.html"), "--quiet") == 0
    assert "agrees" not in capsys.readouterr().err
    page = (tmp_path / "report.html").read_text()
    assert f"The last checkpoint agrees with {share[1]} % of the labels." in page
    assert LOW not in page
    assert LOW not in shown(vog.open(out), "/")


def shown(run: Run, address: str) -> str:
    """A page of the viewer."""
    with TestClient(application(run, Guard("127.0.0.1")), base_url="http://127.0.0.1") as client:
        return client.get(address).text


@pytest.mark.slow
def test_classes_in_another_order_are_said_and_named(
    permuted: Run, scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    data = permuted.folder.with_suffix(".npz")
    score(scored, data, "--quiet")  # all rows are there: it says so all the same
    said = capsys.readouterr().err
    assert said.startswith(LOW)
    assert "transform" in said
    assert "order of the classes" in said
    expected = {a: int(b) for a, b in enumerate(ORDER) if a != b}
    assert renamed(said) == dict(list(expected.items())[:5])
    counted = vog.label_agreement(permuted)
    assert counted is not None
    assert counted.renaming is not None
    assert dict(counted.renaming.moves) == expected
    assert counted.share < 0.3 < 0.85 < counted.renaming.share


@pytest.mark.parametrize(
    "words", [["top", "--format", "csv"], ["suspects"], ["select", "--keep-hardest", "50%"]]
)
def test_what_reads_a_run_repeats_it(
    words: list[str], permuted: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    vog_command(words[0], str(permuted.folder), *words[1:])
    printed = capsys.readouterr()
    assert LOW in printed.err
    assert renamed(printed.err)
    assert LOW not in printed.out


@pytest.mark.slow
def test_report_and_viewer_show_it(permuted: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert vog_command("report", str(permuted.folder), "--out", str(page), "--quiet") == 0
    for text in (page.read_text(), shown(permuted, "/"), shown(permuted, "/example/3")):
        assert 'id="low-agreement"' in text
        assert LOW in text
        assert renamed(text.replace("&gt;", ">"))
    assert page.read_text().index(LOW) < page.read_text().index("What was scored")


@pytest.mark.slow
def test_another_transform_is_said_without_a_renaming(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(scored, save(scored, tmp_path / "negative.npz", np.arange(10), invert=True))
    said = capsys.readouterr().err
    assert LOW in said
    assert "transform" in said
    assert "renamed" not in said


@pytest.mark.slow
def test_python_hears_it_unless_quiet(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save(scored, tmp_path / "digits.npz", ORDER)
    checkpoints = scored.run.folder.parent / "checkpoints"
    for quiet, said in ((True, ""), (False, LOW)):
        out = tmp_path / f"quiet-{quiet}"
        vog.score(demo.build, checkpoints, data, out, scores="aum", workers=0, quiet=quiet)
        assert capsys.readouterr().err.startswith(said)


@pytest.mark.slow
def test_nothing_is_said_where_predictions_say_nothing(
    permuted: Run, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unlabelled = tmp_path / "unlabelled.npz"
    np.savez(unlabelled, inputs=world.inputs_and_labels(20)[0])
    labelled = world.save_npz(tmp_path / "labelled.npz", 20)
    command = ["score", "--model", "world:build", "--checkpoints", str(checkpoints)]
    for data in (unlabelled, labelled):
        out = tmp_path / f"run-{data.stem}"
        words = ["--data", str(data), "--out", str(out), "--target", "predicted", "--workers", "0"]
        assert vog_command(*command, *words) == 0
        assert vog_command("top", str(out)) == 0
        assert vog.label_agreement(vog.open(out)) is None
    stored = tmp_path / "stored"
    words = ["--data", str(labelled), "--out", str(stored), "--workers", "0"]
    assert "agree" not in capsys.readouterr().err
    assert vog_command("gradients", *command[1:], *words) == 0
    capsys.readouterr()  # its plan speaks of the labels, as any plan does
    assert vog_command("import", str(stored), "--out", str(tmp_path / "imported")) == 0
    assert vog_command("top", str(tmp_path / "imported")) == 0
    assert "agree" not in capsys.readouterr().err
    foreign = replace(permuted, question=permuted.question | {"target": "as stored"})
    assert vog.label_agreement(foreign) is None


def test_a_combined_run_says_it_of_most_checkpoints(
    permuted: Run, scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    last = sorted((scored.run.folder.parent / "checkpoints").iterdir())[1:]
    data = permuted.folder.with_suffix(".npz")
    vog.score(demo.build, last, data, other, scores="aum,confidence,loss", workers=0, quiet=True)
    combined = tmp_path / "combined"
    assert vog_command("combine", str(permuted.folder), str(other), "--out", str(combined)) == 0
    capsys.readouterr()
    assert vog_command("top", str(combined)) == 0
    assert "warning: most last checkpoints agree with" in capsys.readouterr().err
