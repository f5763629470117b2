"""Models that timm and torchvision have under a name, and LightningModules with their settings."""

import inspect
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

import pretrained
import vog
from vog.errors import CheckpointError, ModelError
from vog.models.load import model_of
from vog.models.options import ModelOptions


def saved(folder: Path, make: Any, count: int = 3) -> Path:
    folder.mkdir()
    for step in range(count):
        torch.manual_seed(step)
        torch.save({"state_dict": make().state_dict()}, folder / f"checkpoint-{step}.pth.tar")
    return folder


@pytest.mark.parametrize("spec", ["timm:resnet10t", "torchvision:resnet18"])
def test_the_model_of_that_name(spec: str, tmp_path: Path) -> None:
    library, _, name = spec.partition(":")

    def build() -> nn.Module:
        if library == "timm":
            return timm.create_model(name, pretrained=False, num_classes=4)
        return torchvision.models.get_model(name, weights=None, num_classes=4)

    folder, data = saved(tmp_path / "out", build), pretrained.images(6, 32)
    options: Any = {"scores": "vog,aum", "quiet": True}
    run = vog.score(spec, folder, data, tmp_path / "a", model_args={"num_classes": 4}, **options)
    expected = vog.score(build, folder, data, tmp_path / "b", **options)
    assert np.array_equal(run.table(["vog@all"])["vog@all"], expected.table(["vog@all"])["vog@all"])
    with pytest.raises(CheckpointError, match=r"\(4,\) in the file, \(1000,\) in the model"):
        vog.score(spec, folder, data, tmp_path / "c", **options)


def test_images_are_made_inputs_by_the_settings_of_timm(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=4)

    folder = saved(tmp_path / "out", build, 2)
    photographs = pretrained.save_image_folder(tmp_path / "data", count=8)
    options: Any = {"scores": "aum", "quiet": True, "model_args": {"num_classes": 4}}
    spec = "timm:test_resnet.r160_in1k"
    run = vog.score(spec, folder, photographs, tmp_path / "run", **options)
    assert run.question["data"]["transform"].startswith("timm 3x160x160 ")
    files = [photographs / name for name in run.table(["id"])["id"].to_pylist()]
    transform = timm.data.create_transform(
        **timm.data.resolve_model_data_config(build()), is_training=False
    )
    inputs = torch.stack([transform(Image.open(path).convert("RGB")) for path in files])
    labels = run.table(["label"])["label"].to_numpy()
    by_hand = vog.score(
        build, folder, (inputs.numpy(), labels), tmp_path / "b", scores="aum", quiet=True
    )
    expected = by_hand.table(["aum@all"])["aum@all"].to_numpy()
    assert np.allclose(run.table(["aum@all"])["aum@all"].to_numpy(), expected, atol=1e-5)
    again = vog.score(spec, folder, photographs, tmp_path / "run", transform=spec, **options)
    assert again.question["data"] == run.question["data"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:resnet18x", "timm has no model 'resnet18x'. Did you mean 'resnet18'"),
        ("torchvision:resnet18x", "torchvision has no model 'resnet18x'. Did you mean 'resnet18'"),
    ],
)
def test_a_name_that_is_unknown(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model_of(spec, ModelOptions())


def test_settings_that_a_model_does_not_take() -> None:
    with pytest.raises(ModelError, match=r"timm:resnet18'? cannot be built: TypeError: .*colour"):
        model_of("timm:resnet18", ModelOptions({"colour": 1}))


@pytest.mark.parametrize("spec", ["timm:create_model", "timm.models:resnet10t"])
def test_functions_of_timm_are_named_as_before(spec: str) -> None:
    args = {"model_name": "resnet10t"} if spec == "timm:create_model" else {}
    model: Any = model_of(spec, ModelOptions({**args, "num_classes": 4}))
    assert model.module.num_classes == 4


class Lit(lightning.LightningModule):
    """Settings without defaults, one with a default, and two that are objects."""

    def __init__(
        self, width: int, slope: float = 0.0, loss: Any = None, activation: type = nn.Tanh
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.slope = slope
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, width), activation())
        self.head = nn.Linear(width, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.head(self.net(inputs)), self.slope)


class NeedsAnObject(Lit):
    def __init__(self, width: int, loss: Any) -> None:
        super().__init__(width, loss=loss)


def save_lightning(folder: Path, module: Any, count: int = 3) -> Path:
    """Save what `ModelCheckpoint` does."""
    trainer = lightning.Trainer(
        logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False
    )
    trainer.strategy.connect(module)
    for step in range(count):
        pretrained.scatter(module, step)
        trainer.save_checkpoint(folder / f"epoch={step}-step={10 * step}.ckpt")
    trainer.save_checkpoint(folder / "last.ckpt")
    return folder


def test_a_lightning_module_has_the_settings_of_its_checkpoints(tmp_path: Path) -> None:
    """`slope` changes no shape, so that only the checkpoint tells that it was not the default."""
    folder = save_lightning(tmp_path / "out", Lit(7, slope=0.4))
    data = pretrained.images(8)
    options: Any = {"scores": "vog,aum", "quiet": True}
    run = vog.score(f"{inspect.getfile(Lit)}:Lit", folder, data, tmp_path / "a", **options)
    expected = vog.score(lambda: Lit(7, slope=0.4), folder, data, tmp_path / "b", **options)
    assert np.array_equal(run.table(["vog@all"])["vog@all"], expected.table(["vog@all"])["vog@all"])
    given = {"slope": 0.1}
    other = vog.score(Lit, folder, data, tmp_path / "c", model_args=given, **options)
    assert not np.allclose(other.table(["vog@all"])["vog@all"], run.table(["vog@all"])["vog@all"])


def test_a_setting_that_is_an_object(tmp_path: Path) -> None:
    folder = save_lightning(tmp_path / "out", NeedsAnObject(7, nn.CrossEntropyLoss()))
    expected = r"was built with loss, which .*step=20.ckpt holds as an object of .*CrossEntropyLoss"
    with pytest.raises(ModelError, match=expected):
        vog.score(NeedsAnObject, folder, pretrained.images(8), tmp_path / "run", quiet=True)


def test_an_object_that_is_not_the_default_is_not_replaced_by_it(tmp_path: Path) -> None:
    """Another activation would fit the same weights, and give other numbers."""
    folder = save_lightning(tmp_path / "out", Lit(7, activation=nn.ReLU, loss=nn.NLLLoss()))
    data = pretrained.images(8)
    with pytest.raises(ModelError, match="was built with loss, activation, which"):
        vog.score(Lit, folder, data, tmp_path / "run", quiet=True)
    with pytest.raises(ModelError, match="was built with activation, which .*activation.ReLU"):
        vog.score(Lit, folder, data, tmp_path / "run", model_args={"loss": None}, quiet=True)
    args = {"loss": None, "activation": nn.ReLU}
    options: Any = {"scores": "vog,aum", "quiet": True}
    run = vog.score(Lit, folder, data, tmp_path / "run", model_args=args, **options)
    given = vog.score(lambda: Lit(7, activation=nn.ReLU), folder, data, tmp_path / "b", **options)
    assert run.table(["vog@all"]).equals(given.table(["vog@all"]))
