"""Folders of transformers as checkpoints: which are taken, how they are read, what is refused."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pretrained
import vog
from command_line import Cli
from vog.errors import CheckpointError, ModelError
from vog.models.hugging_face import saved_folders
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.result import Run

SCORES = "vog,loss"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What Trainer leaves of a ViT, whose names in the file are not those of the module."""
    pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT"))
    return tmp_path / "out"


def scored(model: Any, checkpoints: Any, folder: Path, **options: Any) -> Run:
    data = pretrained.images(8)
    settings = {"scores": SCORES, "quiet": True, "overwrite": True} | options
    return vog.score(model, checkpoints, data, folder, **settings)


def column(run: Run) -> np.ndarray:
    return run.table(["vog@all"])["vog@all"].to_numpy()


def build() -> nn.Module:
    return pretrained.model("ViT")


class Wrapper(nn.Module):
    """A module of a user around a model of transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = build()

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images).logits


@pytest.mark.parametrize("model", [build, Wrapper, build()])
def test_a_module_of_the_user_reads_the_folders_too(model: Any, out: Path, tmp_path: Path) -> None:
    """Only `from_pretrained` knows that `attention.key` of the file is `k_proj` of the module."""
    run = scored(model, out, tmp_path / "a")
    assert np.array_equal(column(run), column(scored(f"hf:{out}", out, tmp_path / "b")))


def test_folders_name_their_model(out: Path, tmp_path: Path, cli: Cli) -> None:
    inputs, labels = pretrained.images(8)
    np.savez(tmp_path / "images.npz", inputs=inputs, labels=labels)
    words = ("--checkpoints", str(out), "--data", "images.npz", "--out", "a", "--scores", SCORES)
    code, _, err = cli("score", *words)
    assert code == 0, err
    assert "ViTForImageClassification of transformers" in err
    run = vog.open(tmp_path / "a")
    assert run.question["where"]["model"] == f"hf:{out}/checkpoint-30"
    assert np.array_equal(column(run), column(scored(build, out, tmp_path / "b")))


@pytest.mark.parametrize("spec", ["out", "out/checkpoint-*", "out/checkpoint-?0", "."])
def test_each_way_to_name_the_folders(
    spec: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = scored(None, spec, tmp_path / "run")
    steps = [checkpoint["step"] for checkpoint in run.question["checkpoints"]]
    assert steps == [10, 20, 30]


def test_the_last_model_beside_the_folders_is_no_further_step(out: Path, tmp_path: Path) -> None:
    """`trainer.save_model(out)` writes it there after training."""
    pretrained.model("ViT").save_pretrained(out)
    assert not saved_folders.is_checkpoint(out)
    assert len(scored(f"hf:{out}", out, tmp_path / "run").question["checkpoints"]) == 3


@pytest.mark.parametrize("options", [{"max_shard_size": "10KB"}])
def test_weights_in_several_files(options: Any, out: Path, tmp_path: Path) -> None:
    module = pretrained.model("ViT")
    shards = tmp_path / "shards"
    paths = pretrained.save_checkpoints(shards, module, **options)
    assert all((path / "model.safetensors.index.json").is_file() for path in paths)
    run = scored(f"hf:{shards}", shards, tmp_path / "a")
    assert np.array_equal(column(run), column(scored(f"hf:{out}", out, tmp_path / "b")))


def test_weights_of_torch_save(out: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    expected = column(scored(f"hf:{out}", out, tmp_path / "a"))
    for path in out.iterdir():
        torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
        (path / "model.safetensors").unlink()
    assert np.array_equal(column(scored(f"hf:{out}", out, tmp_path / "b")), expected)


def test_a_run_goes_on_after_its_folders_have_moved(out: Path, tmp_path: Path) -> None:
    run = scored(None, out, tmp_path / "run")
    out.rename(tmp_path / "moved")
    again = scored(None, tmp_path / "moved", tmp_path / "run", overwrite=False)
    assert np.array_equal(column(run), column(again))


def test_settings_of_the_configuration_can_be_given(out: Path) -> None:
    options = ModelOptions({"hidden_act": "relu"})
    model: Any = model_of(f"hf:{out}", options)
    assert model.module.config.hidden_act == "relu"


def edited(path: Path, **changes: Any) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


def test_another_configuration_with_the_same_shapes(out: Path, tmp_path: Path) -> None:
    """The weights would fit, and every number would be wrong."""
    edited(out / "checkpoint-20", hidden_act="relu", hidden_dropout_prob=0.3)
    expected = r"checkpoint-20 has another configuration.*: hidden_act: 'relu', not 'gelu'\. All"
    with pytest.raises(CheckpointError, match=expected):
        scored(f"hf:{out}", out, tmp_path / "run")


@pytest.mark.parametrize("where", ["checkpoint-10", "checkpoint-30"])
def test_code_that_came_with_the_weights_is_not_run(where: str, out: Path, tmp_path: Path) -> None:
    edited(out / where, auto_map={"AutoModelForImageClassification": "mine.Model"})
    (out / where / "mine.py").write_text("raise SystemExit('executed')")
    with pytest.raises(CheckpointError, match=r"Python code of its own.*trust_remote_code=True"):
        scored(f"hf:{out}", out, tmp_path / "run")


def test_quantized_weights(out: Path, tmp_path: Path) -> None:
    edited(out / "checkpoint-20", quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(CheckpointError, match="checkpoint-20 holds quantized weights"):
        scored(f"hf:{out}", out, tmp_path / "run")


def changed_file(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(path / "model.safetensors")
    change(weights)
    save_file(weights, path / "model.safetensors", {"format": "pt"})


def test_a_file_with_other_tensors_than_the_model(out: Path, tmp_path: Path) -> None:
    def change(weights: dict[str, Tensor]) -> None:
        weights["classifier.weight"] = torch.zeros(7, 24)
        weights["extra.weight"] = weights.pop("classifier.bias")

    changed_file(out / "checkpoint-20", change)
    with pytest.raises(CheckpointError) as caught:
        scored(f"hf:{out}", out, tmp_path / "run")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"checkpoint {out}/checkpoint-20 does not fit the model"
    assert lines[1] == "  only in the file:  extra.weight"
    assert lines[2] == "  only in the model: classifier.bias"
    assert lines[3] == "  classifier.weight: (7, 24) in the file, (4, 24) in the model"


def test_a_damaged_file(out: Path, tmp_path: Path) -> None:
    (out / "checkpoint-20" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="checkpoint-20 cannot be read by transformers"):
        scored(f"hf:{out}", out, tmp_path / "run")


@pytest.mark.parametrize("name", ["google/vit-base-patch16-224", "nowhere"])
def test_nothing_is_downloaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ModelError, match=r"no folder of that name.*Nothing is downloaded"):
        model_of(f"hf:{name}", ModelOptions())


def test_no_socket_is_opened_for_a_folder(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for path in out.iterdir():
        pretrained.image_processor().save_pretrained(path)
    assert len(column(scored(None, out, tmp_path / "run"))) == 8


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config.json, and neither has a checkpoint-N"):
        model_of(f"hf:{tmp_path}", ModelOptions())


def test_checkpoints_that_name_no_model(checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^model is missing, and .*step-100.pt does not say"):
        scored(None, checkpoints, tmp_path / "run")


def test_a_class_that_transformers_does_not_have(out: Path) -> None:
    edited(out / "checkpoint-30", architectures=["MyOwnModel"])
    with pytest.raises(ModelError, match="names the class MyOwnModel, which transformers"):
        model_of(f"hf:{out}", ModelOptions())


def test_a_configuration_without_a_class(out: Path) -> None:
    edited(out / "checkpoint-30", architectures=None)
    model: Any = model_of(f"hf:{out}", ModelOptions())
    assert type(model.module).__name__ == "ViTForImageClassification"
