"""Read the arrays of a checkpoint of JAX by name: Orbax folders, msgpack, `.npz`, `.eqx`, others.

Nothing in a file is run. Arrays go through NumPy, so nothing of the devices that saved them stays.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vog.checkpoints import Reader
from vog.errors import CheckpointError, ModelError, first_few
from vog.models.jax.named_arrays import as_float32, flattened
from vog.models.jax.networks import Network
from vog.wording import option

_ORBAX = ("_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt", "_sharding")
_ENDINGS = (".msgpack", ".eqx", ".npz")
_BY_FLAX = re.compile(r"checkpoint_?\d+(\.\d+)?$")  # flax.training.checkpoints, without an ending


def reads_itself(path: Path) -> bool:
    """Return True if a path is a checkpoint of JAX: an Orbax folder, or a file of these formats."""
    if path.is_dir():
        # A folder of steps holds folders with numbers; the items of one step have names.
        items = [item for item in _items(path) if not any(map(str.isdigit, item.name))]
        return is_orbax(path) or any(map(is_orbax, items))
    return path.suffix.lower() in _ENDINGS or (path.is_file() and _is_msgpack(path))


def is_orbax(path: Path) -> bool:
    """Return True if a folder is one that Orbax wrote."""
    return any((path / name).exists() for name in _ORBAX)


def arrays_in(path: Path, reader: Reader, network: Network) -> Mapping[str, np.ndarray]:
    """Return all arrays of a checkpoint by name, floats in float32.

    Raises:
        CheckpointError: it cannot be read, or holds no arrays.
        ModelError: a library is not installed.
    """
    if reader.read is not None:
        arrays = _by_reader(path, Reader(None, reader.read))
    elif path.is_dir():
        arrays = flattened(_read_orbax(path))
    elif path.suffix.lower() == ".eqx":
        arrays = _read_leaves(path, network)
    elif path.suffix.lower() == ".npz":
        arrays = _read_npz(path)
    elif path.suffix.lower() == ".msgpack" or _is_msgpack(path):
        arrays = flattened(_read_msgpack(path))
    else:
        arrays = _by_reader(path, Reader(None, None))
    if not arrays:
        raise CheckpointError(
            f"checkpoint {path} holds no arrays. Expected a tree of weights; or give "
            f"{option('read', 'file.py:function')}."
        )
    return network.names_in_file(arrays)


def _by_reader(path: Path, reader: Reader) -> dict[str, np.ndarray]:
    """Return what our readers, or the user's function, read: tensors by name."""
    weights = reader.contents(path).weights
    tensors = {name: value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    arrays = {
        name: as_float32((tensor.float() if tensor.is_floating_point() else tensor).numpy())
        for name, tensor in tensors.items()
    }
    return {name: array for name, array in arrays.items() if array is not None}


def _read_leaves(path: Path, network: Network) -> Mapping[str, np.ndarray]:
    if network.leaves_reader is None:
        raise CheckpointError(
            f"checkpoint {path} is a file of Equinox, whose arrays have no names, and the model is "
            f"no module of Equinox. Expected an Orbax folder, .msgpack, .npz or .safetensors; or "
            f"give {option('read', 'file.py:function')}."
        )
    return network.leaves_reader(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return flattened({name: archive[name] for name in archive.files})
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, error, "an archive of arrays, as numpy.savez writes it") from error


def _is_msgpack(path: Path) -> bool:
    """Return True if a file without an ending begins as one of Flax does, with a map."""
    if path.suffix.lower() != ".msgpack" and not _BY_FLAX.search(path.name):
        return False
    with path.open("rb") as file:
        first = file.read(1)
    return first in (b"\xde", b"\xdf") or b"\x81" <= first <= b"\x8f"


def _read_msgpack(path: Path) -> Any:
    try:
        from flax import serialization
    except ModuleNotFoundError as error:
        raise _not_installed(path, error.name or "flax") from error
    try:
        return serialization.msgpack_restore(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # msgpack and NumPy raise many kinds for damaged bytes
        raise _damaged(path, error, "what flax.serialization writes") from error


def _read_orbax(path: Path) -> Any:
    """Return the tree in a folder, or the trees of its items by name."""
    try:
        import orbax.checkpoint as ocp
    except ModuleNotFoundError as error:
        raise _not_installed(path, "orbax-checkpoint") from error
    if _is_tree(path):
        return _restore(ocp, path)
    trees = {item.name: _restore(ocp, item) for item in _items(path) if _is_tree(item)}
    if not trees:
        entries = sorted(item.name for item in path.iterdir())
        raise CheckpointError(
            f"checkpoint {path} is no folder that Orbax finished: it has {first_few(entries)}. "
            f"Expected a tree of arrays; give {option('checkpoints')} the folder of a step."
        )
    return next(iter(trees.values())) if len(trees) == 1 else trees


def _is_tree(path: Path) -> bool:
    return (path / "_METADATA").exists() or (path / "manifest.ocdbt").exists()


def _items(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_dir())


def _restore(ocp: Any, path: Path) -> Any:
    """Return a tree with NumPy arrays, which need no device that the file names."""
    import jax

    try:
        checkpointer = ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
        tree = checkpointer.metadata(path.absolute()).item_metadata.tree
        as_numpy = jax.tree_util.tree_map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        arguments = ocp.args.PyTreeRestore(restore_args=as_numpy)
        return checkpointer.restore(path.absolute(), args=arguments)
    except Exception as error:  # Orbax and TensorStore raise many kinds for damaged folders
        raise _damaged(path, error, "a folder that orbax.checkpoint wrote to its end") from error


def _damaged(path: Path, error: Exception, expected: str) -> CheckpointError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return CheckpointError(
        f"checkpoint {path} is damaged or no checkpoint: {reason}. Expected {expected}. Leave it "
        f"out, or restore a copy."
    )


def _not_installed(path: Path, library: str) -> ModelError:
    return ModelError(
        f"checkpoint {path} needs {library}, which is not installed. Run: pip install 'vog[jax]'"
    )
