"""The forward pass as one graph compiled by PyTorch, the same for all checkpoints.

The weights are arguments of the graph, so a new checkpoint needs a new call and no new
compilation. A graph is compiled for one shape of batch.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vog.data.inputs import Uniform
from vog.models.torch.linear_head import Forward, Head, logits_of
from vog.models.torch.module_inputs import arguments
from vog.models.torch.weights_in_place import TorchWeights


def compile_forward(module: nn.Module, head: Head | None) -> Forward:
    """Return the forward pass of a module; it is compiled at its first call.

    Call it inside of `evaluation_mode`. A call raises what the compiler raises: for a model whose
    control flow depends on its data or that writes into its inputs, or if no compiler is installed.
    """
    buffers = frozenset(name for name, _ in module.named_buffers())
    graph = torch.compile(
        lambda module, tensors, given: functional_call(module, tensors, *given),
        fullgraph=True,
        dynamic=False,
    )
    if head is None:
        return lambda weights, inputs: (
            logits_of(
                graph(module, _with_copied_buffers(weights, buffers), arguments(inputs)),
                len(inputs),
            ),
            None,
        )
    # A graph holds no hooks, so the head, whose input is needed, runs outside of it.
    parent, _, name = head.name.rpartition(".")
    identity = nn.Identity()

    def with_features(weights: TorchWeights, inputs: Uniform) -> tuple[Tensor, Tensor | None]:
        layers = module.get_submodule(parent)._modules
        inner = {k: v for k, v in weights.items() if not k.startswith(f"{head.name}.")}
        layers[name] = identity
        try:
            output = graph(module, _with_copied_buffers(inner, buffers), arguments(inputs))
        finally:
            layers[name] = head.layer
        features = logits_of(output, len(inputs))
        return head.logits(weights, features), features

    return with_features


def _with_copied_buffers(weights: TorchWeights, buffers: frozenset[str]) -> dict[str, Tensor]:
    """Return the weights with copies of the buffers, because a module may write into them."""
    return {key: value.clone() if key in buffers else value for key, value in weights.items()}
