"""The format of a checkpoint file, from its bytes and name; formats not read are named."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vog.checkpoints.readers.leveldb_table import MAGIC
from vog.checkpoints.readers.torch_zip import record_names
from vog.checkpoints.tensorflow_paths import data_without_index
from vog.errors import CheckpointError
from vog.wording import option

Format = Literal["safetensors", "zip", "npz", "pickle"]
_HEAD_BYTES = 512
_USE_FUNCTION = "Give {read}, which maps a path to the weights by name."
_SAVE_WEIGHTS = f"Load it where it was made and save the weights with torch.save. {_USE_FUNCTION}"
_UNPACK = "Unpack it first."


@dataclass(frozen=True)
class _ForeignFormat:
    """A format that is not read.

    Attributes:
        description: completes the sentence "the checkpoint is ...".
        advice: sentences that say what to do; `{read}` and `{checkpoints}` stand for options.
    """

    description: str
    advice: str = _USE_FUNCTION

    def sentence(self) -> str:
        """Return `is DESCRIPTION. ADVICE`, with the options as the caller writes them."""
        read, checkpoints = option("read", "file.py:function"), option("checkpoints")
        return f"is {self.description}. {self.advice.format(read=read, checkpoints=checkpoints)}"


_FIRST_BYTES = {
    b"\x89HDF\r\n\x1a\n": _ForeignFormat("an HDF5 file, as Keras and h5py write it (.h5)"),
    b"GGUF": _ForeignFormat(
        "a GGUF file, of llama.cpp; its weights are for inference and often rounded"
    ),
    b"\x93NUMPY": _ForeignFormat("one NumPy array (.npy)"),
    b"version https://git-lfs": _ForeignFormat(
        "a pointer of git-lfs and not the file itself", "Fetch it: git lfs pull."
    ),
    b"\x1f\x8b": _ForeignFormat("compressed by gzip", _UNPACK),
    b"BZh": _ForeignFormat("compressed by bzip2", _UNPACK),
    b"\xfd7zXZ": _ForeignFormat("compressed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": _ForeignFormat("compressed by zstd", _UNPACK),
    b"7z\xbc\xaf": _ForeignFormat("a 7z archive", _UNPACK),
    b"PAR1": _ForeignFormat("a Parquet file", "Correct {checkpoints}."),
    b"\x89PNG": _ForeignFormat("a PNG image", "Correct {checkpoints}."),
    b"\xff\xd8\xff": _ForeignFormat("a JPEG image", "Correct {checkpoints}."),
    b"%PDF": _ForeignFormat("a PDF file", "Correct {checkpoints}."),
    b"ARROW1": _ForeignFormat("an Arrow file", "Correct {checkpoints}."),
    b"SQLite format 3": _ForeignFormat("an SQLite database", "Correct {checkpoints}."),
}
_TABLE = _ForeignFormat(
    "a table of LevelDB or a TensorFlow checkpoint of the first version, which is one file",
    "Save it again with tf.compat.v1.train.Saver, which writes .index and .data files. "
    f"{_USE_FUNCTION}",
)
_ONLY_DATA = _ForeignFormat(
    "data of TensorFlow checkpoints without their .index files", "Copy these into the same folder."
)
_WEB_PAGE = _ForeignFormat(
    "a web page and no checkpoint: what was downloaded is a message, or a page to log in",
    "Download the file itself.",
)
_ADAPTER = _ForeignFormat(
    "an adapter of PEFT, which holds what is added to a model and not its weights",
    "Give the model of transformers that it was added to, or that model with the adapter. "
    f"{_USE_FUNCTION}",
)
_DCP_PART = _ForeignFormat(
    "a part of a distributed checkpoint (DCP), whose folder is the checkpoint",
    "Give the folder.",
)
_ZERO = _ForeignFormat(
    "a checkpoint of DeepSpeed ZeRO-3, whose weights are in pieces",
    f"Put them together with the zero_to_fp32.py beside it: python zero_to_fp32.py . FILE. "
    f"{_USE_FUNCTION}",
)
_FOREIGN_SUFFIXES = {
    ".onnx": _ForeignFormat(
        "an ONNX file: a graph with weights, whose names are often not the model's"
    ),
    ".pb": _ForeignFormat("a graph of TensorFlow (.pb)"),
    ".tflite": _ForeignFormat("a TensorFlow Lite file"),
    ".msgpack": _ForeignFormat("a file of Flax (.msgpack)"),
    ".h5": _ForeignFormat("named like an HDF5 file of Keras (.h5), but is not one"),
    ".orbax-checkpoint": _ForeignFormat("a checkpoint of Orbax"),
}
_FOLDERS = {
    "_CHECKPOINT_METADATA": _ForeignFormat("a checkpoint of Orbax (JAX)"),
    "manifest.ocdbt": _ForeignFormat("a checkpoint of Orbax (JAX)"),
    "saved_model.pb": _ForeignFormat(
        "a SavedModel of TensorFlow without variables/variables.index",
        f"Copy the whole folder. {_USE_FUNCTION}",
    ),
    "adapter_config.json": _ADAPTER,
    "adapter_model.safetensors": _ADAPTER,
    "adapter_model.bin": _ADAPTER,
}


def detect_format(path: Path) -> Format:
    """Return the format of a file.

    Raises:
        CheckpointError: the file has a format that is not read, which the message names.
        OSError: it cannot be opened.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, size - len(MAGIC)))
        tail = file.read()
    if not head:
        raise CheckpointError(
            f"checkpoint {path} is damaged or no checkpoint: it is empty (0 bytes). It was not "
            f"written to the end, or the disk was full. Leave it out, or restore a copy."
        )
    foreign = _foreign_by_name(path) or _foreign_by_bytes(head, tail)
    if head.startswith(b"PK"):
        foreign = foreign or _foreign_zip(record_names(path))
        is_npz = path.suffix.lower() == ".npz" or _has_only_arrays(record_names(path))
        file_format: Format = "npz" if is_npz else "zip"
    elif _is_safetensors(head, size) or path.suffix.lower() == ".safetensors":
        file_format = "safetensors"
    else:
        foreign = foreign or _foreign_by_suffix(path)
        file_format = "pickle"
    if foreign is not None:
        raise CheckpointError(f"checkpoint {path} {foreign.sentence()}")
    return file_format


def describe_foreign_folder(path: Path) -> str | None:
    """Return what another tool's checkpoint folder is and what to do, or None for other folders."""
    foreign = next((kind for name, kind in _FOLDERS.items() if (path / name).exists()), None)
    if foreign is None and any(path.glob("*zero_pp_rank_*_model_states.pt")):
        foreign = _ZERO
    if foreign is None and data_without_index(path):
        foreign = _ONLY_DATA
    return None if foreign is None else foreign.sentence()


def _foreign_by_name(path: Path) -> _ForeignFormat | None:
    """Return the format if the file name alone is enough to know it, else None."""
    if path.stem == "adapter_model":
        return _ADAPTER
    if path.suffix.lower() == ".distcp":  # its bytes begin like an archive of torch.save
        return _DCP_PART
    return None


def _foreign_by_suffix(path: Path) -> _ForeignFormat | None:
    return _FOREIGN_SUFFIXES.get(path.suffix.lower())


def _foreign_by_bytes(head: bytes, tail: bytes) -> _ForeignFormat | None:
    for first_bytes, foreign in _FIRST_BYTES.items():
        if head.startswith(first_bytes):
            return foreign
    if tail == MAGIC:
        return _TABLE
    return next((foreign for has_format, foreign in _TESTS_OF_HEAD if has_format(head)), None)


def _is_web_page(head: bytes) -> bool:
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html", b"<?xml", b"<head"))


def _is_json(head: bytes) -> bool:
    return head.lstrip()[:2] in (b'{"', b"{\n", b"{\r", b"{ ", b"[{")


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


_TESTS_OF_HEAD: tuple[tuple[Callable[[bytes], bool], _ForeignFormat], ...] = (
    (_is_web_page, _WEB_PAGE),
    (_is_json, _ForeignFormat("a JSON text", "Correct {checkpoints}.")),
    (
        _is_tar,
        _ForeignFormat(
            "a tar archive. If torch.save wrote it, then before version 0.1.10, whose format is "
            "not read",
            f"Unpack it if it holds checkpoints. {_SAVE_WEIGHTS}",
        ),
    ),
)


def _foreign_zip(names: list[str]) -> _ForeignFormat | None:
    """Return the format of a zip archive without `data.pkl`, or None if a reader takes it."""
    if not names or any(name.endswith("/data.pkl") for name in names):
        return None
    if "model.weights.h5" in names:
        return _ForeignFormat("a file of Keras (.keras)")
    if _has_only_arrays(names):
        return None
    if any("serialized_exported_program" in name or "archive_format" in name for name in names):
        return _ForeignFormat("a program of torch.export (.pt2)", _SAVE_WEIGHTS)
    if any(name.endswith(("constants.pkl", "/bytecode.pkl")) for name in names):
        return None  # TorchScript, which `read_zip` refuses with its own message
    return _ForeignFormat("a zip archive, and not one of torch.save", _UNPACK)


def _has_only_arrays(names: list[str]) -> bool:
    return bool(names) and all(name.endswith(".npy") for name in names)


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= size - 8
