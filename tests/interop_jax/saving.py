"""Checkpoints of the small network as users of JAX save them, in each format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx, serialization

import resnets
import small_resnet
from small_resnet import Arrays


def linen_in_orbax(path: Path, arrays: Arrays) -> None:
    """A folder of a StandardCheckpointer with the state of training around the variables."""
    variables = resnets.linen_variables(arrays)
    moments = {"0": {"mu": variables["params"], "count": np.int32(7)}}
    _save_orbax(path, {**variables, "opt_state": moments, "step": 7})


def linen_in_manager(path: Path, arrays: Arrays) -> None:
    """A step of a CheckpointManager, in a folder named by its number."""
    with ocp.CheckpointManager(path.parent.absolute()) as manager:
        step = int(path.name)
        manager.save(step, args=ocp.args.StandardSave(resnets.linen_variables(arrays)))


def linen_in_msgpack(path: Path, arrays: Arrays) -> None:
    path.write_bytes(serialization.to_bytes(resnets.linen_variables(arrays)))


def linen_in_npz(path: Path, arrays: Arrays) -> None:
    """An archive by the names that this project gives variables."""
    np.savez(path, **dotted(resnets.linen_variables(arrays)))


def nnx_in_orbax(path: Path, arrays: Arrays) -> None:
    _, state = nnx.split(resnets.nnx_module(arrays))
    _save_orbax(path, state)


def nnx_as_dicts(path: Path, arrays: Arrays) -> None:
    _save_orbax(
        path, nnx.to_pure_dict(nnx.state(resnets.nnx_module(arrays), nnx.Not(nnx.RngState)))
    )


def equinox_leaves(path: Path, arrays: Arrays) -> None:
    eqx.tree_serialise_leaves(path, resnets.equinox_module(arrays))


def equinox_with_settings(path: Path, arrays: Arrays) -> None:
    """A first line of settings, then the leaves, as the documentation of Equinox does."""
    with path.open("wb") as file:
        file.write((json.dumps({"width": 16}) + "\n").encode())
        eqx.tree_serialise_leaves(file, resnets.equinox_module(arrays))


def _save_orbax(path: Path, tree: Any) -> None:
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), tree)


def dotted(tree: Any, path: str = "") -> dict[str, np.ndarray]:
    if not isinstance(tree, dict):
        return {path: np.ascontiguousarray(tree)}
    return {
        name: array
        for key, value in tree.items()
        for name, array in dotted(value, f"{path}.{key}".lstrip(".")).items()
    }


# By kind: the function of `resnets` that builds the model, how it is saved, and the names of files.
KINDS = {
    "linen in orbax": ("build_linen", linen_in_orbax, "step-{}"),
    "linen in a manager": ("build_linen", linen_in_manager, "{}"),
    "linen in msgpack": ("build_linen", linen_in_msgpack, "step-{}.msgpack"),
    "linen in npz": ("build_linen", linen_in_npz, "step-{}.npz"),
    "nnx in orbax": ("build_nnx", nnx_in_orbax, "step-{}"),
    "nnx as dicts": ("build_nnx", nnx_as_dicts, "step-{}"),
    "equinox": ("build_equinox", equinox_leaves, "step-{}.eqx"),
    "equinox with settings": ("build_equinox", equinox_with_settings, "step-{}.eqx"),
    "function": ("build_function", linen_in_msgpack, "step-{}.msgpack"),
}


def save(kind: str, folder: Path, weights: Mapping[int, Arrays] | None = None) -> list[Path]:
    """Save checkpoints of the small network, by default its three, and return their paths."""
    _, write, name = KINDS[kind]
    folder.mkdir(parents=True)
    paths = []
    for step, arrays in (small_resnet.weights() if weights is None else weights).items():
        paths.append(folder / name.format(step))
        write(paths[-1], arrays)
    return paths
