"""Read files of torch before 1.6, and pickles of tensors that were written without torch.save.

A file of `torch.save` has five pickles (a magic number, a version, the system, the content, the
keys of the storages) and then each storage: the number of its elements, and the elements.
"""

import io
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import torch

from vog.checkpoints.readers.pickle_contents import PickleContents
from vog.checkpoints.safe_pickle import Budget, Machine, StorageRecord, Unreadable

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_legacy(path: Path) -> PickleContents:
    """Return the content of a file of pickles; the storages are read only when they are used.

    Raises:
        Unreadable: the file has another format, or is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return read_stream(file, size, Budget(size), path)


def read_stream(
    file: BufferedIOBase, size: int, budget: Budget, path: Path | None = None
) -> PickleContents:
    """Return the content of a stream of pickles; `path` is given if the stream is a file.

    Raises:
        Unreadable: the stream has another format, or is damaged.
    """
    source = _Storages(path, b"" if isinstance(file, io.BufferedReader) else file.read(), {}, {})
    file.seek(0)
    machine = Machine(file, size, budget, source.resolve_persistent_id)
    tree = machine.load()
    if type(tree) is int and tree == _MAGIC:
        if machine.load() != _VERSION:
            raise Unreadable("it is of an unknown version of torch.save")
        machine.load()  # the system that wrote it; numbers are little-endian on every system
        tree = machine.load()
        source.locate(file, machine.load(), size)
    elif source.elements:
        raise Unreadable("it has storages, and is no file of torch.save")
    return PickleContents(tree, machine.names, machine.has_opaque_keys)


@dataclass(frozen=True)
class _Storages:
    """The storages of a stream, which are read when they are used.

    Attributes:
        data: the bytes of the stream if it is not a file.
        elements: the type and number of elements that the content declares, by key.
        starts: the offset of the first element, by key.
    """

    path: Path | None
    data: bytes
    elements: dict[str, tuple[torch.dtype, int]]
    starts: dict[str, int]
    cache: dict[str, torch.UntypedStorage] = field(default_factory=dict)

    def resolve_persistent_id(self, pid: object) -> object:
        """Return the value of a persistent id: a storage, or a class that comes with its source."""
        if type(pid) is not tuple or not pid:
            raise Unreadable("it refers to something that is no storage")
        kind, *rest = pid
        if kind in ("module", b"module") and rest:
            return rest[0]
        if kind not in ("storage", b"storage") or len(rest) != 5:
            raise Unreadable("it refers to something that is no storage")
        kind, key, _, count, view = rest
        whole = StorageRecord.create(self, kind, key, count)
        declared = self.elements.setdefault(whole.key, (whole.dtype, count))
        if declared != (whole.dtype, count):
            raise Unreadable("it declares one storage twice, in different ways")
        if view is None:
            return whole
        if type(view) is not tuple or len(view) != 3:
            raise Unreadable("it describes a storage in an unknown way")
        part = StorageRecord.create(self, kind, key, view[2], view[1])
        if part.start + part.size > whole.size:
            raise Unreadable("it has a view beyond its storage")
        return part

    def locate(self, file: BufferedIOBase, keys: Any, size: int) -> None:
        """Store the offset of each storage; `keys` are in the order of the stream."""
        if type(keys) is not list:
            raise Unreadable("it does not list its storages")
        position = file.tell()
        for key in map(str, keys):
            dtype, count = self.elements.get(key, (torch.uint8, -1))
            file.seek(position)
            if int.from_bytes(file.read(8), "little", signed=True) != count:
                raise Unreadable(f"its storage {key[:100]} is not of the size that it declares")
            self.starts[key] = position + 8
            position += 8 + count * dtype.itemsize
            if position > size:
                raise Unreadable(f"its storage {key[:100]} is cut off")

    def storage(self, key: str, dtype: torch.dtype) -> torch.UntypedStorage:
        """Return the bytes of a storage, read once."""
        if key not in self.starts:
            raise Unreadable(f"its storage {key[:100]} is missing")
        if key not in self.cache:
            stored_dtype, count = self.elements[key]
            data = torch.empty(count * stored_dtype.itemsize, dtype=torch.uint8)
            with self._stream() as file:
                file.seek(self.starts[key])
                if file.readinto(data.numpy().data) != len(data):
                    raise Unreadable(f"its storage {key[:100]} is cut off")
            self.cache[key] = data.untyped_storage()
        return self.cache[key]

    def _stream(self) -> BufferedIOBase:
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")
