"""Read folders of torch.distributed.checkpoint (DCP), which FSDP and Accelerate write.

`.metadata` is a pickle, which is read as data. It says of which pieces each tensor consists, and
where in the `.distcp` files these are. Each piece is a file of `torch.save` in itself.
"""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from vog.checkpoints.readers.legacy_torch import read_legacy
from vog.checkpoints.safe_pickle import OpaqueKey, StandIn, Unreadable

METADATA = ".metadata"
_OPTIMIZER = "optim"
_TENSOR = "TensorStorageMetadata"
_DEEPEST = 8


@dataclass(frozen=True)
class _Piece:
    """A piece of a tensor, and where it is stored.

    Attributes:
        offsets: of its first element in the tensor, by axis.
        sizes: of the piece.
        file: the name of the file in the folder.
        start: of its bytes in the file.
        length: in bytes.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    file: str
    start: int
    length: int


def read_distributed(metadata: Path) -> dict[str, Any]:
    """Return the tensors of a folder in dicts, as they were saved, without those of the optimizer.

    Args:
        metadata: the file `.metadata` in the folder.

    Raises:
        Unreadable: a file is damaged or missing.
    """
    entries = _state(read_legacy(metadata).tree)
    tensors = _mapping(entries.get("state_dict_metadata"))
    paths = entries.get("planner_data")
    places = _places(_mapping(entries.get("storage_data")))
    content: dict[str, Any] = {}
    for name, entry in tensors.items():
        path = paths.get(name) if isinstance(paths, Mapping) else None
        keys = tuple(map(str, path)) if isinstance(path, tuple) and path else (str(name),)
        is_tensor = isinstance(entry, StandIn) and entry.name.name == _TENSOR
        if is_tensor and not keys[0].startswith(_OPTIMIZER) and len(keys) <= _DEEPEST:
            _put(content, keys, _read_tensor(metadata.parent, str(name), _state(entry), places))
    if not content:
        raise Unreadable("its .metadata names no tensor")
    return content


def _put(content: dict[str, Any], keys: tuple[str, ...], tensor: Tensor) -> None:
    for key in keys[:-1]:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            raise Unreadable(f"its .metadata has a tensor inside of a tensor, {key[:80]}")
    content[keys[-1]] = tensor


def _read_tensor(
    folder: Path, name: str, entry: Mapping[str, Any], places: Mapping[Any, Mapping[str, Any]]
) -> Tensor:
    """Return a tensor, put together from its pieces."""
    size, pieces = _numbers(entry.get("size")), list(_pieces(name, entry, places))
    if sum(math.prod(piece.sizes) for piece in pieces) != math.prod(size):
        raise Unreadable(f"the pieces of {name[:80]} do not add up to a tensor of shape {size}")
    if math.prod(size) > sum(piece.length for piece in pieces):
        raise Unreadable(f"the pieces of {name[:80]} are shorter than they declare")
    whole: Tensor | None = None
    covered = torch.zeros(size, dtype=torch.bool)
    for piece in pieces:
        part = _read_piece(folder, name, piece)
        if whole is None:
            whole = torch.empty(size, dtype=part.dtype)
        inside = all(
            offset + length <= total
            for offset, length, total in zip(piece.offsets, piece.sizes, size, strict=False)
        )
        has_axes = len(piece.offsets) == len(piece.sizes) == len(size)
        if (
            not has_axes
            or tuple(part.shape) != piece.sizes
            or part.dtype != whole.dtype
            or not inside
        ):
            raise Unreadable(f"a piece of {name[:80]} has another shape or type than it declares")
        place = zip(piece.offsets, piece.sizes, strict=True)
        where = tuple(slice(offset, offset + length) for offset, length in place)
        whole[where], covered[where] = part, True
    if whole is None or not bool(covered.all()):
        raise Unreadable(f"the pieces of {name[:80]} leave a part of it out")
    return whole


def _pieces(
    name: str, entry: Mapping[str, Any], places: Mapping[Any, Mapping[str, Any]]
) -> Iterator[_Piece]:
    for chunk in entry.get("chunks") or ():
        state = _state(chunk)
        offsets, sizes = _numbers(state.get("offsets")), _numbers(state.get("sizes"))
        place = places.get((name, offsets)) or places.get((name, None))
        if place is None:
            raise Unreadable(f"its .metadata does not say where a piece of {name[:80]} is")
        file, start, length = (place.get(key) for key in ("relative_path", "offset", "length"))
        if type(file) is not str or type(start) is not int or type(length) is not int:
            raise Unreadable(f"its .metadata does not say where a piece of {name[:80]} is")
        if place.get("transform_descriptors"):
            raise Unreadable("its pieces are compressed or encrypted, which is not read")
        yield _Piece(offsets, sizes, file, start, length)


def _places(storage: Mapping[Any, Any]) -> dict[Any, Mapping[str, Any]]:
    """Return where each piece is, by the name of its tensor and its offsets."""
    places: dict[Any, Mapping[str, Any]] = {}
    for key, info in storage.items():
        index = _state(key.value if isinstance(key, OpaqueKey) else key)
        offset = index.get("offset")
        place = (index.get("fqn"), None if offset is None else _numbers(offset))
        if place in places:
            raise Unreadable(f"its .metadata has two places for a piece of {str(place[0])[:80]}")
        places[place] = _state(info)
    return places


def _read_piece(folder: Path, name: str, piece: _Piece) -> Tensor:
    parts = PurePosixPath(piece.file).parts
    if len(parts) != 1 or parts[0] in ("..", "/") or "\\" in piece.file or "\0" in piece.file:
        raise Unreadable(f"its piece {piece.file[:80]!r} is not in the folder")
    path = folder / piece.file
    if not path.is_file():
        raise Unreadable(f"its file {piece.file[:80]} is missing")
    if piece.start < 0 or not 0 < piece.length <= path.stat().st_size - piece.start:
        raise Unreadable(f"its file {piece.file[:80]} is cut off")
    with path.open("rb") as file:
        file.seek(piece.start)
        stored = file.read(piece.length)
    try:
        tensor = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes fail in many ways
        raise Unreadable(f"the piece of {name[:80]} in {piece.file[:80]} is damaged") from error
    if not isinstance(tensor, Tensor):
        raise Unreadable(f"the piece of {name[:80]} in {piece.file[:80]} is no tensor")
    return tensor.detach()


def _state(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object of the file."""
    state = value.state if isinstance(value, StandIn) else None
    if not isinstance(state, Mapping):
        raise Unreadable("its .metadata has another form than torch.distributed.checkpoint writes")
    return state


def _mapping(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable("its .metadata has another form than torch.distributed.checkpoint writes")
    return value


def _numbers(value: Any) -> tuple[int, ...]:
    """Return a `torch.Size` of the file."""
    if isinstance(value, StandIn) and value.name.name == "Size" and len(value.arguments) == 1:
        value = value.arguments[0]
    if not isinstance(value, tuple | list) or any(type(n) is not int or n < 0 for n in value):
        raise Unreadable("its .metadata has a shape that is no list of whole numbers")
    return tuple(value)
