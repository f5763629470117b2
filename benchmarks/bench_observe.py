"""One checkpoint, one batch: what each step of the engine brings, for three kinds of network.

The first entry of each group is the obvious way: `autograd.grad` on the model as it is. The
compiled entry leaves out the compiling; its seconds stand beside it.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import networks
import others
from networks import NETWORKS
from vog.analysis.one_run.correlation import spearman
from vog.models.protocol import Variant
from vog.models.torch.adapter import TorchModel
from vog.scores import Signal
from vog.sweep.observe import Observer
from vog.tasks import CLASSIFICATION
from vog.tasks.targets import TARGETS

ROUNDS = 15
NEEDS = frozenset({Signal.INPUT_GRADIENT})


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "way", ["autograd.grad", "plain", "channels last", "folded", "bfloat16", "compiled"]
)
def bench_observe(
    benchmark: BenchmarkFixture,
    name: str,
    way: str,
    tmp_path: Path,
) -> None:
    network = NETWORKS[name]
    if way == "compiled" and shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    if way in ("channels last", "folded") and len(network.shape) != 3:
        pytest.skip("no convolutions")
    (file,) = networks.save_checkpoints(network, tmp_path, 1)
    inputs, labels = map(torch.from_numpy, networks.data(network, network.batch))
    exact = others.loaded(network.build, file)
    leaf = inputs.clone().requires_grad_()

    def obvious() -> torch.Tensor:
        return torch.autograd.grad(exact(leaf).gather(1, labels[:, None]).sum(), leaf)[0]

    benchmark.group = f"observe: {name}, {network.batch} a batch"
    benchmark.extra_info["per"] = network.batch
    if way == "autograd.grad":
        benchmark.pedantic(obvious, rounds=ROUNDS, warmup_rounds=2)
        return
    model = TorchModel(network.build())
    if way == "plain":
        model = replace(model, memory_format=torch.contiguous_format)
    with model.evaluation_mode():
        fitted = model.read(file)
    model = model.with_parts(fitted, inputs)
    variants = {
        "folded": [Variant.FOLDED],
        "bfloat16": [Variant.FOLDED, Variant.BFLOAT16],
        "compiled": [Variant.FOLDED, Variant.COMPILED],
    }
    for variant in variants.get(way, ()):
        if variant is not Variant.FOLDED or model.foldable.pairs:
            model = model.variant(variant, len(labels))
    weights, placed = model.ready(fitted), model.place(inputs)
    look: Callable[[], torch.Tensor] = lambda: Observer(model, CLASSIFICATION, TARGETS["logit"])(  # noqa: E731
        weights, placed, labels, NEEDS
    ).signal(Signal.INPUT_GRADIENT)[0]
    with model.evaluation_mode():
        start = time.perf_counter()
        found = look()
        benchmark.extra_info["first call, s"] = round(time.perf_counter() - start, 1)
        benchmark.pedantic(look, rounds=ROUNDS, warmup_rounds=2)
    sizes = [one.flatten(1).norm(dim=1).numpy() for one in (found, obvious())]
    assert spearman(*sizes) > (0.95 if way == "bfloat16" else 0.999)
