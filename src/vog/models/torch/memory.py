"""Memory of the tensors of PyTorch: how much is free, and how much a computation needs."""

import weakref
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vog import host_memory


def free_bytes(device: torch.device) -> int:
    """Return the free bytes of a device; in a container, at most what its limit leaves."""
    if device.type == "cuda":
        # Memory that the allocator of this process reserves and does not use is free as well.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return host_memory.free_bytes()


def ran_out(error: BaseException) -> bool:
    """Return True if an error says that memory ran out, on the processor or on a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release() -> None:
    """Give back the unused memory that allocators keep, after memory ran out."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    host_memory.release()


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Return the most bytes of new tensors that `work` holds at one time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _TensorCounter() as counter:
        work()
    return counter.peak


class _TensorCounter(TorchDispatchMode):
    """Counts the memory of the tensors that operations return, as long as they exist."""

    def __init__(self) -> None:
        super().__init__()
        self.current = self.peak = 0
        self.addresses: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: the default would import the compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the tensors that it returned, each memory once."""
        existing = {_address(leaf) for leaf in tree_leaves((args, kwargs)) if _has_storage(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _has_storage(leaf) and _address(leaf) not in existing | self.addresses:
                self._count(leaf)
        self.peak = max(self.peak, self.current)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage, address = tensor.untyped_storage(), _address(tensor)
        size = storage.nbytes()
        self.addresses.add(address)
        self.current += size
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self.addresses.discard(address)
        self.current -= size


def _has_storage(value: object) -> TypeGuard[Tensor]:
    """Return True for a tensor with one piece of memory; a sparse one has several."""
    return isinstance(value, Tensor) and value.layout is torch.strided


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
