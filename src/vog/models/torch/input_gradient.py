"""The gradient of the outputs of a module with respect to its inputs."""

import torch
from jaxtyping import Float
from torch import Tensor

from vog import user_functions
from vog.errors import ModelError
from vog.models.last_layer import LinearLastLayer
from vog.models.protocol import Outputs
from vog.models.torch import memory


def input_gradient(
    logits: Float[Tensor, "n *outputs"],
    cotangent: Float[Tensor, "n *outputs"],
    leaf: Float[Tensor, "n *input"],
    keep_graph: bool,
    module: str | None = None,
) -> Float[Tensor, "n *input"]:
    """Return the gradient by `backward`, because some models refuse `autograd.grad`.

    If the leaf is the output of a module inside the model, `module` is its name.
    """
    leaf.grad = None
    try:
        logits.backward(cotangent, retain_graph=keep_graph)
    except Exception as error:  # the user's layers may raise anything
        if memory.ran_out(error):
            raise
        if "does not require grad" not in str(error):
            raise ModelError(
                f"the model cannot go backward: {user_functions.describe_error(error)}"
            ) from error
    if leaf.grad is None:
        source = "the input" if module is None else f"the output of {module}"
        raise ModelError(
            f"the logits do not depend on {source} in a way that can be differentiated: the "
            f"model works under torch.no_grad() or detaches its input. Remove that."
        )
    gradient, leaf.grad = leaf.grad, None
    return gradient.float()


def first_of_pair(pair: Outputs) -> Outputs:
    """Return the outputs of the first of two equal examples."""

    def vjp(cotangent: Tensor, more: bool = False) -> Tensor:
        return pair.vjp(torch.cat([cotangent] * 2), more)[:1]

    layer = pair.last_layer
    if isinstance(layer, LinearLastLayer):
        layer = LinearLastLayer(layer.features[:1], layer.has_bias)
    return Outputs(pair.values[:1], vjp, layer, None if pair.mask is None else pair.mask[:1])
