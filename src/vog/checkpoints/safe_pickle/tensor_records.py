"""Descriptions of tensors in a file: checked at once, and turned into tensors when needed.

A description reads no numbers, so only the weights are read of a checkpoint with an optimizer.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from vog.checkpoints.safe_pickle.literal_opcodes import StorageType
from vog.checkpoints.safe_pickle.placeholders import Unreadable

_MOST_AXES = 64
_LARGEST_SIZE = 2**63 - 1


@runtime_checkable
class StorageSource(Protocol):
    """A source of the bytes of storages."""

    def storage(self, key: str, dtype: torch.dtype) -> torch.UntypedStorage:
        """Return the bytes of a storage, the same object for the same key.

        Raises:
            Unreadable: it is missing, or shorter than declared.
        """
        ...


@dataclass(frozen=True, eq=False)
class StorageRecord:
    """The `size` bytes under a key of the file from `start` on, with the type of their elements."""

    source: StorageSource
    key: str
    dtype: torch.dtype
    start: int
    size: int

    @classmethod
    def create(
        cls, source: StorageSource, kind: object, key: object, count: object, start: object = 0
    ) -> "StorageRecord":
        """Return the storage of a persistent id; `count` and `start` are numbers of elements."""
        if not isinstance(kind, StorageType) or not _are_sizes(count, start):
            raise Unreadable("it describes a storage in an unknown way")
        item_size = kind.dtype.itemsize
        assert isinstance(count, int)
        assert isinstance(start, int)
        return cls(source, str(key), kind.dtype, start * item_size, count * item_size)

    def bytes(self, dtype: torch.dtype) -> torch.UntypedStorage:
        """Return all bytes under the key, in the native byte order for the type."""
        return self.source.storage(self.key, dtype)


class TensorRecord:
    """The description of a tensor; `to_tensor` reads it."""

    shape: tuple[int, ...]

    def to_tensor(self) -> Tensor:
        """Return the tensor.

        Raises:
            Unreadable: it has no values, or the file does not have its bytes.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class DenseRecord(TensorRecord):
    """A dense tensor: elements of a storage."""

    storage: StorageRecord
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    conjugate: bool = False
    negative: bool = False
    cast: torch.dtype | None = None

    @classmethod
    def create(
        cls, storage: object, offset: object, shape: object, stride: object, dtype: Any = None
    ) -> "DenseRecord":
        """Return the tensor that a file describes, after checks.

        Raises:
            Unreadable: an argument is not valid, or the storage lacks some of the elements.
        """
        if type(storage) is not StorageRecord or not (dtype is None or type(dtype) is torch.dtype):
            raise Unreadable("it describes a tensor without a storage")
        shape, stride = _checked_axes(shape), _checked_axes(stride)
        if len(shape) != len(stride) or not _are_sizes(offset):
            raise Unreadable("it describes a tensor whose shape and strides differ")
        assert isinstance(offset, int)
        dtype = storage.dtype if dtype is None else dtype
        _refuse_outside(storage, dtype.itemsize, offset, shape, stride)
        return cls(storage, dtype, offset, shape, stride)

    def with_bits(self, conjugate: bool, negative: bool) -> "DenseRecord":
        """Return the tensor with the conjugate and negative bits of torch."""
        return replace(self, conjugate=conjugate, negative=negative)

    def to_tensor(self) -> Tensor:
        """Return the tensor; tensors of the same storage share its memory."""
        tensor = torch.empty(0, dtype=self.dtype)
        start, rest = divmod(self.storage.start, self.dtype.itemsize)
        if rest:
            raise Unreadable("it has a tensor that begins within an element")
        tensor = tensor.set_(
            self.storage.bytes(self.dtype), start + self.offset, self.shape, self.stride
        )
        if self.conjugate:
            tensor = tensor.conj().resolve_conj()
        if self.negative:
            tensor = -tensor
        return tensor if self.cast is None else tensor.to(self.cast)


@dataclass(frozen=True, eq=False)
class SparseRecord(TensorRecord):
    """A sparse tensor of any layout; `parts` are its indices and its values."""

    layout: torch.layout
    parts: tuple[DenseRecord, ...]
    shape: tuple[int, ...]
    coalesced: bool | None = None

    def to_tensor(self) -> Tensor:
        """Return the tensor, if its indices are within its shape."""
        parts = [part.to_tensor() for part in self.parts]
        try:
            if self.layout is torch.sparse_coo:
                indices, values = parts
                return torch.sparse_coo_tensor(
                    indices,
                    values,
                    self.shape,
                    check_invariants=True,
                    is_coalesced=self.coalesced,
                )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns that these layouts are in beta
                compressed, plain, values = parts
                return torch.sparse_compressed_tensor(
                    compressed,
                    plain,
                    values,
                    self.shape,
                    layout=self.layout,
                    check_invariants=True,
                )
        except (RuntimeError, TypeError, ValueError) as error:
            raise Unreadable("it has a sparse tensor whose indices do not fit") from error


@dataclass(frozen=True, eq=False)
class QuantizedRecord(TensorRecord):
    """A quantized tensor: integers with one scale, or with one scale per index of `axis`."""

    numbers: DenseRecord
    scales: Any
    zero_points: Any
    axis: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Return the shape."""
        return self.numbers.shape

    def to_tensor(self) -> Tensor:
        """Return the tensor."""
        plain = self.numbers
        # Strides may be 0, and torch allocates memory by shape before the storage is set.
        size = plain.dtype.itemsize
        for length in plain.shape:
            size *= length
        if size > plain.storage.size:
            raise Unreadable("it has a quantized tensor with more values than bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that these types are deprecated
            try:
                tensor = self._allocate()
                start = plain.storage.start // plain.dtype.itemsize + plain.offset
                return tensor.set_(
                    plain.storage.bytes(plain.dtype), start, plain.shape, plain.stride
                )
            except (RuntimeError, TypeError, ValueError, IndexError) as error:
                raise Unreadable("it has a quantized tensor whose scales do not fit") from error

    def _allocate(self) -> Tensor:
        plain = self.numbers
        if self.axis is None:
            return torch._empty_affine_quantized(  # type: ignore[reportPrivateImportUsage]
                plain.shape, scale=self.scales, zero_point=self.zero_points, dtype=plain.dtype
            )
        if not 0 <= self.axis < len(plain.shape):
            raise ValueError("axis")
        scales, zero_points = self.scales.to_tensor(), self.zero_points.to_tensor()
        if not len(scales) == len(zero_points) == plain.shape[self.axis]:
            raise ValueError("length")
        return torch._empty_per_channel_affine_quantized(  # type: ignore[reportPrivateImportUsage]
            plain.shape, scales=scales, zero_points=zero_points, axis=self.axis, dtype=plain.dtype
        )


@dataclass(frozen=True, eq=False)
class NoValues(TensorRecord):
    """A tensor whose values are not in the file or cannot be read, with the reason."""

    reason: str
    shape: tuple[int, ...] = ()

    def to_tensor(self) -> Tensor:
        """Raise `Unreadable` with the reason."""
        raise Unreadable(self.reason)


def _checked_axes(value: object) -> tuple[int, ...]:
    if type(value) not in (tuple, list) or len(value) > _MOST_AXES or not _are_sizes(*value):  # type: ignore[arg-type, misc]
        raise Unreadable("it describes a tensor without a shape")
    return tuple(value)  # type: ignore[arg-type]


def _are_sizes(*values: object) -> bool:
    return all(type(value) is int and 0 <= value <= _LARGEST_SIZE for value in values)


def _refuse_outside(
    storage: StorageRecord, item: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    count, last_element = 1, offset
    for length, step in zip(shape, stride, strict=True):
        count *= length
        last_element += (length - 1) * step
    if count > _LARGEST_SIZE:
        raise Unreadable("it describes a tensor of more than 2^63 values")
    needed = (last_element + 1) * item if count else offset * item
    if needed > storage.size:
        raise Unreadable("it has a tensor that is larger than its storage")


def shape_of(value: object) -> tuple[int, ...]:
    """Return a shape from a file, after a check.

    Raises:
        Unreadable: the value is not a shape.
    """
    return _checked_axes(value)
