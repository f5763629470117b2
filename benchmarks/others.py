"""VoG as people compute it without this package: the loops that the sweep is measured against.

Each takes checkpoint files, inputs and labels, and gives raw VoG, so that agreement can be
asserted. None of them keeps other scores, writes rows, or could be resumed.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Build = Callable[[], nn.Module]
Loop = Callable[[Build, Sequence[Path], Tensor, Tensor, int], Tensor]


def reference_order(
    build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> Tensor:
    """The order of the reference's ImageNet scripts, from its description.

    One checkpoint after the other, one image at a time, `backward()` into the parameters as
    well, each gradient a file; then all files are read again for the spread.
    """
    folder = files[0].parent / "gradients"
    for file in files:
        module = loaded(build, file)
        (folder / file.stem).mkdir(parents=True, exist_ok=True)
        for row in range(len(inputs)):
            one = inputs[row : row + 1].clone().requires_grad_()
            module.zero_grad()
            module(one)[0, labels[row]].backward()
            assert one.grad is not None
            np.save(folder / file.stem / f"grad_{row:05d}.npy", one.grad[0].mean(dim=0).numpy())
    scores: list[float] = []
    for row in range(len(inputs)):
        maps = [np.load(folder / file.stem / f"grad_{row:05d}.npy") for file in files]
        mean = sum(maps) / len(maps)
        scores.append(float(np.sqrt(sum((m - mean) ** 2 for m in maps) / len(maps)).mean()))
    return torch.tensor(scores)


def with_parameter_gradients(
    build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> Tensor:
    """Batches, and `backward()` into the parameters as well."""

    def gradient(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        module.zero_grad()
        module(x).gather(1, y[:, None]).sum().backward()
        assert x.grad is not None
        return x.grad

    return _by_checkpoint(build, files, inputs, labels, batch, gradient)


def autograd(
    build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> Tensor:
    """One `autograd.grad` a checkpoint and batch, on the model as it is: the obvious way."""

    def gradient(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return torch.autograd.grad(module(x).gather(1, y[:, None]).sum(), x)[0]

    return _by_checkpoint(build, files, inputs, labels, batch, gradient)


def captum(
    build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> Tensor:
    """The same with captum's `Saliency`."""
    saliency = import_module("captum.attr").Saliency  # in the extra `bench` alone

    def gradient(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return saliency(module).attribute(x, target=y, abs=False)

    return _by_checkpoint(build, files, inputs, labels, batch, gradient)


def bare(build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int) -> Tensor:
    """As fast as a loop by hand gets: norms folded, channels last, no parameter gradients."""
    return bare_of(_fused_once(build, tuple(files), torch.float32), inputs, labels, batch)


def bare_bfloat16(
    build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> Tensor:
    """The same with weights and inputs in bfloat16."""
    return bare_of(_fused_once(build, tuple(files), torch.bfloat16), inputs, labels, batch)


@cache
def _fused_once(build: Build, files: tuple[Path, ...], dtype: torch.dtype) -> tuple[nn.Module, ...]:
    return tuple(fused(build, file).to(dtype) for file in files)


def timed(
    loop: Loop, build: Build, files: Sequence[Path], inputs: Tensor, labels: Tensor, batch: int
) -> tuple[float, Tensor]:
    """Seconds that a loop takes, and its VoG; to be called in a process of the loops' own."""
    start = time.perf_counter()
    scores = loop(build, files, inputs, labels, batch)
    return time.perf_counter() - start, scores


def bare_of(modules: Sequence[nn.Module], inputs: Tensor, labels: Tensor, batch: int) -> Tensor:
    """The bare loop over modules that are ready; their type is that of the computation."""
    dtype = next(modules[0].parameters()).dtype
    layout = torch.channels_last if inputs.ndim == 4 else torch.contiguous_format
    scores: list[Tensor] = []
    for x, y in zip(inputs.split(batch), labels.split(batch), strict=True):
        gradients: list[Tensor] = []
        for module in modules:
            leaf = x.to(dtype).contiguous(memory_format=layout).requires_grad_()
            total = module(leaf).float().gather(1, y[:, None]).sum()
            (gradient,) = torch.autograd.grad(total, leaf)
            gradients.append(gradient.float())
        scores.append(spread(torch.stack(gradients)))
    return torch.cat(scores)


def loaded(build: Build, file: Path) -> nn.Module:
    """The model of a checkpoint, ready for evaluation."""
    module = build()
    module.load_state_dict(torch.load(file, weights_only=True))
    return module.eval()


def fused(build: Build, file: Path) -> nn.Module:
    """The same with each norm in the convolution that stands before it, as PyTorch's tool does."""
    module = loaded(build, file)
    for parent in module.modules():
        names = list(parent._modules)
        for before, after in itertools.pairwise(names):
            first, second = parent._modules[before], parent._modules[after]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                parent._modules[before] = fuse_conv_bn_eval(first, second)
                parent._modules[after] = nn.Identity()
    module.requires_grad_(False)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def spread(gradients: Tensor) -> Tensor:
    """VoG of gradients under k checkpoints, all of them in memory."""
    maps = gradients.mean(dim=2) if gradients.ndim == 5 else gradients
    return maps.std(dim=0, correction=0).flatten(1).mean(dim=1)


def _by_checkpoint(
    build: Build,
    files: Sequence[Path],
    inputs: Tensor,
    labels: Tensor,
    batch: int,
    gradient: Callable[[nn.Module, Tensor, Tensor], Tensor],
) -> Tensor:
    kept: list[Tensor] = []
    for file in files:
        module = loaded(build, file)
        kept.append(
            torch.cat(
                [
                    gradient(module, x.clone().requires_grad_(), y).detach()
                    for x, y in zip(inputs.split(batch), labels.split(batch), strict=True)
                ]
            )
        )
    return spread(torch.stack(kept))
