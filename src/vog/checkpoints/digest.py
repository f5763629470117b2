"""A digest of weights that is independent of their file, and tensors without readable numbers."""

import hashlib
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vog.checkpoints.contents import describe_value
from vog.checkpoints.safe_pickle import Budget, StandIn
from vog.errors import CheckpointError, first_few
from vog.user_functions import address_free
from vog.wording import option

# A tensor may repeat the values of its storage, such as an expanded buffer does. With more
# repetitions it is no buffer of a model, and a copy of it could exceed the memory.
_MOST_REPEATED = 16
_SURELY_SMALL = 2**28


def weights_digest(weights: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the names, types, shapes and bytes of tensors, and of extra states.

    Raises:
        CheckpointError: the numbers of a tensor cannot be read.
    """
    sha = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name]
        if isinstance(value, Tensor):
            reason = why_without_numbers(value)
            if reason is not None:
                raise CheckpointError(f"the tensor {name} {reason}.")
            for piece in _pieces(name, value.detach()):
                sha.update(piece)
        else:
            text = f"{name} {_stable_text(value, Budget(0))}\n"
            sha.update(text.encode("utf-8", "surrogatepass"))
    return sha.hexdigest()


def why_without_numbers(tensor: Tensor) -> str | None:
    """Return why a tensor cannot be read as numbers, or None if it can."""
    if tensor.is_nested:
        return "is a nested tensor, which has no single shape"
    if tensor.is_meta:
        return "is on the meta device: the file does not have its values"
    if tensor.layout is not torch.strided:
        return None
    size, nbytes = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
    if size > max(_SURELY_SMALL, _MOST_REPEATED * nbytes):
        return f"stands for {tensor.numel():,} values, of which the file holds {nbytes:,} bytes"
    return None


def refuse_without_numbers(reasons: Mapping[str, str], path: object) -> None:
    """Raise if tensors of a file have no readable numbers; `reasons` are by name.

    Raises:
        CheckpointError: there are reasons; the message names the tensors.
    """
    if not reasons:
        return
    reason = next(iter(reasons.values()))
    raise CheckpointError(
        f"checkpoint {path} has no numbers for {first_few(list(reasons))}: the tensor {reason}. "
        f"Save all weights as dense tensors, or give {option('read', 'file.py:function')}."
    )


def _pieces(name: str, value: Tensor) -> list[Any]:
    """Return the bytes that identify a tensor; each part of a sparse or quantized one follows."""
    head = f"{name} {value.dtype} {tuple(value.shape)}"
    if value.layout is torch.strided and not value.is_quantized:
        return [f"{head}\n".encode(), _bytes_of(value)]
    if value.is_quantized:
        parts, head = _parts_of_quantized(value), f"{head} {value.qscheme()}"
    else:
        parts, head = _parts_of_sparse(value), f"{head} {value.layout}"
    return [f"{head}\n".encode(), *(piece for part in parts for piece in _pieces("", part))]


def _bytes_of(value: Tensor) -> Any:
    whole = value.resolve_conj().resolve_neg().contiguous()
    return whole.reshape(-1).view(torch.uint8).numpy().data


def _parts_of_sparse(value: Tensor) -> list[Tensor]:
    if value.layout is torch.sparse_coo:
        coalesced = value.coalesce()
        return [coalesced.indices(), coalesced.values()]
    if value.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [value.crow_indices(), value.col_indices(), value.values()]
    return [value.ccol_indices(), value.row_indices(), value.values()]


def _parts_of_quantized(value: Tensor) -> list[Tensor]:
    numbers = value.int_repr()
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return [numbers, _float64_tensor(value.q_scale(), value.q_zero_point())]
    axis = torch.tensor(value.q_per_channel_axis())
    return [numbers, value.q_per_channel_scales(), value.q_per_channel_zero_points(), axis]


def _float64_tensor(*values: float | int) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _stable_text(value: object, budget: Budget) -> str:
    """Return a text that is equal for equal extra states, in any process."""
    budget.step()
    if isinstance(value, Tensor):
        return f"tensor {weights_digest({'': value})}"
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, Mapping):
        return f"{{{_joined_texts([item for pair in value.items() for item in pair], budget)}}}"
    if isinstance(value, list | tuple):
        return f"({_joined_texts(value, budget)})"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(_stable_text(item, budget) for item in value))}}}"
    if isinstance(value, StandIn):
        return f"{describe_value(value)} ({_joined_texts([value.arguments, value.state], budget)})"
    if isinstance(value, BytesIO):
        return repr(value.getvalue())
    return address_free(repr(value))


def _joined_texts(values: Iterable[object], budget: Budget) -> str:
    return ", ".join(_stable_text(value, budget) for value in values)
