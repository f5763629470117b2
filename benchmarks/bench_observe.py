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
from vog.data import Batch
from vog.models.torch.adapter import TorchModel
from vog.models.torch.compiled import compile_forward
from vog.scores import Signal
from vog.sweep.acceleration import with_folded_norms
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
        model = replace(model, layout=torch.contiguous_format)
    fitted = model.fit(torch.load(file, weights_only=True), str(file))
    if way in ("folded", "bfloat16", "compiled"):
        first = Batch(range(len(labels)), labels, torch.arange(len(labels)), inputs, {})
        model = with_folded_norms(
            Observer(model, CLASSIFICATION, TARGETS["logit"]), fitted, first, NEEDS
        )
    if way == "bfloat16":
        model = replace(model, precision="bfloat16")
    if way == "compiled":
        model = replace(model, compiled=compile_forward(model), full_batch=len(labels))
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
