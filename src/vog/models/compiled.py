"""The forward pass as one graph compiled by PyTorch, the same for all checkpoints.

The weights are arguments of the graph, so that another checkpoint is another call and not
another compilation. A graph is made for one shape of batch.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vog.models.head import logits_of
from vog.models.protocol import Weights
from vog.models.torch import Forward, TorchModel


def compiled(model: TorchModel) -> Forward:
    """The forward pass of a model, compiled when it is first called.

    Calling it raises whatever the compiler raises: a model that decides by its data, or no
    compiler on this machine. It may be called while the model is borrowed.
    """
    module, head = model.module, model.head
    buffers = {name for name, _ in module.named_buffers()}

    def forward(weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        own = {k: v.clone() if k in buffers else v for k, v in weights.items()}
        output = logits_of(functional_call(module, own, (inputs,)), len(inputs))
        # Hooks are no part of a graph: the layer that makes logits of features stands outside.
        return (output, None) if head is None else (head.logits(weights, output), output)

    graph = torch.compile(forward, fullgraph=True, dynamic=False)
    if head is None:
        return graph
    parent, _, name = head.name.rpartition(".")
    stand_in = nn.Identity()

    def with_features(weights: Weights, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        layers = module.get_submodule(parent)._modules
        layers[name] = stand_in
        try:
            return graph(weights, inputs)
        finally:
            layers[name] = head.layer

    return with_features
