import torch
from torch import Tensor

Inputs = Tensor


class NamedTensors:
    tensors: dict


def concat(inputs):
    return torch.cat(list(inputs))


def equal(a, b):
    return torch.equal(a.nan_to_num(), b.nan_to_num())


def elements_per_example(inputs):
    return inputs[0].numel()


def example_shape(inputs):
    return tuple(inputs.shape[1:])
