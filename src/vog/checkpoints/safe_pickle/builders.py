"""Our own builders for the few names of a pickle that stand for values.

Each builder gets the arguments from the file, which may have any type. Tensors that are described
in a way that torch does not write are refused; other values become stand-ins.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import torch

from vog.checkpoints.safe_pickle import numpy_values
from vog.checkpoints.safe_pickle.placeholders import Budget, Name, StandIn, Unreadable
from vog.checkpoints.safe_pickle.tensor_records import (
    DenseRecord,
    NoValues,
    QuantizedRecord,
    SparseRecord,
    TensorRecord,
    shape_of,
)

Arguments = tuple[Any, ...]
Builder = Callable[[Budget, Arguments], Any]


def _tensor(budget: Budget, arguments: Arguments) -> DenseRecord:
    """Build from (storage, offset, size, stride, requires_grad, hooks, metadata)."""
    storage, offset, size, stride, *rest = _at_least(arguments, 4)
    return _with_metadata(DenseRecord.create(storage, offset, size, stride), rest[2:3])


def _tensor_of_dtype(budget: Budget, arguments: Arguments) -> DenseRecord:
    """Build from (storage, offset, size, stride, requires_grad, hooks, dtype, metadata)."""
    storage, offset, size, stride, _, _, dtype, *rest = _at_least(arguments, 7)
    return _with_metadata(DenseRecord.create(storage, offset, size, stride, dtype), rest[:1])


def _with_metadata(tensor: DenseRecord, metadata: list[Any]) -> DenseRecord:
    bits = metadata[0] if metadata and isinstance(metadata[0], Mapping) else {}
    return tensor.with_bits(bits.get("conj") is True, bits.get("neg") is True)


def _parameter(budget: Budget, arguments: Arguments) -> Any:
    """Return the data from (data, requires_grad, ...)."""
    return _at_least(arguments, 1)[0]


def _tensor_subclass(budget: Budget, arguments: Arguments) -> Any:
    """Build the plain data of a tensor subclass from (function, type, arguments, state)."""
    function, kind, inner, *_ = _at_least(arguments, 3)
    build = BUILDERS.get((function.module, function.name)) if type(function) is Name else None
    data = build(budget, inner) if build is not None and type(inner) is tuple else None
    return data if isinstance(data, TensorRecord) else NoValues(f"is a {kind}, not a plain tensor")


def _fastai_tensor(budget: Budget, arguments: Arguments) -> Any:
    """Build from (class, *arguments of a tensor), as fastai writes its tensors."""
    return _tensor(budget, arguments[1:])


def _sparse_tensor(budget: Budget, arguments: Arguments) -> Any:
    layout, data = _exactly(arguments, 2)
    data = _at_least(data, 3)
    coalesced = None
    if layout is torch.sparse_coo:
        *parts, size = data[:3]
        coalesced = data[3] if len(data) > 3 and type(data[3]) is bool else None
    else:
        *parts, size = _exactly(data, 4)
    if type(layout) is not torch.layout or not all(type(part) is DenseRecord for part in parts):
        raise Unreadable("it describes a sparse tensor in an unknown way")
    return SparseRecord(layout, tuple(parts), shape_of(size), coalesced)


def _quantized_tensor(budget: Budget, arguments: Arguments) -> Any:
    storage, offset, size, stride, quantizer, *_ = _at_least(arguments, 5)
    numbers = DenseRecord.create(storage, offset, size, stride)
    scheme, scales, zero_points, *axis = _at_least(quantizer, 3)
    if scheme is torch.per_tensor_affine and type(scales) is float and type(zero_points) is int:
        return QuantizedRecord(numbers, scales, zero_points)
    per_channel = (torch.per_channel_affine, torch.per_channel_affine_float_qparams)
    are_tensors = type(scales) is DenseRecord and type(zero_points) is DenseRecord
    if scheme in per_channel and are_tensors and len(axis) == 1 and type(axis[0]) is int:
        return QuantizedRecord(numbers, scales, zero_points, axis[0])
    return NoValues(f"is quantized in a way that is not read ({scheme})")


def _meta_tensor(budget: Budget, arguments: Arguments) -> Any:
    _, size, *_ = _at_least(arguments, 2)
    return NoValues("is on the meta device: the file does not have its values", shape_of(size))


def _nested_tensor(budget: Budget, arguments: Arguments) -> Any:
    return NoValues("is a nested tensor, which has no single shape")


def _device_tensor(budget: Budget, arguments: Arguments) -> Any:
    """Build from (data, dtype, device, requires_grad), as devices other than CUDA write tensors."""
    data, dtype, *_ = _at_least(arguments, 2)
    if type(data) is DenseRecord and type(dtype) is torch.dtype:
        return replace(data, cast=dtype)
    return data if isinstance(data, StandIn) else NoValues("is of an unknown device")


def _storage_of_bytes(budget: Budget, arguments: Arguments) -> Any:
    """Build from (bytes): a storage pickled without `torch.save` is a file within the file."""
    from vog.checkpoints.readers.legacy_torch import read_stream  # it imports this module

    (data,) = _exactly(arguments, 1)
    if type(data) is not bytes:
        raise Unreadable("it describes a storage in an unknown way")
    budget.copy(8 * len(data))
    return read_stream(BytesIO(data), len(data), budget).tree


def _layout(budget: Budget, arguments: Arguments) -> Any:
    (name,) = _exactly(arguments, 1)
    layout = _LAYOUTS.get(name) if type(name) is str else None
    return StandIn(Name("torch", "layout"), arguments) if layout is None else layout


def _size(budget: Budget, arguments: Arguments) -> tuple[int, ...]:
    return shape_of(_exactly(arguments, 1)[0])


def _ordered_dict(budget: Budget, arguments: Arguments) -> Any:
    """Build from () or from pairs, as Python 2 writes them."""
    return _fill_dict(budget, OrderedDict(), arguments)


def _dict(budget: Budget, arguments: Arguments) -> Any:
    return _fill_dict(budget, {}, arguments)


def _defaultdict(budget: Budget, arguments: Arguments) -> Any:
    return _fill_dict(budget, {}, arguments[1:])


def _fill_dict(budget: Budget, target: dict[Any, Any], arguments: Arguments) -> Any:
    content: Any = arguments[0] if arguments else ()
    pairs = list(content.items()) if type(content) in (dict, OrderedDict) else content
    if type(pairs) not in (list, tuple) or len(arguments) > 1:
        raise Unreadable("it describes a dict in an unknown way")
    budget.copy(len(pairs) * 16)
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise Unreadable("it describes a dict in an unknown way")
        target[budget.safe_key(pair[0])] = pair[1]
    return target


def _collection_builder(make: Callable[[Any], Any], hash_items: bool) -> Builder:
    def build(budget: Budget, arguments: Arguments) -> Any:
        items = arguments[0] if arguments else ()
        if type(items) not in (list, tuple, set, frozenset):
            return StandIn(Name("builtins", make.__name__), arguments)
        budget.copy(len(items) * 16)
        return make([budget.safe_key(item) for item in items] if hash_items else items)

    return build


def _encoded_bytes(budget: Budget, arguments: Arguments) -> Any:
    """Build bytes from (text, encoding), as protocol 2 writes them."""
    text, encoding = arguments if len(arguments) == 2 else (None, None)
    if type(text) is not str or encoding not in ("latin1", "latin-1", "ascii", "utf-8"):
        return StandIn(Name("_codecs", "encode"), arguments)
    budget.copy(len(text))
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        raise Unreadable("it describes bytes in an unknown way") from error


def _bytes(budget: Budget, arguments: Arguments) -> Any:
    if not arguments:
        return b""
    if len(arguments) == 1 and type(arguments[0]) is bytes:
        return arguments[0]
    return _encoded_bytes(budget, arguments)


def _complex(budget: Budget, arguments: Arguments) -> Any:
    if len(arguments) == 2 and all(type(part) in (int, float) for part in arguments):
        return complex(*arguments)
    return StandIn(Name("builtins", "complex"), arguments)


def _plain_object(budget: Budget, arguments: Arguments) -> StandIn:
    """Build a stand-in from (class, base, value), as protocols 0 and 1 write any object."""
    kind = arguments[0] if arguments else None
    name = kind if type(kind) is Name else Name("builtins", "object")
    stand_in = StandIn(name, arguments)
    if len(arguments) == 3 and type(arguments[2]) is dict:
        stand_in.items = arguments[2]
    return stand_in


def _at_least(arguments: object, count: int) -> tuple[Any, ...]:
    if type(arguments) is not tuple or len(arguments) < count:
        raise Unreadable("it describes a tensor in an unknown way")
    return arguments


def _exactly(arguments: object, count: int) -> tuple[Any, ...]:
    if len(_at_least(arguments, count)) != count:
        raise Unreadable("it describes a tensor in an unknown way")
    return arguments  # type: ignore[return-value]


_LAYOUTS = {str(value): value for value in vars(torch).values() if isinstance(value, torch.layout)}
_TORCH_BUILDERS: dict[str, Builder] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_tensor_v3": _tensor_of_dtype,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
    "_rebuild_sparse_tensor": _sparse_tensor,
    "_rebuild_sparse_csr_tensor": _sparse_tensor,
    "_rebuild_qtensor": _quantized_tensor,
    "_rebuild_meta_tensor_no_storage": _meta_tensor,
    "_rebuild_nested_tensor": _nested_tensor,
    "_rebuild_wrapper_subclass": lambda budget, arguments: NoValues("is a tensor subclass"),
    "_rebuild_device_tensor_from_numpy": _device_tensor,
    "_rebuild_device_tensor_from_cpu_tensor": _device_tensor,
    "_rebuild_xla_tensor": _device_tensor,
}
BUILDERS: dict[tuple[str, str], Builder] = {
    **{("torch._utils", name): build for name, build in _TORCH_BUILDERS.items()},
    ("torch._tensor", "_rebuild_from_type_v2"): _tensor_subclass,
    ("torch.nn.parameter", "Parameter"): _parameter,
    ("torch.nn.parameter", "Buffer"): _parameter,
    ("fastai.torch_core", "_fa_rebuild_tensor"): _fastai_tensor,
    ("torch.storage", "_load_from_bytes"): _storage_of_bytes,
    ("torch.serialization", "_get_layout"): _layout,
    ("torch", "Size"): _size,
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "Counter"): _dict,
    ("collections", "defaultdict"): _defaultdict,
    ("collections", "deque"): _collection_builder(list, hash_items=False),
    ("builtins", "dict"): _dict,
    ("builtins", "list"): _collection_builder(list, hash_items=False),
    ("builtins", "tuple"): _collection_builder(tuple, hash_items=False),
    ("builtins", "set"): _collection_builder(set, hash_items=True),
    ("builtins", "frozenset"): _collection_builder(frozenset, hash_items=True),
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "complex"): _complex,
    ("_codecs", "encode"): _encoded_bytes,
    ("copyreg", "_reconstructor"): _plain_object,
    ("numpy.core.multiarray", "scalar"): numpy_values.scalar,
    ("numpy._core.multiarray", "scalar"): numpy_values.scalar,
}
