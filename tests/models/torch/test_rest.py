"""Frozen parts that checkpoints lack are taken from the model as it was built."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
from command_line import Cli
from vog.errors import CheckpointError, DifferentQuestionError
from vog.inspection.inspector import inspector
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.models.torch.adapter import TorchModel
from vog.result import Run

SCALES = {"a": 1.0, "b": 2.0}


class OnBackbone(nn.Module):
    """A head that is trained, on a backbone that is not and has batch norm."""

    def __init__(self, backbone: str = "a") -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            norm = nn.BatchNorm2d(6)
            self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3), norm, nn.Flatten())
            self.head = nn.Linear(6 * 4 * 4, 4)
        assert norm.running_mean is not None
        norm.running_mean.add_(SCALES[backbone])
        self.backbone.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.backbone(inputs).tanh())


class Unfrozen(OnBackbone):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(True)


def whole_states(count: int = 3) -> list[dict[str, Tensor]]:
    states = []
    for seed in range(count):
        state = OnBackbone().state_dict()
        state["head.weight"] = torch.randn(4, 96, generator=torch.Generator().manual_seed(seed))
        states.append(state)
    return states


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    """Checkpoints with what was trained alone."""
    (tmp_path / "heads").mkdir()
    for step, state in enumerate(whole_states()):
        head = {key: value for key, value in state.items() if key.startswith("head")}
        torch.save(head, tmp_path / "heads" / f"step-{step}.pt")
    return tmp_path / "heads"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "whole").mkdir()
    for step, state in enumerate(whole_states()):
        torch.save(state, tmp_path / "whole" / f"step-{step}.pt")
    return tmp_path / "whole"


def data() -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(0).normal(size=(10, 3, 6, 6)).astype(np.float32)
    return inputs, np.arange(10) % 4


def scored(checkpoints: Path, out: Path, model: Any = OnBackbone, **options: Any) -> Run:
    settings = {"scores": "vog,aum", "quiet": True, "rest_from_model": True} | options
    return vog.score(model, checkpoints, data(), out, **settings)


def column(run: Run, name: str = "vog@all") -> np.ndarray:
    return run.table([name])[name].to_numpy()


@pytest.mark.parametrize("model", [OnBackbone, OnBackbone()])
def test_it_scores_as_whole_files_do(model: Any, heads: Path, whole: Path, tmp_path: Path) -> None:
    run = scored(heads, tmp_path / "a", model)
    expected = scored(whole, tmp_path / "b", rest_from_model=False)
    for name in ("vog@all", "aum@all"):
        assert np.allclose(column(run, name), column(expected, name), rtol=1e-5)


def test_without_the_option_the_message_names_it(heads: Path, tmp_path: Path) -> None:
    expected = r"only in the model: backbone.0.weight.*\n.*rest_from_model=True takes it from"
    with pytest.raises(CheckpointError, match=expected):
        scored(heads, tmp_path / "run", rest_from_model=False)


def test_what_is_trained_has_to_be_in_the_file(heads: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"only in the model: backbone.0.weight \(6, 3, 3, 3"):
        scored(heads, tmp_path / "run", Unfrozen)
    torch.save({"head.weight": torch.zeros(4, 96)}, heads / "step-1.pt")
    with pytest.raises(CheckpointError, match=r"only in the model: head.bias \(4,\)"):
        scored(heads, tmp_path / "run")


def test_another_backbone_is_another_question(heads: Path, tmp_path: Path) -> None:
    run = scored(heads, tmp_path / "run")
    assert run.question["rest_from_model"] is True
    assert np.array_equal(column(scored(heads, tmp_path / "run")), column(run))
    with pytest.raises(DifferentQuestionError, match=r"checkpoints\[0\].sha256"):
        scored(heads, tmp_path / "run", model_args={"backbone": "b"})


def test_the_plan_names_what_is_taken(heads: Path, tmp_path: Path, cli: Cli) -> None:
    inputs, labels = data()
    np.savez(tmp_path / "images.npz", inputs=inputs, labels=labels)
    words = ("--checkpoints", str(heads), "--data", "images.npz", "--out", "r", "--dry-run")
    code, out, err = cli("score", "--model", f"{__file__}:OnBackbone", "--rest-from-model", *words)
    assert code == 0, err
    assert "7 tensors that are not in the file and not trained: backbone.0.bias" in out + err


@pytest.mark.parametrize("prefix", ["module.", "model."])
def test_prefixes_of_wrappers(prefix: str, heads: Path, tmp_path: Path) -> None:
    expected = column(scored(heads, tmp_path / "a"))
    for path in heads.iterdir():
        state = torch.load(path, weights_only=True)
        named = {f"{prefix}{key}": value for key, value in state.items()}
        torch.save(named | {"loss.weight": torch.ones(4)}, path)
    assert np.array_equal(column(scored(heads, tmp_path / "b")), expected)


def test_a_file_that_has_all_changes_no_other(heads: Path, whole: Path, tmp_path: Path) -> None:
    """What a file says of the backbone holds for that file alone."""
    mixed = torch.load(whole / "step-1.pt", weights_only=True)
    mixed["backbone.1.running_mean"] += 3
    expected = scored(heads, tmp_path / "a")
    torch.save(mixed, heads / "step-1.pt")
    run = scored(heads, tmp_path / "b")
    assert not np.allclose(column(run), column(expected))
    digests = [entry["sha256"] for entry in run.question["checkpoints"]]
    before = [entry["sha256"] for entry in expected.question["checkpoints"]]
    assert [new == old for new, old in zip(digests, before, strict=True)] == [True, False, True]


def test_an_example_is_inspected(heads: Path, tmp_path: Path) -> None:
    run = scored(heads, tmp_path / "run", model=f"{__file__}:OnBackbone")
    inspection = inspector(run, data=data())(2)
    assert inspection.vog == pytest.approx(float(column(run)[2]), rel=1e-5)


def test_checkpoints_share_what_they_lack(heads: Path) -> None:
    model = model_of(OnBackbone, ModelOptions(rest=True))
    paths = sorted(heads.iterdir())
    first, second = (model.ready(model.read(path)) for path in paths[:2])
    assert first["backbone.0.weight"] is second["backbone.0.weight"]
    assert model.nbytes(first) == (4 * 96 + 4) * 4


def test_another_process_has_the_rest(heads: Path) -> None:
    """Weights that every checkpoint brings are not sent, and these are in none."""
    model = model_of(OnBackbone, ModelOptions(rest=True))
    assert isinstance(model, TorchModel)
    received = pickle.loads(pickle.dumps(model))
    path = heads / "step-0.pt"
    assert received.digest(received.read(path)) == model.digest(model.read(path))
    weights = received.ready(received.read(path))
    assert torch.equal(weights["backbone.0.weight"], OnBackbone().state_dict()["backbone.0.weight"])
