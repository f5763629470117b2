"""Checkpoints of JAX in each format, and those that do not fit."""

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import torch
from flax import nnx, serialization, traverse_util
from flax.training.train_state import TrainState
from optax import adam
from safetensors.numpy import save_file

import resnets
import saving
import small_resnet
from vog.checkpoints import Reader
from vog.errors import CheckpointError
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.models.protocol import FittedWeights, Model

FIRST = small_resnet.STEPS[0]
ARRAYS = small_resnet.weights()[FIRST]
INPUTS = torch.from_numpy(small_resnet.data(channels_last=True)[0][:2])


def model(build: str, **reader: Any) -> Model:
    """Return a network that knows its tree, as a run on a few examples leaves it."""
    opened = model_of(f"jax:{resnets.__file__}:{build}", ModelOptions(reader=Reader(**reader)))
    if build != "build_linen":
        return opened
    variables = saving.dotted(resnets.linen_variables(ARRAYS))
    network = opened.adapter.network.with_tree(jnp.zeros((2, 16, 16, 3)), {})  # type: ignore[attr-defined]
    object.__setattr__(opened.adapter, "network", network)  # type: ignore[attr-defined]
    assert set(network.tree.names) == variables.keys()
    return opened


def values(fitted: FittedWeights) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in fitted.values.items()}


def assert_the_weights(fitted: FittedWeights) -> None:
    expected = saving.dotted(resnets.linen_variables(ARRAYS))
    actual = values(fitted)
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(actual[name], array), name


@pytest.mark.parametrize("kind", [kind for kind in saving.KINDS if kind.startswith("linen")])
def test_every_format_of_linen_gives_every_bit(kind: str, tmp_path: Path) -> None:
    path = saving.save(kind, tmp_path / "c", {FIRST: ARRAYS})[0]
    linen = model("build_linen")
    assert linen.reads_itself(path)
    assert not linen.reads_itself(tmp_path / "c")
    fitted = linen.read(path)
    assert_the_weights(fitted)
    assert ("opt_state" in fitted.notes.get("left aside", "")) == (kind == "linen in orbax")


@pytest.mark.parametrize("kind", ["nnx in orbax", "nnx as dicts"])
def test_every_format_of_nnx_gives_every_bit(kind: str, tmp_path: Path) -> None:
    path = saving.save(kind, tmp_path / "c", {FIRST: ARRAYS})[0]
    actual = values(model("build_nnx").read(path))
    expected = saving.dotted(resnets.nnx_state(ARRAYS))
    assert actual.keys() == expected.keys()
    assert all(np.array_equal(actual[name], array) for name, array in expected.items())


@pytest.mark.parametrize("kind", ["equinox", "equinox with settings"])
def test_every_format_of_equinox_gives_every_bit(kind: str, tmp_path: Path) -> None:
    path = saving.save(kind, tmp_path / "c", {FIRST: ARRAYS})[0]
    actual = values(model("build_equinox").read(path))
    for name in ("stem.conv.weight", "second.norm.bias", "head.weight", "head.bias"):
        assert np.array_equal(actual[name], ARRAYS[name])
    statistics = [array for name, array in actual.items() if name.startswith("state.")]
    for name in resnets.UNITS:
        for kind_of in ("running_mean", "running_var"):
            wanted = ARRAYS[f"{name}.norm.{kind_of}"]
            assert any(np.array_equal(wanted, array) for array in statistics), (name, kind_of)


def train_state() -> TrainState:
    variables = resnets.linen_variables(ARRAYS)

    class WithStatistics(TrainState):
        batch_stats: Any

    return WithStatistics.create(
        apply_fn=None,
        params=variables["params"],
        tx=adam(1e-3),
        batch_stats=variables["batch_stats"],
    )


def whole_state_in_msgpack(path: Path) -> Path:
    path = path / "checkpoint_7"  # as flax.training.checkpoints names it, without an ending
    path.write_bytes(serialization.to_bytes(train_state()))
    return path


def whole_state_in_orbax(path: Path) -> Path:
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save((path / "7").absolute(), {"state": train_state(), "config": {"width": 8}})
    return path / "7"


def items_of_a_manager(path: Path) -> Path:
    with ocp.CheckpointManager(path.absolute(), item_names=("state", "extra")) as manager:
        items = {
            "state": ocp.args.StandardSave(resnets.linen_variables(ARRAYS)),
            "extra": ocp.args.JsonSave({"seed": 3}),
        }
        manager.save(7, args=ocp.args.Composite(**items))
    return path / "7"


def in_safetensors(path: Path) -> Path:
    save_file(saving.dotted(resnets.linen_variables(ARRAYS)), path / "7.safetensors")
    return path / "7.safetensors"


def below_two_keys(path: Path) -> Path:
    variables = resnets.linen_variables(ARRAYS)
    path = path / "7.msgpack"
    path.write_bytes(serialization.to_bytes({"model": {"variables": variables}, "epoch": 3}))
    return path


@pytest.mark.parametrize(
    "save",
    [
        whole_state_in_msgpack,
        whole_state_in_orbax,
        items_of_a_manager,
        in_safetensors,
        below_two_keys,
    ],
)
def test_the_weights_among_the_rest_of_training(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = save(tmp_path)
    linen = model("build_linen")
    assert linen.reads_itself(path) or path.suffix == ".safetensors"
    assert_the_weights(linen.read(path))


def test_small_floats_become_float32(tmp_path: Path) -> None:
    variables = {"params": resnets.linen_variables(ARRAYS)["params"]}
    small = traverse_util.path_aware_map(lambda _, a: jnp.asarray(a, jnp.bfloat16), variables)
    statistics = resnets.linen_variables(ARRAYS)["batch_stats"]
    (tmp_path / "7.msgpack").write_bytes(
        serialization.to_bytes({**small, "batch_stats": statistics})
    )
    actual = values(model("build_linen").read(tmp_path / "7.msgpack"))
    kernel = ARRAYS["head.weight"].T
    assert actual["params.head.kernel"].dtype == np.float32
    np.testing.assert_array_equal(
        actual["params.head.kernel"], np.asarray(jnp.asarray(kernel, jnp.bfloat16), np.float32)
    )


def test_the_place_that_is_named(tmp_path: Path) -> None:
    """`weights` names averages, and what they lack is taken from the whole file."""
    variables = resnets.linen_variables(ARRAYS)
    averages = resnets.linen_variables(small_resnet.weights()[300])["params"]
    content = {**variables, "ema_params": averages, "again": {"params": variables["params"]}}
    (tmp_path / "7.msgpack").write_bytes(serialization.to_bytes(content))
    actual = values(model("build_linen", weights="ema_params").read(tmp_path / "7.msgpack"))
    np.testing.assert_array_equal(actual["params.head.kernel"], averages["head"]["kernel"])
    mean = variables["batch_stats"]["stem"]["norm"]["mean"]
    np.testing.assert_array_equal(actual["batch_stats.stem.norm.mean"], mean)
    assert_the_weights(model("build_linen").read(tmp_path / "7.msgpack"))
    with pytest.raises(CheckpointError, match="has nothing at weights='ema'; it has .*again"):
        model("build_linen", weights="ema").read(tmp_path / "7.msgpack")


def read_backwards(path: Path) -> dict[str, np.ndarray]:
    """A function of a user that reads a checkpoint."""
    with np.load(path) as archive:
        return {name[::-1]: archive[name] for name in archive.files}


def test_a_function_of_the_user(tmp_path: Path) -> None:
    arrays = saving.dotted(resnets.linen_variables(ARRAYS))
    np.savez(tmp_path / "7.npz", **{name[::-1]: array for name, array in arrays.items()})
    assert_the_weights(model("build_linen", read=read_backwards).read(tmp_path / "7.npz"))


def changed(change: Callable[[dict[str, np.ndarray]], object], folder: Path) -> Path:
    """Write the arrays of linen after a change of them."""
    arrays = saving.dotted(resnets.linen_variables(ARRAYS))
    change(arrays)
    np.savez(folder / "step-7.npz", **arrays)
    return folder / "step-7.npz"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("params.head.bias"), r"only in the model: params.head.bias \(10,\)"),
        (lambda a: a.pop("batch_stats.stem.norm.var"), "only in the model: batch_stats.stem.norm"),
        (
            lambda a: a.update({"params.head2.bias": np.zeros(4, np.float32)}),
            r"only in the file:  params.head2.bias \(4,\)",
        ),
        (
            lambda a: a.update({"params.head.bias": np.zeros(4, np.float32)}),
            r"params.head.bias: \(4,\) in the file, \(10,\) in the model",
        ),
        (
            lambda a: (
                a.update({f"twin.{name}": array for name, array in a.items()})
                or [a.update({f"other.{n}": a.pop(n)}) for n in list(a) if n.startswith("params")]
            ),
            "holds the model several times, under other.params., twin.params.",
        ),
        (lambda a: a.clear(), "holds no arrays"),
        (
            lambda a: (
                [a.update({n.removeprefix("params."): a.pop(n)}) for n in list(a)]
                + [a.update({"third.conv.kernel": np.zeros(4, np.float32)})]
            ),
            r"only in the file:  third.conv.kernel \(4,\)",
        ),
        (
            lambda a: a.update({"params.head.bias": np.full(10, np.nan, np.float32)}),
            "NaN or infinite values in params.head.bias. Training diverged",
        ),
    ],
)
def test_what_does_not_fit(
    change: Callable[[dict[str, np.ndarray]], object], message: str, tmp_path: Path
) -> None:
    path = changed(change, tmp_path)
    with pytest.raises(CheckpointError, match=f"checkpoint {re.escape(str(path))}.*") as caught:
        model("build_linen").read(path)
    assert re.search(message, str(caught.value)), caught.value


def test_leaves_of_equinox_that_do_not_fit(tmp_path: Path) -> None:
    module, state = resnets.equinox_module(ARRAYS)
    equinox = model("build_equinox")
    eqx.tree_serialise_leaves(tmp_path / "1.eqx", module)
    with pytest.raises(CheckpointError, match=r"does not fit the model: .*leaves of \(module, sta"):
        equinox.read(tmp_path / "1.eqx")
    eqx.tree_serialise_leaves(tmp_path / "2.eqx", (module, state, jnp.zeros(3)))
    with pytest.raises(CheckpointError, match="it holds more leaves"):
        equinox.read(tmp_path / "2.eqx")
    other = eqx.tree_at(lambda m: m.dropout.p, module, 0.25)
    eqx.tree_serialise_leaves(tmp_path / "3.eqx", (other, state))
    with pytest.raises(CheckpointError, match="a setting is 0.25 in the file and 0.5 in the mod"):
        equinox.read(tmp_path / "3.eqx")
    with pytest.raises(CheckpointError, match="is a file of Equinox, whose arrays have no names"):
        model("build_linen").read(tmp_path / "1.eqx")
    nnx_file = tmp_path / "4.msgpack"
    state = nnx.state(resnets.build_nnx(), nnx.Not(nnx.RngState))
    nnx_file.write_bytes(serialization.to_bytes(nnx.to_pure_dict(state)))
    with pytest.raises(CheckpointError, match="only in the file"):
        model("build_linen").read(nnx_file)


@pytest.mark.parametrize("kind", ["linen in msgpack", "linen in npz", "equinox", "linen in orbax"])
def test_damaged_files_are_refused_or_read_whole(kind: str, tmp_path: Path) -> None:
    """A flipped bit, or a file cut off, ends in CheckpointError or in arrays of these shapes."""
    path = saving.save(kind, tmp_path / "c", {FIRST: ARRAYS})[0]
    reader, dice = model(saving.KINDS[kind][0]), random.Random(0)
    shapes = {name: array.shape for name, array in values(reader.read(path)).items()}
    refused = 0
    for turn in range(20):
        copy = tmp_path / f"{turn}{path.suffix}"
        shutil.copytree(path, copy) if path.is_dir() else shutil.copy(path, copy)
        files = [file for file in copy.rglob("*") if file.is_file()] if copy.is_dir() else [copy]
        file = dice.choice([file for file in files if file.stat().st_size])
        content = bytearray(file.read_bytes())
        if turn % 2:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        else:
            del content[dice.randrange(len(content)) :]
        file.write_bytes(bytes(content))
        try:
            fitted = reader.read(copy)
        except CheckpointError:
            refused += 1
        else:
            assert {name: array.shape for name, array in values(fitted).items()} == shapes
    assert refused >= 3  # Orbax does not read all of its files, and msgpack has no checksum
