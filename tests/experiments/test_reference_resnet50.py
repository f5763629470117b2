"""The port of the reference's ResNet-50: names, padding, and scores of weights under its names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import vog
from reference_resnet50 import ResNet, build, max_pool, names_of

# The stem, three a block, and the projections of four stages.
CONVOLUTIONS = 1 + 3 * (3 + 4 + 6 + 3) + 4


def small() -> ResNet:
    """The same network with two blocks, of which the second has a stride."""
    return ResNet((1, 1), 4, 3)


def _to(entry: object) -> str:
    return entry["to"] if isinstance(entry, dict) else str(entry)


def _permute(entry: dict[str, Any]) -> list[int]:
    return entry["permute"]


def test_names_are_those_of_every_weight_once() -> None:
    module = build()
    names = names_of(module, "resnet_model/")
    weights = {n for n in module.state_dict() if not n.endswith("num_batches_tracked")}
    assert len(names) == len(weights)
    assert {_to(entry) for entry in names.values()} == weights
    assert all(name.startswith("resnet_model/") for name in names)
    kernels = [name for name in names if "/conv2d" in name]
    assert kernels[0] == "resnet_model/conv2d/kernel"
    assert kernels[-1] == f"resnet_model/conv2d_{CONVOLUTIONS - 1}/kernel"


def test_order_and_shapes_are_those_of_the_layers_of_tensorflow() -> None:
    """The projection of a block is made before its convolutions; axes are permuted."""
    weights = build().state_dict()
    shapes = {}
    for name, entry in names_of(build()).items():
        shape = tuple(weights[_to(entry)].shape)
        # `permute` goes from the file to the module, so that its inverse is taken here.
        order = np.argsort(_permute(entry)) if isinstance(entry, dict) else range(len(shape))
        shapes[name] = tuple(shape[axis] for axis in order)
    assert shapes["conv2d/kernel"] == (7, 7, 3, 64)
    assert shapes["conv2d_1/kernel"] == (1, 1, 64, 256)  # the projection
    assert [shapes[f"conv2d_{i}/kernel"] for i in (2, 3, 4)] == [
        (1, 1, 64, 64),
        (3, 3, 64, 64),
        (1, 1, 64, 256),
    ]
    assert shapes["conv2d_11/kernel"] == (1, 1, 256, 512)  # after three blocks of three
    assert shapes["batch_normalization_1/moving_variance"] == (256,)
    assert shapes["dense/kernel"] == (2048, 1000)
    assert shapes["dense/bias"] == (1000,)


def test_max_pool_of_even_and_odd_lengths_by_hand() -> None:
    """Of 4 values, windows begin at the first and the third; of 5, one before the first."""
    even = torch.tensor([5.0, 1, 2, 4])
    odd = torch.tensor([5.0, 1, 2, 4, 3])
    assert max_pool(even[None, None, :, None].expand(1, 1, 4, 4))[0, 0, :, 0].tolist() == [5, 4]
    assert max_pool(odd[None, None, :, None].expand(1, 1, 5, 5))[0, 0, :, 0].tolist() == [5, 4, 4]


def test_stride_is_of_the_three_by_three_convolution_and_of_the_projection() -> None:
    strided = {
        name
        for name, layer in build().named_modules()
        if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)
    }
    assert strided == {"stem.convolution"} | {
        f"blocks.{block}.{layer}.convolution"
        for block in (3, 7, 13)
        for layer in ("projection", "spatial")
    }
    assert build().eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def _weights(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator)
        / (value[0].numel() if value.ndim > 1 else 1)
        for name, value in small().state_dict().items()
        if value.is_floating_point()
    }


def _as_tensorflow(weights: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The arrays under the names, and with the axes, of TensorFlow."""
    orders = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
    return {
        variable: weights[_to(entry)].numpy().transpose(orders[weights[_to(entry)].ndim])
        for variable, entry in names_of(small(), "resnet_model/").items()
    }


def test_scores_of_variables_of_tensorflow_are_those_of_the_module(tmp_path: Path) -> None:
    (tmp_path / "tf").mkdir()
    (tmp_path / "torch").mkdir()
    for step in (30024, 31275, 32000):
        weights = _weights(step)
        torch.save(weights, tmp_path / "torch" / f"step-{step}.pt")
        arrays: dict[str, Any] = _as_tensorflow(weights)
        np.savez(tmp_path / "tf" / f"step-{step}.npz", **arrays)
    names = tmp_path / "names.json"
    names.write_text(json.dumps(names_of(small(), "resnet_model/")), encoding="utf-8")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(5, 3, 20, 20)).astype(np.float32), np.arange(5) % 3
    words: dict[str, Any] = {
        "model": small,
        "data": data,
        "scores": "vog,grad_norm,aum",
        "quiet": True,
    }
    run = vog.score(checkpoints=tmp_path / "tf", names=names, out=tmp_path / "a", **words)
    expected = vog.score(checkpoints=tmp_path / "torch", out=tmp_path / "b", **words)
    for column in expected.score_columns:
        values = expected.table()[column].to_numpy()
        assert np.ptp(values) > 0
        np.testing.assert_array_equal(run.table()[column].to_numpy(), values)
