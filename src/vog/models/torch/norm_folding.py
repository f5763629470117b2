"""Batch normalisation folded into the convolution before it, which saves a pass over memory.

In evaluation mode a batch norm multiplies each channel by a number and adds another. The
convolution can do both: with the weights w * s and the bias (b - mean) * s + beta, where
s = gamma / sqrt(var + eps), it computes the two layers at once. That is exact but for rounding,
as long as the output of the convolution always goes into that norm and nowhere else. The caller
compares a folded model with the original, and each forward pass checks every pair again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from vog.errors import ModelError
from vog.models.torch.weights_in_place import TorchWeights
from vog.wording import option

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class FoldedNorm(nn.Module):
    """Takes the place of a norm: returns its input, and checks that the convolution made it."""

    def __init__(self, convolution: str, norm: str, eps: float) -> None:
        super().__init__()
        self.convolution, self.norm, self.eps = convolution, norm, eps
        self.expected: Tensor | None = None

    def expect_output(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        """Note the output of the convolution as the next input; a forward hook of it."""
        if torch.compiler.is_compiling():  # a graph takes the same way at every call
            return
        self.refuse_unless(self.expected is None)
        self.expected = output

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input, which is normalised already."""
        if not torch.compiler.is_compiling():
            self.refuse_unless(inputs is self.expected)
            self.expected = None
        return inputs

    def refuse_unless(self, is_pair: bool) -> None:
        """Raise ModelError unless the pair still is what it was when it was found."""
        if not is_pair:
            raise ModelError(
                f"what {self.convolution} returns does not always go into {self.norm} as it did "
                f"in the first batch, so the two cannot be folded. Pass {option('fold', False)}."
            )


@dataclass(frozen=True)
class Folding:
    """The norms of a module that the convolutions before them compute."""

    pairs: tuple[FoldedNorm, ...] = ()

    def fold_weights(self, weights: TorchWeights) -> dict[str, Tensor]:
        """Return weights whose convolutions include the norms; computed in float64."""
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
        """Make the module run with folded weights inside the block, and restore it afterwards."""
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
        """Raise ModelError if a norm did not get its input in the run inside the block."""
        for pair in self.pairs:
            pair.expected = None
        yield
        for pair in self.pairs:
            pair.refuse_unless(pair.expected is None)


def find(module: nn.Module, run: Callable[[], object]) -> Folding:
    """Return the norms that can be folded, as one run of the module shows.

    Args:
        module: the model, in evaluation mode.
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
    """Return True if the weight is a parameter, not computed from parameters by weight_norm."""
    return isinstance(layer, _CONVOLUTIONS) and "weight" in layer._parameters


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(layer, _NORMS) and layer.running_var is not None


def _double(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.double()
