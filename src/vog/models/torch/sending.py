"""Send modules to another process without the values of the weights that it reads from files.

Only what every checkpoint brings is left out: parameters in the state dict of the module. Buffers
are sent, and so are parameters that a checkpoint does not have or that share memory with others.
"""

import io
import pickle
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vog.errors import ModelError
from vog.models.torch.state_dict import live_state
from vog.models.torch.tied_tensors import address_of, all_tensors
from vog.user_functions import describe_error


def pack(
    values: Mapping[str, Any], modules: Sequence[nn.Module], sent: Collection[str] = ()
) -> bytes:
    """Return values that hold modules as bytes; parts that they share stay shared.

    Args:
        values: by name.
        modules: the modules among them, whose weights are left out.
        sent: names of parameters that not every checkpoint has, and that are sent.

    Raises:
        ModelError: a value cannot be sent.
    """
    packed = io.BytesIO()
    pickler = _WithoutWeights(packed, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.left_out = {key for module in modules for key in _read_from_files(module, sent)}
    try:
        pickler.dump(dict(values))
    except Exception as error:  # objects of the user can raise anything
        raise ModelError(
            f"the model cannot be sent to another process: {describe_error(error)}. Classes and "
            f"functions that it uses have to be importable, so not local and not lambdas."
        ) from error
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, Any]:
    """Return what `pack` was given; the weights that were left out are zeros."""
    return pickle.loads(packed)


def _read_from_files(module: nn.Module, sent: Collection[str]) -> set[int]:
    """Return the identities of the parameters that every checkpoint brings."""
    tensors = {id(tensor): tensor for tensor in all_tensors(module)}.values()
    counts = Counter(map(address_of, tensors))
    saved = {id(tensor) for tensor in live_state(module).values() if isinstance(tensor, Tensor)}
    return {
        id(parameter)
        for name, parameter in module.named_parameters()
        if name not in sent
        and type(parameter) is nn.Parameter
        and id(parameter) in saved
        and parameter.layout is torch.strided
        and parameter.is_contiguous()
        and parameter.untyped_storage().nbytes() == parameter.nbytes
        and counts[address_of(parameter)] == 1
    }


class _WithoutWeights(pickle.Pickler):
    """Makes some parameters anew in place of their values."""

    left_out: set[int]

    def reducer_override(self, obj: Any) -> Any:
        """Return how a parameter is made anew; any other object is pickled as usual."""
        if id(obj) not in self.left_out:
            return NotImplemented
        return _zeros, (tuple(obj.shape), obj.dtype, obj.requires_grad)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, requires_grad: bool) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape, dtype=dtype), requires_grad)
