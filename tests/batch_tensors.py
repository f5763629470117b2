"""The inputs of batches, where a test knows that they are single tensors."""

import torch
from torch import Tensor

from vog.data import Batch


def tensor_of(*batches: Batch) -> Tensor:
    """Return the inputs of some batches as one tensor; of a single batch, its own tensor."""
    tensors = [batch.inputs for batch in batches if isinstance(batch.inputs, Tensor)]
    assert len(tensors) == len(batches), "some inputs have names"
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
