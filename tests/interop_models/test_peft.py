"""Adapters of PEFT score as `PeftModel.from_pretrained` of each checkpoint does."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers

import pretrained
import vog
from vog.errors import CheckpointError, ModelError
from vog.models.load import model_of
from vog.models.options import ModelOptions

SETTINGS: dict[str, Any] = {
    "r": 2,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "v_proj"],
    "modules_to_save": ["classifier"],
}


def save_adapters(
    folder: Path, base: Any, count: int = 3, name: str = "", **settings: Any
) -> list[Path]:
    """Save what Trainer does of a model with LoRA; the base is saved beside it, without a head."""
    config = peft.LoraConfig(**(SETTINGS | settings))
    module = peft.get_peft_model(base, config)
    module.peft_config["default"].base_model_name_or_path = name or str(folder.parent / "base")
    paths = []
    for step in range(count):
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for value in module.parameters():
                if value.requires_grad:
                    value.add_(torch.randn(value.shape, generator=generator), alpha=0.2)
        paths.append(folder / f"checkpoint-{step + 1}")
        module.save_pretrained(str(paths[-1]))
    return paths


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    base = pretrained.model("ViT")
    base.save_pretrained(tmp_path / "base")
    save_adapters(tmp_path / "out", base)
    return tmp_path / "out"


def base_of(adapters: Path) -> Any:
    return transformers.ViTForImageClassification.from_pretrained(adapters.parent / "base")


def by_hand(adapters: Path) -> np.ndarray:
    inputs, labels = pretrained.images(8)
    gradients = []
    for path in sorted(adapters.iterdir()):
        module = peft.PeftModel.from_pretrained(base_of(adapters), str(path)).eval()
        images = torch.from_numpy(inputs).requires_grad_()
        module(images).logits.gather(1, torch.from_numpy(labels)[:, None]).sum().backward()
        assert images.grad is not None
        gradients.append(images.grad.mean(dim=1))
    return torch.stack(gradients).std(dim=0, unbiased=False).mean(dim=(1, 2)).numpy()


def scored(model: Any, adapters: Path, out: Path, **options: Any) -> Any:
    settings = {"scores": "vog,aum", "quiet": True} | options
    return vog.score(model, adapters, pretrained.images(8), out, **settings)


MODELS: dict[str, Callable[[Path], Any]] = {
    "none": lambda adapters: None,
    "by its folder": lambda adapters: f"hf:{adapters}",
    "a function that returns the base": lambda adapters: lambda: base_of(adapters),
    "the base": base_of,
    "a function that returns both": lambda adapters: (
        lambda: peft.get_peft_model(base_of(adapters), peft.LoraConfig(**SETTINGS))
    ),
    "both": lambda adapters: peft.get_peft_model(base_of(adapters), peft.LoraConfig(**SETTINGS)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_each_way_to_give_the_model(kind: str, adapters: Path, tmp_path: Path) -> None:
    run = scored(MODELS[kind](adapters), adapters, tmp_path / "run")
    expected = by_hand(adapters)
    difference = np.abs(run.table(["vog@all"])["vog@all"].to_numpy() - expected)
    assert difference.max() < 1e-5 * expected.max()


@pytest.mark.parametrize(
    "settings", [{"use_rslora": True}, {"use_dora": True}, {"bias": "lora_only", "r": 3}]
)
def test_other_kinds_of_adapters(settings: dict[str, Any], tmp_path: Path) -> None:
    base = pretrained.model("ViT")
    base.save_pretrained(tmp_path / "base")
    save_adapters(tmp_path / "out", base, **settings)
    run = scored(None, tmp_path / "out", tmp_path / "run")
    expected = by_hand(tmp_path / "out")
    difference = np.abs(run.table(["vog@all"])["vog@all"].to_numpy() - expected)
    assert difference.max() < 1e-5 * expected.max()


def test_a_base_without_a_head(tmp_path: Path) -> None:
    """The adapter brings the head, and its size; it is made anew for each base that is loaded."""
    transformers.ViTModel(pretrained.model("ViT").config).save_pretrained(tmp_path / "base")
    base = transformers.ViTForImageClassification.from_pretrained(tmp_path / "base", num_labels=4)
    save_adapters(tmp_path / "out", base)
    first = scored(None, tmp_path / "out", tmp_path / "run")
    again = scored(f"hf:{tmp_path / 'out'}", tmp_path / "out", tmp_path / "run")
    assert again.question["checkpoints"] == first.question["checkpoints"]


def test_a_base_that_lacks_what_the_adapter_does_not_bring(tmp_path: Path) -> None:
    transformers.ViTModel(pretrained.model("ViT").config).save_pretrained(tmp_path / "base")
    base = transformers.ViTForImageClassification.from_pretrained(tmp_path / "base", num_labels=4)
    save_adapters(tmp_path / "out", base, modules_to_save=None)
    with pytest.raises(ModelError, match=r"has no weights for classifier.bias, classifier.weight"):
        scored(None, tmp_path / "out", tmp_path / "run")


def test_another_base_is_another_question(adapters: Path, tmp_path: Path) -> None:
    scored(None, adapters, tmp_path / "run")
    other = base_of(adapters)
    pretrained.scatter(other, 9)
    other.save_pretrained(adapters.parent / "base")
    with pytest.raises(vog.VogError, match=r"checkpoints\[0\].sha256"):
        scored(None, adapters, tmp_path / "run")


@pytest.mark.parametrize("name", ["nowhere/at-all", ""])
def test_a_base_that_is_not_here(name: str, tmp_path: Path) -> None:
    save_adapters(tmp_path / "out", pretrained.model("ViT"), name=name or "gone")
    with pytest.raises(ModelError, match=r"the base model '[\w/-]+' .*Nothing is downloaded"):
        scored(None, tmp_path / "out", tmp_path / "run")


def test_an_adapter_of_another_strength(adapters: Path, tmp_path: Path) -> None:
    """Its tensors have the same shapes."""
    path = adapters / "checkpoint-2" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_alpha": 2}))
    with pytest.raises(CheckpointError, match=r"checkpoint-2 has another adapter.*alpha: 2, not 8"):
        scored(None, adapters, tmp_path / "run")


def test_an_adapter_that_lacks_a_tensor(adapters: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = adapters / "checkpoint-2" / "adapter_model.safetensors"
    weights = load_file(path)
    del weights["base_model.model.classifier.bias"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match="only in the model: base_model.model.classifier.bia"):
        scored(None, adapters, tmp_path / "run")


def test_the_base_is_held_once(adapters: Path) -> None:
    options = ModelOptions(checkpoints=(adapters,))
    model = model_of(f"hf:{adapters}", options)
    weights = [model.ready(model.read(path)) for path in sorted(adapters.iterdir())]
    name = "base_model.model.vit.layers.0.attention.q_proj.base_layer.weight"
    assert weights[0][name] is weights[2][name]
    base = sum(value.nbytes for value in base_of(adapters).parameters())
    assert model.nbytes(weights[0]) < 0.2 * base


_PEAK = """
import resource, sys
import pretrained, vog
vog.score(None, sys.argv[1:], pretrained.images(8, 16), {out!r}, scores="vog", quiet=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_ten_adapters_take_hardly_more_memory_than_two(tmp_path: Path) -> None:
    base = pretrained.model("ViT", hidden_size=384, intermediate_size=1536, num_hidden_layers=8)
    base.save_pretrained(tmp_path / "base")
    paths = save_adapters(tmp_path / "out", base, 10)

    def peak(count: int) -> int:
        script = _PEAK.format(out=str(tmp_path / f"run-{count}"))
        words = [sys.executable, "-c", script, *map(str, paths[:count])]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    assert peak(10) < 1.2 * peak(2)
