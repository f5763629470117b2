"""Read weights in several files, with an index that gives the file of each tensor."""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from vog.errors import CheckpointError, first_few

# The index of a model of 700 billion parameters is 10 MB.
_LARGEST_INDEX = 2**28
_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")


def read_shards(index: Path, read: Callable[[Path], Mapping[str, Any]]) -> OrderedDict[str, Any]:
    """Return the tensors of all shards; `read` reads a single shard.

    Raises:
        CheckpointError: the index is not valid, or a shard or a tensor is missing.
    """
    files = _weight_map(index)
    weights: OrderedDict[str, Any] = OrderedDict()
    for name in dict.fromkeys(files.values()):
        shard = index.parent / name
        if not shard.is_file():
            raise CheckpointError(f"checkpoint {index}: its shard {name} is missing.")
        weights.update(read(shard))
    missing = [name for name in files if name not in weights]
    if missing:
        raise CheckpointError(
            f"checkpoint {index} names {len(missing)} tensors that its shards lack: "
            f"{first_few(missing)}. Restore the shards that were saved with it."
        )
    return weights


def _weight_map(index: Path) -> dict[str, str]:
    """Return the name of the file of each tensor, from the index."""
    if index.stat().st_size > _LARGEST_INDEX:
        raise _index_error(index, "it is larger than any")
    try:
        content = json.loads(index.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _index_error(index, "it is no JSON") from error
    files = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not files:
        raise _index_error(index, "it has no weight_map")
    bad_name = next((name for name, file in files.items() if not isinstance(file, str)), None)
    if bad_name is not None:
        raise _index_error(index, f"its weight_map has no file name for {bad_name!r:.80}")
    for file in dict.fromkeys(files.values()):
        _refuse_outside_folder(index, file)
    return files


def _refuse_outside_folder(index: Path, file: str) -> None:
    """Raise unless the name is that of a weights file in or below the folder of the index."""
    file_text = repr(file if len(file) <= 80 else f"{file[:80]}...")
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or "\0" in file or ":" in file:
        raise _index_error(index, f"its shard {file_text} is not in the folder of the index")
    if len(file) > 255 or not file.endswith(_ENDINGS):
        raise _index_error(index, f"its shard {file_text} is no name of a file of weights")


def _index_error(index: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {index} is no index of shards: {reason}. Expected "
        f'{{"weight_map": {{"NAME OF A TENSOR": "FILE IN THE SAME FOLDER", ...}}}}.'
    )
