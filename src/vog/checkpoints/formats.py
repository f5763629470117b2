"""Which format a file is of, by its first bytes: the ones that are read, and others by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vog.checkpoints.readers.torch_zip import record_names
from vog.errors import CheckpointError

Format = Literal["safetensors", "zip", "pickle"]
_HEAD = 512
_READ_IT = "Give --read file.py:function, which maps a path to the weights by name."
_SAVE_IT = f"Load it where it was made and save the weights with torch.save. {_READ_IT}"
_UNPACK = "Unpack it first."


@dataclass(frozen=True)
class _Foreign:
    """A format that is not read: what it is, and what to do."""

    what: str
    what_to_do: str = _READ_IT


_FIRST_BYTES = {
    b"\x89HDF\r\n\x1a\n": _Foreign("an HDF5 file, as Keras and h5py write it (.h5)"),
    b"GGUF": _Foreign("a GGUF file, of llama.cpp; its weights are for inference and often rounded"),
    b"\x93NUMPY": _Foreign("one NumPy array (.npy)"),
    b"version https://git-lfs": _Foreign(
        "a pointer of git-lfs and not the file itself", "Fetch it: git lfs pull."
    ),
    b"\x1f\x8b": _Foreign("compressed by gzip", _UNPACK),
    b"BZh": _Foreign("compressed by bzip2", _UNPACK),
    b"\xfd7zXZ": _Foreign("compressed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": _Foreign("compressed by zstd", _UNPACK),
    b"7z\xbc\xaf": _Foreign("a 7z archive", _UNPACK),
    b"PAR1": _Foreign("a Parquet file", "Correct --checkpoints."),
    b"\x89PNG": _Foreign("a PNG image", "Correct --checkpoints."),
    b"\xff\xd8\xff": _Foreign("a JPEG image", "Correct --checkpoints."),
    b"%PDF": _Foreign("a PDF file", "Correct --checkpoints."),
    b"ARROW1": _Foreign("an Arrow file", "Correct --checkpoints."),
    b"SQLite format 3": _Foreign("an SQLite database", "Correct --checkpoints."),
}
_TENSORFLOW = _Foreign("a part of a TensorFlow checkpoint (.index, .data-00000-of-00001)")
_WEB_PAGE = _Foreign(
    "a web page and no checkpoint: what was downloaded is a message, or a page to log in",
    "Download the file itself.",
)
_ADAPTER = _Foreign(
    "an adapter of PEFT, which holds what is added to a model and not its weights",
    f"Merge it into the model (merge_and_unload) and save that. {_READ_IT}",
)
_LAST_BYTES_OF_INDEX = bytes.fromhex("57fb808b247547db")  # of the tables of LevelDB and TensorFlow
_DCP_PART = _Foreign(
    "a part of a distributed checkpoint (DCP), whose folder is the checkpoint",
    "Give the file that torch.distributed.checkpoint.format_utils dcp_to_torch makes of the "
    f"folder. {_READ_IT}",
)
_ENDINGS = {
    ".onnx": _Foreign("an ONNX file: a graph with weights, whose names are often not the model's"),
    ".pb": _Foreign("a graph of TensorFlow (.pb)"),
    ".tflite": _Foreign("a TensorFlow Lite file"),
    ".msgpack": _Foreign("a file of Flax (.msgpack)"),
    ".h5": _Foreign("named as an HDF5 file of Keras (.h5), and is none"),
    ".orbax-checkpoint": _Foreign("a checkpoint of Orbax"),
}
_FOLDERS = {
    "_CHECKPOINT_METADATA": _Foreign("a checkpoint of Orbax (JAX)"),
    "manifest.ocdbt": _Foreign("a checkpoint of Orbax (JAX)"),
    "saved_model.pb": _Foreign("a SavedModel of TensorFlow"),
    ".metadata": _Foreign(
        "a distributed checkpoint (DCP, FSDP)",
        "Convert it to one file: python -m torch.distributed.checkpoint.format_utils "
        f"dcp_to_torch FOLDER FILE. {_READ_IT}",
    ),
    "adapter_config.json": _ADAPTER,
    "adapter_model.safetensors": _ADAPTER,
    "adapter_model.bin": _ADAPTER,
}


def recognise(path: Path) -> Format:
    """Return how a file is to be read.

    Raises:
        CheckpointError: it is of a format that is not read; the message names it.
        OSError: it cannot be opened.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, size - len(_LAST_BYTES_OF_INDEX)))
        tail = file.read()
    if not head:
        raise CheckpointError(
            f"checkpoint {path} is damaged or no checkpoint: it is empty (0 bytes). It was not "
            f"written to the end, or the disk was full. Leave it out, or bring back a copy."
        )
    foreign = _by_name(path) or _by_bytes(head, tail)
    if head.startswith(b"PK"):
        foreign = foreign or _of_zip(record_names(path))
        found: Format = "zip"
    elif _is_safetensors(head, size) or path.suffix.lower() == ".safetensors":
        found = "safetensors"
    else:
        foreign = foreign or _by_ending(path)
        found = "pickle"
    if foreign is not None:
        raise CheckpointError(f"checkpoint {path} is {foreign.what}. {foreign.what_to_do}")
    return found


def foreign_folder(path: Path) -> str | None:
    """Return what a folder of another format is and what to do, or None where it is none."""
    found = next((kind for name, kind in _FOLDERS.items() if (path / name).exists()), None)
    if found is None and any(path.glob("*.data-?????-of-?????")):
        found = _TENSORFLOW
    return None if found is None else f"is {found.what}. {found.what_to_do}"


def _by_name(path: Path) -> _Foreign | None:
    """Tell by a name that means one thing alone, whatever the bytes are."""
    if path.stem == "adapter_model":
        return _ADAPTER
    if path.suffix.lower() == ".distcp":  # which begins as an archive of torch.save does
        return _DCP_PART
    return _TENSORFLOW if ".data-0" in path.name else None


def _by_ending(path: Path) -> _Foreign | None:
    return _ENDINGS.get(path.suffix.lower())


def _by_bytes(head: bytes, tail: bytes) -> _Foreign | None:
    for first, kind in _FIRST_BYTES.items():
        if head.startswith(first):
            return kind
    if tail == _LAST_BYTES_OF_INDEX:
        return _TENSORFLOW
    return next((kind for is_it, kind in _TESTS if is_it(head)), None)


def _is_web_page(head: bytes) -> bool:
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html", b"<?xml", b"<head"))


def _is_json(head: bytes) -> bool:
    return head.lstrip()[:2] in (b'{"', b"{\n", b"{\r", b"{ ", b"[{")


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


_TESTS: tuple[tuple[Callable[[bytes], bool], _Foreign], ...] = (
    (_is_web_page, _WEB_PAGE),
    (_is_json, _Foreign("a JSON text", "Correct --checkpoints.")),
    (
        _is_tar,
        _Foreign(
            "a tar archive. If torch.save wrote it, it is of before version 0.1.10, whose format "
            "is not read",
            f"Unpack it if it holds checkpoints. {_SAVE_IT}",
        ),
    ),
)


def _of_zip(names: list[str]) -> _Foreign | None:
    """Tell what an archive is that has no `data.pkl`."""
    if not names or any(name.endswith("/data.pkl") for name in names):
        return None
    if "model.weights.h5" in names:
        return _Foreign("a file of Keras (.keras)")
    if all(name.endswith(".npy") for name in names):
        return _Foreign("an archive of NumPy arrays (.npz)")
    if any("serialized_exported_program" in name or "archive_format" in name for name in names):
        return _Foreign("a program of torch.export (.pt2)", _SAVE_IT)
    if any(name.endswith(("constants.pkl", "/bytecode.pkl")) for name in names):
        return None  # TorchScript, which the reader of archives names
    return _Foreign("a zip archive, and not one of torch.save", _UNPACK)


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= size - 8
