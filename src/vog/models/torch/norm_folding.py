"""Batch normalisation folded into the convolution before it, which saves a pass over memory.

In evaluation mode a batch norm multiplies each channel by a number and adds another, and so can
the convolution: with the weights w * s and the bias (b - mean) * s + beta, where
s = gamma / sqrt(var + eps), the two are one. That is exact but for rounding, as long as the
output of the convolution always goes into that norm and nowhere else. Whoever folds compares
with the model as it was, and while the model runs each pair is held to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from vog.errors import ModelError
from vog.models.protocol import Weights

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class FoldedNorm(nn.Module):
    """Stands where a norm stood: hands on what its convolution returned, and nothing else."""

    def __init__(self, convolution: str, norm: str, eps: float) -> None:
        super().__init__()
        self.convolution, self.norm, self.eps = convolution, norm, eps
        self.expected: Tensor | None = None

    def expect_output(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """A hook of the convolution: its output is expected here next."""
        if torch.compiler.is_compiling():  # a graph cannot take another way than the first time
            return
        self.refuse_unless(self.expected is None)
        self.expected = output

    def forward(self, inputs: Tensor) -> Tensor:
        """The input, which is normalised already."""
        if not torch.compiler.is_compiling():
            self.refuse_unless(inputs is self.expected)
            self.expected = None
        return inputs

    def refuse_unless(self, is_pair: bool) -> None:
        """Raises ModelError where the pair is not one, as it was when it was found."""
        if not is_pair:
            raise ModelError(
                f"what {self.convolution} returns does not always go into {self.norm} as it did "
                f"in the first batch, so the two cannot be computed as one. Pass --no-fold."
            )


@dataclass(frozen=True)
class Folding:
    """The norms of a module that are computed by the convolutions before them."""

    pairs: tuple[FoldedNorm, ...] = ()

    def fold_weights(self, weights: Weights) -> dict[str, Tensor]:
        """The weights of a checkpoint with the norms in the convolutions, folded in float64."""
        folded = dict(weights)
        for pair in self.pairs:
            norm = {
                key: folded.pop(f"{pair.norm}.{key}", None)
                for key in ("running_mean", "running_var", "weight", "bias", "num_batches_tracked")
            }
            names = [f"{pair.convolution}.{key}" for key in ("weight", "bias")]
            dtype = folded[names[0]].dtype
            fused = fuse_conv_bn_weights(
                *[_double(folded.get(name)) for name in names],
                *[_double(norm[key]) for key in ("running_mean", "running_var")],
                pair.eps,
                *[_double(norm[key]) for key in ("weight", "bias")],
            )
            folded |= {n: v.detach().to(dtype) for n, v in zip(names, fused, strict=True)}
        return folded

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """While it is entered, the module runs with folded weights; afterwards it is as it was."""
        hooks: list[Any] = []
        without_bias: list[nn.Module] = []
        norms: list[tuple[dict[str, nn.Module | None], str, nn.Module | None]] = []
        try:
            for pair in self.pairs:
                parent, _, name = pair.norm.rpartition(".")
                siblings = module.get_submodule(parent)._modules
                norms.append((siblings, name, siblings[name]))
                siblings[name] = pair
                convolution = module.get_submodule(pair.convolution)
                if convolution._parameters["bias"] is None:
                    without_bias.append(convolution)
                    convolution.bias = nn.Parameter(torch.empty(0), requires_grad=False)
                hooks.append(convolution.register_forward_hook(pair.expect_output))
            yield
        finally:
            for siblings, name, norm in norms:
                siblings[name] = norm
            for convolution in without_bias:
                convolution.register_parameter("bias", None)
            for hook in hooks:
                hook.remove()

    @contextmanager
    def pairs_checked(self) -> Iterator[None]:
        """Around one run of the module: raises ModelError if a norm did not get its input."""
        for pair in self.pairs:
            pair.expected = None
        yield
        for pair in self.pairs:
            pair.refuse_unless(pair.expected is None)


def find(module: nn.Module, run: Callable[[], object]) -> Folding:
    """What can be folded, as far as one run of the module in evaluation mode shows.

    Args:
        module: the model.
        run: runs it once.
    """
    named_parts = list(module.named_modules(remove_duplicate=False))
    parts = [part for _, part in named_parts]
    names = {part: name for name, part in named_parts if parts.count(part) == 1}
    calls: list[nn.Module] = []
    outputs: list[tuple[nn.Module, Tensor]] = []
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def record_convolution(layer: nn.Module, inputs: Any, out: Tensor) -> None:
        calls.append(layer)
        outputs.append((layer, out))

    def record_norm(layer: nn.Module, inputs: Any) -> None:
        calls.append(layer)
        pairs.extend((convolved_by, layer) for convolved_by, out in outputs if out is inputs[0])

    hooks = [m.register_forward_hook(record_convolution) for m in names if _is_plain_convolution(m)]
    hooks += [m.register_forward_pre_hook(record_norm) for m in names if _has_statistics(m)]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return Folding(
        tuple(
            FoldedNorm(names[convolution], names[norm], float(norm.eps))  # type: ignore[arg-type]
            for convolution, norm in pairs
            if calls.count(convolution) == calls.count(norm) == 1
        )
    )


def _is_plain_convolution(layer: nn.Module) -> bool:
    """Whether its weight is a parameter, and not computed of others as by weight_norm."""
    return isinstance(layer, _CONVOLUTIONS) and "weight" in layer._parameters


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(layer, _NORMS) and layer.running_var is not None


def _double(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.double()
