"""Models of transformers score as each checkpoint does that `from_pretrained` loads."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import pretrained
import vog
from vog.data.inputs import NamedTensors
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.models.torch.adapter import TorchModel

TOLERANCE = 1e-5


def relative(values: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def plain_columns(
    name: str, paths: list[Path], inputs: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """VoG and the mean loss as a user of transformers would compute them."""
    model_class = getattr(transformers, f"{name}ForImageClassification")
    gradients, losses = [], []
    for path in paths:
        module = model_class.from_pretrained(path).eval()
        images = torch.from_numpy(inputs).requires_grad_()
        numbers = torch.from_numpy(labels)
        logits = module(pixel_values=images).logits
        losses.append(torch.nn.functional.cross_entropy(logits, numbers, reduction="none"))
        logits.gather(1, numbers[:, None]).sum().backward()
        assert images.grad is not None
        gradients.append(images.grad.mean(dim=1))
    return {
        "vog@all": torch.stack(gradients).std(dim=0, unbiased=False).mean(dim=(1, 2)).numpy(),
        "loss@all": torch.stack(losses).mean(dim=0).detach().numpy(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", pretrained.VISION)
def test_images_score_as_from_pretrained(name: str, tmp_path: Path) -> None:
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model(name))
    inputs, labels = pretrained.images(8)
    run = vog.score(
        f"hf:{tmp_path / 'out'}",
        tmp_path / "out",
        (inputs, labels),
        tmp_path / "run",
        scores="vog,loss",
        quiet=True,
    )
    for column, expected in plain_columns(name, paths, inputs, labels).items():
        assert relative(run.table([column])[column].to_numpy(), expected) < TOLERANCE, column


@pytest.mark.slow
@pytest.mark.parametrize("name", pretrained.TEXT)
def test_texts_have_the_logits_of_from_pretrained(name: str, tmp_path: Path) -> None:
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model(name))
    model_class = getattr(transformers, f"{name}ForSequenceClassification")
    tokens = torch.randint(2, 20, (4, 6), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    model = model_of(f"hf:{tmp_path / 'out'}", ModelOptions())
    assert isinstance(model, TorchModel)
    for path in paths:
        with model.evaluation_mode(), torch.no_grad():
            weights = model.ready(model.read(path))
            logits = model.forward(weights, NamedTensors(inputs))[0].detach().numpy()
            expected = model_class.from_pretrained(path).eval()(**inputs).logits.numpy()
        assert relative(logits, expected) < TOLERANCE
