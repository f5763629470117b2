"""What holds for the adapter of every framework: the numbers are those of PyTorch, and the rest.

A test file of a framework makes a class that inherits `AdapterContract`, with a fixture `subject`:
the network of `small_resnet` in the framework, and how its checkpoints are saved. Each test then
runs for it.
"""

import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kills
import small_resnet
import vog
from command_line import Cli
from process_pool import PoolExecutor
from small_resnet import CLASSES, Arrays
from vog.errors import CheckpointError, DataError, ModelError
from vog.gradients.store import prepare_storing, store
from vog.inspection.inspector import inspector
from vog.scores import SCORES
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

TOLERANCE = 1e-5  # of the largest value of a column
_LAST_LAYER = {"grand"}  # scores that need it
_TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Subject:
    """The small network in a framework.

    Attributes:
        model: what a user gives as the model.
        save: writes checkpoints, the arrays of each step by the names of PyTorch, into a folder.
        channels_last: the network takes images of height x width x colours.
        has_last_layer: its last layer can be found.
        reads: what a user gives as `read`; None where the adapter reads the checkpoints.
        computes_with_torch: PyTorch does the computing.
        says_layout: the model says which axis is that of colours; otherwise a user must.
    """

    model: str
    save: Callable[[Mapping[int, Arrays], Path], object]
    channels_last: bool
    has_last_layer: bool = True
    reads: str | None = None
    computes_with_torch: bool = False
    says_layout: bool = True

    def options(self, folder: Path) -> dict[str, Any]:
        """Return the arguments that name the model, its checkpoints in a folder, and the data."""
        if not folder.exists():
            self.save(small_resnet.weights(), folder)
        return {
            "model": self.model,
            "checkpoints": folder,
            "data": small_resnet.data(self.channels_last),
            "quiet": True,
            **({} if self.reads is None else {"read": self.reads}),
        }


def user_target(logits: Any, labels: Any) -> Any:
    """A target function of a user: of tensors of PyTorch, whatever the framework."""
    rows = range(len(labels))
    return logits[rows, labels].square() + logits.logsumexp(dim=1)


@functools.cache
def _torch_checkpoints() -> Path:
    return small_resnet.save_torch(Path(tempfile.mkdtemp(prefix="vog-contract-")) / "torch")


def torch_options() -> dict[str, Any]:
    """Return the arguments that name the network in PyTorch."""
    return {
        "model": small_resnet.build,
        "checkpoints": _torch_checkpoints(),
        "data": small_resnet.data(),
        "quiet": True,
    }


def worst_difference(run: vog.Run, expected: vog.Run) -> tuple[float, str]:
    """Return the largest difference of a score, relative to its column, and the name of it."""
    table, expected_table = run.table(), expected.table()
    assert table["id"].equals(expected_table["id"])
    worst = (0.0, "")
    for column in run.score_columns:
        values, others = table[column].to_numpy(), expected_table[column].to_numpy()
        finite = np.isfinite(others)
        assert finite.any(), column
        assert np.array_equal(finite, np.isfinite(values)), column
        largest = np.abs(others[finite]).max()
        difference = np.abs(values[finite] - others[finite]).max()
        worst = max(worst, (float(difference / max(largest, 1e-30)), column))
    return worst


def assert_equal_runs(run: vog.Run, expected: vog.Run) -> None:
    difference, column = worst_difference(run, expected)
    assert difference <= TOLERANCE, f"{column} differs by {difference:.1e}"


def jpeg_list(folder: Path) -> Path:
    """Write JPEG files of 16 x 16 pixels and a list of them, and return its path."""
    rng = np.random.default_rng(2)
    lines = []
    for row in range(9):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{row}.jpg", quality=95)
        lines.append(f"{row}.jpg {row % CLASSES}\n")
    (folder / "list.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "list.txt"


class AdapterContract:
    """The tests; a class that inherits them has the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError("a class of a framework has this fixture")

    def test_every_score_is_that_of_torch(self, subject: Subject, tmp_path: Path) -> None:
        run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", scores="all")
        expected = vog.score(**torch_options(), out=tmp_path / "torch", scores="all")
        left_out = set() if subject.has_last_layer else _LAST_LAYER
        assert {c.partition("@")[0] for c in run.score_columns} == set(SCORES) - left_out
        assert_equal_runs(run, expected)
        assert ("torch" in run.question) == subject.computes_with_torch
        assert run.question["versions"]

    def test_features_are_those_of_torch(self, subject: Subject, tmp_path: Path) -> None:
        run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", scores="aum")
        if not subject.has_last_layer:
            assert "features" not in run.question
            return
        expected = vog.score(**torch_options(), out=tmp_path / "torch", scores="aum")
        values, others = (
            np.array(r.table(["features"])["features"].to_pylist(), np.float32)
            for r in (run, expected)
        )
        np.testing.assert_allclose(values, others, atol=2e-3 * np.abs(others).max())  # of float16

    @pytest.mark.parametrize(
        "target", ["logit", "probability", "loss", "predicted", user_target], ids=str
    )
    def test_every_target_is_that_of_torch(
        self, subject: Subject, tmp_path: Path, target: Any
    ) -> None:
        words: dict[str, Any] = {"target": target, "scores": "vog,grad_norm"}
        run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", **words)
        assert_equal_runs(run, vog.score(**torch_options(), out=tmp_path / "torch", **words))

    def test_colours_as_pixels(self, subject: Subject, tmp_path: Path) -> None:
        words: dict[str, Any] = {"channels": "keep", "scores": "vog"}
        run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", **words)
        assert_equal_runs(run, vog.score(**torch_options(), out=tmp_path / "torch", **words))

    @pytest.mark.parametrize("size", [1, 4, 23, 64])
    def test_the_batch_size_does_not_count(
        self, subject: Subject, tmp_path: Path, size: int
    ) -> None:
        """Also one that does not divide the rows, and one that is larger."""
        options = subject.options(tmp_path / "c")
        run = vog.score(**options, out=tmp_path / "run", scores="all", batch_size=size)
        assert_equal_runs(run, vog.score(**torch_options(), out=tmp_path / "torch", scores="all"))

    def test_weights_that_are_read_for_each_block(self, subject: Subject, tmp_path: Path) -> None:
        subject.save(small_resnet.weights(range(100, 900, 100)), tmp_path / "c")
        words: dict[str, Any] = {
            **subject.options(tmp_path / "c"),
            "scores": "vog,grad_norm",
            "batch_size": 8,
        }
        held = vog.score(**words, out=tmp_path / "held")
        job = prepare(Request(**words, out=tmp_path / "streamed", memory="10kB"))
        assert not job.memory_plan.hold
        sweep(job)
        assert vog.open(tmp_path / "streamed").table().equals(held.table())

    def test_the_command_line(
        self,
        subject: Subject,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        options = subject.options(tmp_path / "c")
        np.savez(tmp_path / "data.npz", inputs=options["data"][0], labels=options["data"][1])
        read = [] if subject.reads is None else ["--read", subject.reads]
        status, _, errors = Cli(capsys, monkeypatch)(
            *("score", "--model", subject.model, "--checkpoints", str(options["checkpoints"])),
            *("--data", str(tmp_path / "data.npz"), "--out", str(tmp_path / "run"), *read),
            *("--scores", "vog"),
        )
        assert status == 0, errors
        expected = vog.score(**torch_options(), out=tmp_path / "torch", scores="vog")
        difference, _ = worst_difference(vog.open(tmp_path / "run"), expected)
        assert difference <= TOLERANCE

    def test_stored_gradients_are_those_of_torch(self, subject: Subject, tmp_path: Path) -> None:
        store(prepare_storing(Request(**subject.options(tmp_path / "c"), out=tmp_path / "run")))
        store(prepare_storing(Request(**torch_options(), out=tmp_path / "torch")))
        names = sorted(p.relative_to(tmp_path / "torch") for p in tmp_path.glob("torch/*/grad_*"))
        assert len(names) == small_resnet.ROWS * len(small_resnet.STEPS)
        for name in names:
            gradient, expected = (np.load(tmp_path / run / name) for run in ("run", "torch"))
            assert np.abs(gradient - expected).max() <= TOLERANCE * np.abs(expected).max()

    def test_image_files(self, subject: Subject, tmp_path: Path) -> None:
        """Colours are where the network takes them, without a transform of the user's own."""
        files: dict[str, Any] = {"data": jpeg_list(tmp_path), "transform": "none"}
        given = {} if subject.says_layout else {"layout": "channels-last"}
        options = {**subject.options(tmp_path / "c"), **files, **given}
        plain = {**torch_options(), **files}
        run = vog.score(**options, out=tmp_path / "run", scores="vog,grad_norm,aum")
        expected = vog.score(**plain, out=tmp_path / "torch", scores="vog,grad_norm,aum")
        assert_equal_runs(run, expected)
        transform = run.question["data"]["transform"]
        assert transform.endswith(", colours last") == subject.channels_last
        store(prepare_storing(Request(**options, out=tmp_path / "stored")))
        store(prepare_storing(Request(**plain, out=tmp_path / "torch-stored")))
        names = [path.name for path in tmp_path.glob("torch-stored/weight_00100/grad_*")]
        assert len(names) == len(run.table())
        for name in names:
            gradient, values = (
                np.load(tmp_path / folder / "weight_00100" / name)
                for folder in ("stored", "torch-stored")
            )
            assert np.abs(gradient - values).max() <= TOLERANCE * np.abs(values).max()
        shown = inspector(run, model=subject.model, read=subject.reads)(3)
        others = inspector(expected, model=plain["model"])(3)
        assert shown.differs == ()
        np.testing.assert_allclose(shown.spread, others.spread, rtol=1e-4, atol=1e-6)

    def test_maps_of_an_example(self, subject: Subject, tmp_path: Path) -> None:
        options, plain = subject.options(tmp_path / "c"), torch_options()
        run = vog.score(**options, out=tmp_path / "run", scores="vog")
        expected = vog.score(**plain, out=tmp_path / "torch", scores="vog")
        shown = inspector(run, model=subject.model, data=options["data"], read=subject.reads)(3)
        others = inspector(expected, model=plain["model"], data=plain["data"])(3)
        assert shown.vog == pytest.approx(run.values("vog@all")[3], rel=1e-5)
        assert shown.differs == ()
        for name in ("gradients", "spread", "confidence", "margin"):
            np.testing.assert_allclose(
                getattr(shown, name), getattr(others, name), rtol=1e-4, atol=1e-6, err_msg=name
            )

    def test_other_processes_write_the_same(self, subject: Subject, tmp_path: Path) -> None:
        words: dict[str, Any] = {"scores": "vog,grad_norm", "batch_size": 4, "rows_per_part": 8}
        request = {**subject.options(tmp_path / "c"), **words}
        alone = vog.score(**request, out=tmp_path / "alone")
        sweep(prepare(Request(**request, out=tmp_path / "pool")), PoolExecutor())
        assert vog.open(tmp_path / "pool").table().equals(alone.table())

    def test_kills_end_in_the_same_table(self, subject: Subject, tmp_path: Path) -> None:
        subject.options(tmp_path / "c")
        script = _SCORE_SLOWLY.format(
            model=subject.model, channels_last=subject.channels_last, read=subject.reads
        )
        first = kills.finish(tmp_path / "c", tmp_path / "whole", script)
        kills.killed_often(
            tmp_path / "c", tmp_path / "whole", first, tmp_path / "killed", 4, script
        )

    def test_memory_does_not_grow(self, subject: Subject, tmp_path: Path) -> None:
        """With rows, and with checkpoints, whose weights are 30 kB each."""
        few, many = tmp_path / "few", tmp_path / "many"
        subject.save(small_resnet.weights(), few)
        subject.save(small_resnet.weights(range(100, 2500, 100)), many)
        script = _MEASURE.format(
            model=subject.model, channels_last=subject.channels_last, read=subject.reads
        )
        measured = [
            _printed(script, folder, rows, tmp_path / f"{folder.name}-{rows}")
            for folder, rows in ((few, 200), (few, 4000), (many, 200))
        ]
        assert measured[1] - measured[0] < 48, f"{measured} MB: it grows with rows"
        assert measured[2] - measured[0] < 48, f"{measured} MB: it grows with checkpoints"

    def test_errors_of_the_caller_are_its_own(self, subject: Subject, tmp_path: Path) -> None:
        """What goes wrong while outputs are used is not taken for an error of the model."""
        options = subject.options(tmp_path / "c")
        job = prepare(Request(**options, out=tmp_path / "run"))
        model = job.model
        weights = model.ready(model.read(job.files[0].path))
        placed = model.place(torch.from_numpy(options["data"][0][:4]))
        for differentiate in (False, True):
            with (
                model.evaluation_mode(),
                pytest.raises(ZeroDivisionError),
                model.observe(weights, placed, differentiate),
            ):
                raise ZeroDivisionError

    def test_what_is_refused(self, subject: Subject, tmp_path: Path) -> None:
        weights = small_resnet.weights()
        weights[200]["stem.conv.weight"][0, 0, 0, 0] = np.nan
        subject.save(weights, tmp_path / "nan")
        options = subject.options(tmp_path / "c")
        images, labels = options["data"]
        out = tmp_path / "run"
        with pytest.raises(CheckpointError, match="200.*NaN or infinite values in"):
            vog.score(**{**options, "checkpoints": tmp_path / "nan"}, out=out)
        with pytest.raises(DataError, match="int64; expected floats"):
            vog.score(**{**options, "data": (images.astype(np.int64), labels)}, out=out)
        with pytest.raises(ModelError, match=r"cannot take a batch of shape \(\d+, 5\)"):
            vog.score(**{**options, "data": (images[:, 0, 0, :1].repeat(5, 1), labels)}, out=out)
        with pytest.raises(vog.VogError, match=f"outside the model's classes 0 to {CLASSES - 1}"):
            vog.score(**{**options, "data": (images, labels + 1)}, out=out)
        assert not out.exists()


def _printed(script: str, *words: object) -> float:
    command = [sys.executable, "-c", script, str(_TESTS), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[-1])


_SCORE_SLOWLY = """
import sys, time
sys.path.insert(0, sys.argv[1])
import torch, small_resnet, vog
from vog.sweep import part_grid
torch.set_num_threads(1)
part_grid.PART_SECONDS = 0.05

class Slow(torch.utils.data.Dataset):
    def __init__(self):
        self.inputs, self.targets = small_resnet.data({channels_last}, 300)
    def __len__(self):
        return len(self.targets)
    def __getitem__(self, row):
        time.sleep(0.01)
        return self.inputs[row], self.targets[row]

print("started", flush=True)
vog.score({model!r}, sys.argv[2], Slow(), sys.argv[3], scores="all", batch_size=4, quiet=True,
          workers=0, read={read!r})
print("finished", flush=True)
"""

_MEASURE = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch, small_resnet, vog
torch.set_num_threads(1)
data = small_resnet.data({channels_last}, 4000)
rows = int(sys.argv[3])
vog.score({model!r}, sys.argv[2], tuple(part[:rows] for part in data), sys.argv[4], scores="all",
          batch_size=16, quiet=True, read={read!r})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
