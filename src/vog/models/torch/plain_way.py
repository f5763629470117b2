"""The plain way: `load_state_dict`, `eval`, forward and `backward` on a fresh module.

It is the judge of every faster way, so it shares as little with them as it can.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vog.data.inputs import Inputs, Uniform, VariedInputs
from vog.models.protocol import FittedWeights, Outputs
from vog.models.torch import buckets
from vog.models.torch.adapter import TorchModel
from vog.models.torch.buckets import Buckets
from vog.models.torch.float32_arithmetic import float32_arithmetic
from vog.models.torch.matched_weights import LoadedWeights, MatchedWeights
from vog.models.torch.state_dict import load
from vog.models.torch.weights_in_place import TorchWeights, restored_on_exit

_NORM_EXAMPLES = 4
_NO_NORM = -1.0  # never equal to a norm


@dataclass(frozen=True)
class PlainWay(TorchModel):
    """A module that holds one checkpoint, and runs anew for each further gradient."""

    def read(self, path: Path) -> FittedWeights:
        """Load a checkpoint into the module, and return its weights."""
        load(self.loadable(path, self.module), self.module, str(path))
        return FittedWeights(MatchedWeights(LoadedWeights(self.module.to(self.device))))

    @contextmanager
    def evaluation_mode(self) -> Iterator[None]:
        """Restore the module afterwards if it is the user's; loading sets its mode."""
        with (
            float32_arithmetic(),
            restored_on_exit(self.module) if self.restores else nullcontext(),
        ):
            yield

    def place(self, inputs: Inputs) -> Uniform | Buckets:
        """Return a batch on the device; examples of different lengths alone, without padding."""
        if isinstance(inputs, VariedInputs):
            return buckets.one_by_one(inputs).mapped(self._placed)
        return super().place(inputs)

    @contextmanager
    def observe(
        self, weights: TorchWeights, placed: Uniform | Buckets, differentiate: bool
    ) -> Iterator[Outputs]:
        """Give the outputs of n examples; a further gradient is taken by a further run."""
        graphs = 1

        def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
            nonlocal graphs
            graphs -= 1
            if graphs == 0:
                return outputs.vjp(cotangent)
            with super_observe(weights, placed, differentiate) as again:
                return again.vjp(cotangent)

        super_observe = super().observe
        with super_observe(weights, placed, differentiate) as outputs:
            layer = outputs.last_layer
            if layer is not None:
                layer = DifferentiatedLayer(self, weights, placed, layer.features)
            yield Outputs(outputs.values, vjp, layer, outputs.mask)


@dataclass(frozen=True)
class DifferentiatedLayer:
    """The last layer of a module, whose gradients are taken by PyTorch, example by example."""

    model: PlainWay
    weights: TorchWeights
    placed: Uniform | Buckets
    features: Float[Tensor, "n width"]

    def _single(self, row: int) -> Uniform:
        placed = self.placed
        return placed.single(row) if isinstance(placed, Buckets) else placed[row : row + 1]

    def gradient_norm(self, cotangent: Float[Tensor, "n *outputs"]) -> Float[Tensor, "n"]:
        """Return the norms for the first few examples, else NaN; a sum of squares of gradients."""
        assert self.model.head is not None, "the layer is that of a head"
        module = self.model.module_for(self.weights)
        layer = module.get_submodule(self.model.head.name).requires_grad_(True)  # used only once
        norms = torch.full((len(cotangent),), torch.nan, device=cotangent.device)
        for row in range(min(_NORM_EXAMPLES, len(cotangent))):
            layer.zero_grad(set_to_none=True)
            with torch.enable_grad():
                logits, _ = self.model.forward(self.weights, self._single(row))
                try:
                    logits.backward(cotangent[row : row + 1])
                except RuntimeError:  # the module reuses a graph that was freed
                    return norms.fill_(_NO_NORM)
            gradients = [p.grad.square().sum() for p in layer.parameters() if p.grad is not None]
            norms[row] = torch.stack(gradients).sum().sqrt()
        return norms
