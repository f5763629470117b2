"""Read the zip archives of `torch.save` without torch: the pickle and the bytes of storages.

Declared sizes are compared with the size of the file before anything is unpacked. Two records of
the same name are refused, because readers differ in which of the two they take.
"""

import io
import struct
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vog.checkpoints.readers.pickle_contents import PickleContents
from vog.checkpoints.safe_pickle import Budget, Machine, StorageRecord, Unreadable
from vog.errors import CheckpointError
from vog.wording import option

# torch.save does not compress, but a folder that was zipped again may be compressed.
_MOST_UNPACKED = 16
_LOCAL_HEADER = 30
_LOCAL_MAGIC = b"PK\x03\x04"
_DIRECTORY_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, zlib.error)
_ZIP_ERRORS = (
    *_DIRECTORY_ERRORS,
    ValueError,
    LookupError,
    EOFError,
    NotImplementedError,
    OverflowError,
)


def read_zip(path: Path) -> PickleContents:
    """Return the content of an archive's pickle; the storages are read only when they are used.

    Raises:
        Unreadable: the archive is damaged, or torch.save did not write it.
        CheckpointError: it is a TorchScript archive.
    """
    size = path.stat().st_size
    records = _records(path, size)
    roots = sorted({name.partition("/")[0] for name in records if name.endswith("/data.pkl")})
    roots = [root for root in roots if f"{root}/data.pkl" in records]
    _refuse_torchscript(path, records)
    if len(roots) != 1:
        raise Unreadable("it is a zip archive without the one data.pkl that torch.save writes")
    source = _Archive(path, size, roots[0], records)
    data, budget = source.record("data.pkl"), Budget(size)
    machine = Machine(io.BytesIO(data), len(data), budget, source.resolve_persistent_id)
    tree = machine.load()
    return PickleContents(tree, machine.names, machine.has_opaque_keys)


def record_names(path: Path) -> list[str]:
    """Return the names of an archive's records, or an empty list for other files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except _ZIP_ERRORS:
        return []


def _records(path: Path, size: int) -> dict[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _ZIP_ERRORS as error:
        raise Unreadable("it is a zip archive that is cut off or damaged") from error
    records = {record.filename: record for record in entries}
    if len(records) != len(entries):
        raise Unreadable("it is a zip archive with two records of one name")
    if sum(record.file_size for record in entries) > _MOST_UNPACKED * size:
        raise Unreadable("it unpacks to far more than its size")
    return records


def _refuse_torchscript(path: Path, records: dict[str, zipfile.ZipInfo]) -> None:
    parts = {tuple(name.split("/")[1:2]) for name in records}
    if ("constants.pkl",) in parts or ("code",) in parts:
        raise CheckpointError(
            f"checkpoint {path} is a TorchScript archive: a program with weights in it, of "
            f"torch.jit.save. It is not run here. If you trust the file, save the weights alone, "
            f"torch.save(torch.jit.load(FILE).state_dict(), OTHER), or give "
            f"{option('read', 'file.py:function')} that does."
        )


@dataclass(frozen=True)
class _Archive:
    """The records of one archive, from which storages are read."""

    path: Path
    size: int
    root: str
    records: dict[str, zipfile.ZipInfo]
    cache: dict[str, torch.UntypedStorage] = field(default_factory=dict)

    def resolve_persistent_id(self, pid: object) -> StorageRecord:
        """Return the storage for a persistent id: ("storage", type, key, location, elements)."""
        if type(pid) is not tuple or len(pid) != 5 or pid[0] not in ("storage", b"storage"):
            raise Unreadable("it refers to something that is no storage")
        _, kind, key, _, count = pid
        storage = StorageRecord.create(self, kind, key, count)
        if storage.size > self._record(f"data/{storage.key}").file_size:
            raise Unreadable(f"its storage {storage.key} is shorter than it declares")
        return storage

    def storage(self, key: str, dtype: torch.dtype) -> torch.UntypedStorage:
        """Return the bytes of a storage, read once."""
        if key not in self.cache:
            data = torch.empty(self._record(f"data/{key}").file_size, dtype=torch.uint8)
            self._read(f"data/{key}", data.numpy().data)
            storage = data.untyped_storage()
            if self._is_swapped():
                storage.byteswap(dtype)
            self.cache[key] = storage
        return self.cache[key]

    def record(self, name: str) -> bytes:
        """Return all bytes of a record."""
        data = bytearray(self._record(name).file_size)
        self._read(name, memoryview(data))
        return bytes(data)

    def _is_swapped(self) -> bool:
        has_byteorder = f"{self.root}/byteorder" in self.records
        return has_byteorder and self.record("byteorder") != sys.byteorder.encode()

    def _record(self, name: str) -> zipfile.ZipInfo:
        record = self.records.get(f"{self.root}/{name}")
        if record is None:
            raise Unreadable(f"its record {name[:100]} is missing")
        return record

    def _read(self, name: str, target: memoryview) -> None:
        record = self._record(name)
        if record.compress_type != zipfile.ZIP_STORED:
            self._unpack(record, target)
            return
        with self.path.open("rb") as file:
            file.seek(self._data_start(file, record))
            if file.readinto(target) != len(target):
                raise Unreadable(f"its record {name} is cut off")

    def _data_start(self, file: io.BufferedReader, record: zipfile.ZipInfo) -> int:
        """Return the offset of a record's bytes, which follow its local header."""
        file.seek(record.header_offset)
        header = file.read(_LOCAL_HEADER)
        if len(header) != _LOCAL_HEADER or header[:4] != _LOCAL_MAGIC or record.flag_bits & 1:
            raise Unreadable("it is a zip archive that is cut off or damaged")
        name, extra = struct.unpack_from("<HH", header, 26)
        return record.header_offset + _LOCAL_HEADER + name + extra

    def _unpack(self, record: zipfile.ZipInfo, target: memoryview) -> None:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(record) as packed:
                data = packed.read(len(target) + 1)
        except (*_ZIP_ERRORS, RuntimeError) as error:  # RuntimeError: the archive has a password
            raise Unreadable("it is a zip archive that is cut off or damaged") from error
        if len(data) != len(target):
            raise Unreadable("it is a zip archive that is cut off or damaged")
        target[:] = data
