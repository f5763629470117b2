"""Context managers that put the weights of a checkpoint into a module, and restore the module.

The tensors stay the same objects, and only their data change. So code that holds a reference to a
parameter (a list, a wrapper, a variable of Keras) sees the weights of the checkpoint, and so does
code that reads it later (activation checkpointing calls layers again in the backward pass).
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# The tensors of a module by their first names.
TorchWeights = Mapping[str, Tensor]


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and buffer once, by its first name, including those not saved."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def tensor_nbytes(value: Tensor) -> int:
    """Return the bytes of a tensor; approximate for a sparse one."""
    if value.layout is torch.strided:
        return value.nbytes
    if value.layout is torch.sparse_coo:
        return value._indices().nbytes + value._values().nbytes
    return 3 * value.values().nbytes  # indices are integers of eight bytes


@contextmanager
def weights_in_place(module: nn.Module, weights: TorchWeights) -> Iterator[None]:
    """Give the module these weights inside the block, and its own again afterwards.

    Parameters take no gradients inside. The buffers are copies, as a module may write into them.
    """
    parameters = dict(module.named_parameters())
    tensors = {**parameters, **dict(module.named_buffers())}
    leaves = [tensor for tensor in tensors.values() if tensor.grad_fn is None]
    originals = [(tensor, tensor.data, tensor.requires_grad) for tensor in leaves]
    # A module may also replace a buffer by a different tensor while it runs, or add a buffer.
    buffers = [(part._buffers, dict(part._buffers)) for part in module.modules()]
    try:
        for name, tensor in tensors.items():
            value = weights[name] if name in parameters else weights[name].clone()
            if tensor.grad_fn is not None:  # computed from weights, by a layer in evaluation mode
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

    The module's own `train` restores the mode, and may undo a merge of weights that `eval` made.
    Undoing is exact but for rounding, so the values are restored after it.
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
