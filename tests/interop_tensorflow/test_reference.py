"""The whole path of the reference: checkpoints of TensorFlow 1, a list of JPEG files, all commands.

The same checkpoints are scored by the port in PyTorch, in a process that cannot import TensorFlow.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reference_network
import reference_port
import vog
from adapter_contract import worst_difference
from command_line import Cli
from reference_resnet50 import names_of

_NETWORK, _PORT = Path(reference_network.__file__), Path(reference_port.__file__)
STEPS = (30024, 31275, 32000)
FILES = 30
TOLERANCE = 1e-5
_COLOURS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])
_WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
from vog.cli import main
main()
"""


def _photograph(rng: np.random.Generator, label: int) -> Image.Image:
    """Return smooth blobs of which most have the colour of the class."""
    width, height = int(rng.integers(40, 90)), int(rng.integers(40, 90))
    coarse = rng.integers(0, 256, (5, 5, 3)) * 0.6 + _COLOURS[label] * 0.4
    small = Image.fromarray(coarse.astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `images`, `list.txt`, `c/model.ckpt-*` and `names.json`."""
    folder = tmp_path_factory.mktemp("reference")
    rng = np.random.default_rng(0)
    lines, inputs, labels = [], [], []
    for number in range(FILES):
        label = number % reference_port.CLASSES
        path = folder / "images" / f"n{label:08d}" / f"{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        _photograph(rng, label).save(path, "JPEG", quality=90)
        lines.append(f"n{label:08d}/{number}.JPEG {label}\n")
        inputs.append(reference_port.channels_last(Image.open(path)))
        labels.append(label)
    (folder / "list.txt").write_text("".join(lines), encoding="utf-8")
    reference_network.train(np.array(inputs), np.array(labels), folder / "c", STEPS)
    names = json.dumps(names_of(reference_port.build(), reference_network.SCOPE))
    (folder / "names.json").write_text(names, encoding="utf-8")
    return folder


@pytest.fixture
def cli(world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`vog`, in the folder of the world."""
    monkeypatch.chdir(world)
    return Cli(capsys, monkeypatch)


_OURS = ("--model", f"tf1:{_NETWORK}:logits", "--checkpoints", "c")
_DATA = ("--data", "list.txt", "--root", "images")
_LAST, _FIRST = (("--transform", f"{_PORT}:{name}") for name in ("channels_last", "channels_first"))


def _run(cli: Cli, *words: str) -> str:
    code, out, err = cli(*words)
    assert code == 0, err
    return out


@pytest.fixture
def scored(cli: Cli, world: Path) -> vog.Run:
    """The run of `vog score`, made once."""
    if not (world / "run").exists():
        _run(cli, "score", *_OURS, *_DATA, *_LAST, "--scores", "all", "--out", "run", "--quiet")
    return vog.open(world / "run")


def test_every_file_is_scored_under_every_checkpoint(scored: vog.Run) -> None:
    table = scored.table()
    assert len(table) == FILES
    assert table["id"][0].as_py() == "n00000000/0.JPEG"
    assert [entry["step"] for entry in scored.question["checkpoints"]] == list(STEPS)
    values = table["vog@all"].to_numpy()
    assert np.isfinite(values).all()
    assert np.ptp(values) > 0
    assert scored.question["layout"] == "channels-last"
    assert "grand@all" in scored.score_columns


def test_stored_gradients_give_the_same_vog(cli: Cli, world: Path, scored: vog.Run) -> None:
    _run(cli, "gradients", *_OURS, *_DATA, *_LAST, "--out", "stored", "--quiet")
    _run(cli, "import", "stored", "--out", "imported", "--quiet")
    size = reference_port.SIZE
    gradient = np.load(world / "stored" / "weight_30024" / "grad_00000.npy")
    assert gradient.shape == (size, size)
    assert gradient.any()
    imported = vog.open(world / "imported")
    for column in imported.score_columns:
        if column.startswith("vog@"):
            values = scored.table()[column].to_numpy()
            difference = np.abs(imported.table()[column].to_numpy() - values).max()
            assert difference <= TOLERANCE * values.max()
    assert any(column.startswith("vog@") for column in imported.score_columns)


def test_grid_and_error_by_percentile(cli: Cli, world: Path, scored: vog.Run) -> None:
    _run(cli, "grid", "run", "--by", "vog@all", "--out", "grid.png", "--columns", "3")
    with Image.open(world / "grid.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or ()) > 100
    printed = _run(cli, "analyze", "run", "--score", "vog", "--out", "analysis", "--format", "json")
    assert "error" in printed
    assert json.loads((world / "analysis" / "analysis.json").read_text())


def test_port_gives_the_same_scores_without_tensorflow(world: Path, scored: vog.Run) -> None:
    """Its names are of `names_of`; TensorFlow cannot be imported in that process."""
    words = ("--model", f"{_PORT}:build", "--checkpoints", "c", "--names", "names.json")
    command = ("score", *words, *_DATA, *_FIRST, "--scores", "all", "--out", "torch", "--quiet")
    paths = os.pathsep.join(path for path in sys.path if path)
    result = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TENSORFLOW, *command],
        cwd=world,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    difference, column = worst_difference(scored, vog.open(world / "torch"))
    assert difference <= TOLERANCE, f"{column} differs by {difference:.1e}"


@pytest.mark.parametrize("transform", ["tf1", "imagenet"])
def test_our_transforms_give_colours_where_the_network_takes_them(
    cli: Cli, world: Path, transform: str
) -> None:
    """Nothing is said of the layout: 224 x 224 x 3 for TensorFlow, 3 x 224 x 224 for PyTorch.

    Of 3,136 positions behind the max pool, rounding decides some ReLUs; see `docs/reproduction.md`.
    """
    out, words = f"tf-{transform}", ("--transform", transform, "--scores", "vog,grad_norm,aum")
    _run(cli, "score", *_OURS, *_DATA, *words, "--out", out, "--quiet")
    port = ("--model", f"{_PORT}:build", "--checkpoints", "c", "--names", "names.json")
    _run(cli, "score", *port, *_DATA, *words, "--out", f"port-{out}", "--quiet")
    run, expected = vog.open(world / out), vog.open(world / f"port-{out}")
    for column in expected.score_columns:
        values = expected.table()[column].to_numpy()
        differences = np.abs(run.table()[column].to_numpy() - values) / np.abs(values).max()
        assert np.median(differences) <= 1e-6, column
        assert differences.max() <= 1e-3, column
    assert run.question["data"]["transform"].endswith(", colours last")
    assert "colours last" not in expected.question["data"]["transform"]
