"""The forward pass as one graph compiled by PyTorch, the same for all checkpoints.

The weights are arguments of the graph, so that another checkpoint is another call and not
another compilation. A graph is made for one shape of batch.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vog.models.protocol import Weights
from vog.models.torch.adapter import Forward, TorchModel
from vog.models.torch.linear_head import logits_of


def compile_forward(model: TorchModel) -> Forward:
    """The forward pass of a model, compiled when it is first called while the model is borrowed.

    Calling it raises whatever the compiler raises: for a model that decides by its data or
    writes into its inputs, or where there is no compiler on this machine.
    """
    module, head = model.module, model.head
    buffers = frozenset(name for name, _ in module.named_buffers())
    graph = torch.compile(
        lambda module, tensors, inputs: functional_call(module, tensors, (inputs,)),
        fullgraph=True,
        dynamic=False,
    )
    if head is None:
        return lambda weights, inputs: (
            logits_of(graph(module, _with_copied_buffers(weights, buffers), inputs), len(inputs)),
            None,
        )
    # Hooks are no part of a graph: the layer that makes logits of features stands outside.
    parent, _, name = head.name.rpartition(".")
    identity = nn.Identity()

    def with_features(weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        layers = module.get_submodule(parent)._modules
        inner = {k: v for k, v in weights.items() if not k.startswith(f"{head.name}.")}
        layers[name] = identity
        try:
            output = graph(module, _with_copied_buffers(inner, buffers), inputs)
        finally:
            layers[name] = head.layer
        features = logits_of(output, len(inputs))
        return head.logits(weights, features), features

    return with_features


def _with_copied_buffers(weights: Weights, buffers: frozenset[str]) -> dict[str, Tensor]:
    """The weights with copies of the buffers: a module may write into those."""
    return {key: value.clone() if key in buffers else value for key, value in weights.items()}
