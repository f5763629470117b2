"""The weights of a checkpoint put into the tensors of a module, and taken out again.

The tensors stay the same objects and only their data change. So whatever holds a reference to a
parameter (a list, a wrapper, a variable of Keras) and whatever reads it at another time (activation
checkpointing, which calls layers again while it goes backward) meets the weights of the checkpoint.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and buffer once, by its first name; those not saved as well."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@contextmanager
def weights_in_place(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Give the module these weights while entered; then it has its own again.

    Parameters take no gradients meanwhile. A module may write into its buffers, so it gets copies.
    """
    parameters = dict(module.named_parameters())
    tensors = {**parameters, **dict(module.named_buffers())}
    leaves = [tensor for tensor in tensors.values() if tensor.grad_fn is None]
    originals = [(tensor, tensor.data, tensor.requires_grad) for tensor in leaves]
    # A module may also replace a buffer by another tensor while it runs, or make a new one.
    buffers = [(part._buffers, dict(part._buffers)) for part in module.modules()]
    try:
        for name, tensor in tensors.items():
            value = weights[name] if name in parameters else weights[name].clone()
            if tensor.grad_fn is not None:  # a layer computed it of its weights in evaluation mode
                part, _, last = name.rpartition(".")
                module.get_submodule(part)._buffers[last] = value
                continue
            tensor.requires_grad_(False)
            tensor.data = value
        yield
    finally:
        for registry, original_buffers in buffers:
            if registry or original_buffers:
                registry.clear()
                registry.update(original_buffers)
        for tensor, data, wants_gradient in originals:
            tensor.data = data
            tensor.requires_grad_(wants_gradient)


@contextmanager
def restored_on_exit(module: nn.Module, with_extra_state: bool = True) -> Iterator[None]:
    """Restore the mode, the tensors, their gradients and the extra state when the block ends.

    The mode is restored by the module's own `train`, which may undo what `eval` merged; the values
    are written last, since undoing is exact but for rounding.
    """
    modes = {part: part.training for part in module.modules()}
    tensors = list(tensors_of(module).values())
    values = [(tensor, tensor.detach().clone()) for tensor in tensors]
    flags = [(tensor, tensor.grad, tensor.requires_grad) for tensor in tensors if tensor.is_leaf]
    extra = [
        (part, copy.deepcopy(part.get_extra_state()))
        for part in modes
        if with_extra_state
        and not isinstance(part, torch.jit.ScriptModule)
        and type(part).get_extra_state is not nn.Module.get_extra_state
    ]
    try:
        yield
    finally:
        module.train(modes[module])
        for part, training in modes.items():
            part.training = training
        with torch.no_grad():
            for tensor, value in values:
                if not tensor.is_sparse:
                    tensor.copy_(value)
        for tensor, gradient, wants_gradient in flags:
            tensor.grad = gradient
            tensor.requires_grad_(wants_gradient)
        for part, state in extra:
            part.set_extra_state(state)
