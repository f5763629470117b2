"""Networks of JAX: how they are called, compiled, sent and refused."""

import pickle
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen, nnx, serialization

import resnets
import saving
import small_resnet
import vog
from adapter_contract import assert_equal_runs, torch_options
from vog.data.inputs import NamedTensors
from vog.errors import FunctionError, ModelError
from vog.models.jax.programs import Programs
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

IMAGES, LABELS = small_resnet.data(channels_last=True)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    saving.save("linen in msgpack", tmp_path / "c")
    return tmp_path / "c"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is compiled, in order."""
    compiled: list[Any] = []
    run = Programs.run

    def recording(programs: Programs, key: Any, function: Any, *arguments: Any) -> Any:
        if key not in programs.compiled:
            compiled.append((key, programs))
        return run(programs, key, function, *arguments)

    monkeypatch.setattr(Programs, "run", recording)
    return compiled


def sizes(keys: list[Any]) -> set[int]:
    return {next(part for part in key if isinstance(part, tuple))[0] for key, _ in keys}


@pytest.mark.parametrize("count", [3, 9])
def test_one_compilation_serves_all_checkpoints(
    count: int, tmp_path: Path, keys: list[Any]
) -> None:
    """Three functions for the checks and three for the run, of two sizes of batches."""
    weights = small_resnet.weights(range(100, 100 * count + 100, 100))
    saving.save("linen in msgpack", tmp_path / "c", weights)
    vog.score(
        *(resnets.build_linen, tmp_path / "c", (IMAGES, LABELS), tmp_path / "run"),
        scores="all",
        batch_size=20,
        quiet=True,
    )
    assert sizes(keys) == {16, 20}
    assert len(keys) <= 6


def test_objects_are_models_too(checkpoints: Path, tmp_path: Path) -> None:
    """A module, a function that builds one, and a function with weights, without a scheme."""
    for number, value in enumerate(
        (resnets.build_linen(), resnets.build_linen, resnets.build_function())
    ):
        run = vog.score(
            value, checkpoints, (IMAGES, LABELS), tmp_path / str(number), scores="vog", quiet=True
        )
        expected = vog.score(**torch_options(), out=tmp_path / f"torch{number}", scores="vog")
        assert_equal_runs(run, expected)


class Perceptron(linen.Module):
    """A network of vectors, of which no axis holds colours."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(3)(linen.tanh(linen.Dense(8)(x)))


def save_perceptrons(folder: Path) -> Path:
    folder.mkdir()
    for step in range(3):
        variables = Perceptron().init(jax.random.key(step), jnp.zeros((1, 6)))
        (folder / f"{step}.msgpack").write_bytes(serialization.to_bytes(variables))
    return folder


VECTORS = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32), np.arange(20) % 3


def test_vectors_have_no_colours(tmp_path: Path) -> None:
    folder = save_perceptrons(tmp_path / "c")
    run = vog.score(Perceptron(), folder, VECTORS, tmp_path / "run", scores="all", quiet=True)
    assert "layout" not in run.question
    assert "grand@all" in run.score_columns


def test_the_layer_that_a_user_names(tmp_path: Path) -> None:
    folder = save_perceptrons(tmp_path / "c")
    words: dict[str, Any] = {"scores": "grand", "quiet": True}
    run = vog.score(Perceptron(), folder, VECTORS, tmp_path / "a", head="Dense_0", **words)
    expected = vog.score(Perceptron(), folder, VECTORS, tmp_path / "b", **words)
    assert run.table().equals(expected.table())
    for name, message in (
        ("Dense_7", "head='Dense_7': the model has no linear layer of that name. Expected one of"),
        ("Dense_1", "head='Dense_1': the output of this layer"),
    ):
        with pytest.raises(ModelError, match=message):
            vog.score(Perceptron(), folder, VECTORS, tmp_path / "c2", head=name, **words)
    apply, variables = Perceptron().apply, Perceptron().init(jax.random.key(0), jnp.zeros((1, 6)))
    with pytest.raises(
        vog.VogError, match="grand needs a model whose logits are the output of its"
    ):
        vog.score((apply, variables), folder, VECTORS, tmp_path / "d", **words)


class Shared(linen.Module):
    """A layer that is used twice: its gradient is not that of its last call alone."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        layer = linen.Dense(6)
        return layer(linen.tanh(layer(x)))


def test_a_last_layer_that_is_used_twice_is_none(tmp_path: Path) -> None:
    """The plain way differentiates by its weights, and sees both uses."""
    folder = tmp_path / "c"
    folder.mkdir()
    for step in range(3):
        variables = Shared().init(jax.random.key(step), jnp.zeros((1, 6)))
        (folder / f"{step}.msgpack").write_bytes(serialization.to_bytes(variables))
    run = vog.score(Shared(), folder, VECTORS, tmp_path / "run", scores="all", quiet=True)
    assert "vog@all" in run.score_columns
    assert "grand@all" not in run.score_columns


class Masked(linen.Module):
    @linen.compact
    def __call__(self, x: Any, mask: Any, train: bool = False) -> Any:
        return linen.Dense(3)(x * mask)


class Probabilities(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.softmax(linen.Dense(3)(x))


class Sequences(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(3)(x[:, None])


class Mixing(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(3)(x - x.mean(axis=0))


class Random(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.Dense(3)(linen.Dropout(0.5, deterministic=False)(x))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Masked(), "the module Masked is called with mask beside its inputs.*Return .lambda vari"),
        (Probabilities(), "returns probabilities"),
        (Sequences(), r"the model returns shape \(2, 1, 3\); expected one row an example"),
        (Mixing(), "answers differently when an example is alone|differ from those of"),
        (Random(), "cannot take a batch of shape .*(rng|RNG|PRNG)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_networks_that_are_refused(module: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for step in range(2):
        kernel = np.random.default_rng(step).normal(size=(6, 3)).astype(np.float32)
        params = {"Dense_0": {"kernel": kernel, "bias": np.zeros(3, np.float32)}}
        (folder / f"{step}.msgpack").write_bytes(serialization.to_bytes({"params": params}))
    with pytest.raises(ModelError, match=message):
        vog.score(module, folder, VECTORS, tmp_path / "run", scores="vog", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: 3, "returns int; expected a module of Flax or Equinox"),
        (lambda: (3, 4), r"returns \(int, int\); expected a module"),
    ],
)
def test_functions_that_build_no_network(
    value: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resnets, "build_other", value, raising=False)
    with pytest.raises(FunctionError, match=message):
        model_of(f"jax:{resnets.__file__}:build_other", ModelOptions())


def test_devices() -> None:
    assert str(model_of(resnets.build_linen(), ModelOptions(device="cpu")).device) == "cpu"
    with pytest.raises(ModelError, match="device='tpu:x': expected auto, cpu, cuda or cuda:i"):
        model_of(resnets.build_linen(), ModelOptions(device="tpu:x"))
    if not any(device.platform in ("gpu", "cuda") for device in jax.devices()):
        with pytest.raises(
            ModelError, match="device='cuda:0': JAX has no such device here; it has"
        ):
            model_of(resnets.build_linen(), ModelOptions(device="cuda:0"))


def test_inputs_are_one_array_of_floats() -> None:
    """Data of whole numbers are refused before a model sees them."""
    model = model_of(Perceptron(), ModelOptions())
    with pytest.raises(ModelError, match="inputs with several tensors; expected one array of flo"):
        model.place(NamedTensors({"x": torch.ones(2, 6), "mask": torch.ones(2, 6)}))
    with pytest.raises(ModelError, match="given inputs of int64; expected one array of floats"):
        model.place(torch.ones(2, 6, dtype=torch.int64))


def test_what_is_sent_is_built_again(checkpoints: Path, tmp_path: Path) -> None:
    request = {"data": (IMAGES, LABELS), "scores": "vog", "quiet": True}
    job = prepare(
        Request(resnets.build_linen, checkpoints, out=tmp_path / "run", **request)  # type: ignore[arg-type]
    )
    received = pickle.loads(pickle.dumps(job))
    assert received.model.adapter.programs.compiled == {}
    sweep(received.with_weights())
    expected = vog.score(resnets.build_linen, checkpoints, out=tmp_path / "b", **request)  # type: ignore[arg-type]
    assert vog.open(tmp_path / "run").table().equals(expected.table())

    class Local(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            return linen.Dense(3)(x)

    with pytest.raises(ModelError, match="cannot be sent to another process.*jax:file.py:function"):
        pickle.dumps(model_of(Local(), ModelOptions()))


def test_batches_are_halved_where_memory_runs_out(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Programs.run

    def small(programs: Programs, key: Any, function: Any, *arguments: Any) -> Any:
        if next(part for part in key if isinstance(part, tuple))[0] > 16:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes")
        return run(programs, key, function, *arguments)

    words: dict[str, Any] = {"scores": "vog", "batch_size": 20, "quiet": True}
    data = (IMAGES, LABELS)
    expected = vog.score(resnets.build_linen, checkpoints, data, tmp_path / "a", **words)
    monkeypatch.setattr(Programs, "run", small)
    halved = vog.score(resnets.build_linen, checkpoints, data, tmp_path / "b", **words)
    assert_equal_runs(halved, expected)


def test_memory_is_planned_by_the_compiler(checkpoints: Path, tmp_path: Path) -> None:
    job = prepare(
        Request(
            *(resnets.build_linen, checkpoints, (IMAGES, LABELS), tmp_path / "run"),
            scores="vog",
            quiet=True,
        )
    )
    assert (
        job.memory_plan.batch_size == small_resnet.ROWS
    )  # more than the 16 of a model that cannot tell
    taken = job.model.peak_bytes(
        lambda: job.observer(
            job.weights.last,
            job.model.place(torch.from_numpy(IMAGES)),
            torch.from_numpy(LABELS),
            job.needs,
        )
    )
    assert taken is not None
    assert taken > IMAGES.nbytes


def test_code_and_settings_identify_a_network() -> None:
    def identity(value: Any) -> dict[str, str]:
        return dict(model_of(value, ModelOptions()).identity())

    first = identity(Perceptron())
    assert first == identity(Perceptron())
    assert first["code"] != identity(Shared())["code"]
    wide = eqx.nn.MLP(2, 2, 8, 1, key=jax.random.key(0))
    narrow = eqx.nn.MLP(2, 2, 4, 1, key=jax.random.key(0))
    assert identity(wide)["architecture"] != identity(narrow)["architecture"]
    layers = [nnx.Linear(2, width, rngs=nnx.Rngs(0)) for width in (2, 3)]
    assert identity(layers[0])["architecture"] != identity(layers[1])["architecture"]


class Valued(linen.Module):
    """A network with a parameter that has the name of an attribute of containers."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        value = self.param("value", linen.initializers.normal(), (6,))
        return linen.Dense(3)(x * value)


def test_a_parameter_may_be_called_value(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for step in range(2):
        variables = Valued().init(jax.random.key(step), jnp.zeros((1, 6)))
        (folder / f"{step}.msgpack").write_bytes(serialization.to_bytes(variables))
    run = vog.score(Valued(), folder, VECTORS, tmp_path / "run", scores="all", quiet=True)
    assert "grand@all" in run.score_columns
