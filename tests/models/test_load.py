"""`vog.models.load`: which adapter opens what a user gives, and no framework that is not used."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vog
import world
from command_line import TESTS
from vog.errors import FunctionError, ModelError
from vog.models import load
from vog.models.load import check_model, model_of
from vog.models.options import Adapter, ModelOptions
from vog.models.torch.adapter import TorchModel
from vog.result import data_location
from vog.wording import for_command_line

Data = tuple[np.ndarray, np.ndarray]
OPTIONS = ModelOptions()


@pytest.fixture
def without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX is not there, also where it is installed."""
    monkeypatch.setitem(sys.modules, "jax", None)


def test_a_name_without_a_scheme_is_that_of_a_function() -> None:
    model = model_of(f"{TESTS / 'world.py'}:build", OPTIONS)
    assert isinstance(model, TorchModel)
    assert isinstance(model.module, world.Network)


@pytest.mark.parametrize("scheme", ["tf9", "world", "C"])
def test_an_unknown_scheme_is_no_scheme(scheme: str) -> None:
    """It is a part of the name, as it was before there were schemes."""
    with pytest.raises(FunctionError, match=f"'{scheme}:net.py:build': there is no file"):
        model_of(f"{scheme}:net.py:build", OPTIONS)


@pytest.mark.usefixtures("without_jax")
def test_a_framework_that_is_not_installed() -> None:
    """The message names the extra, before the function is looked for."""
    with pytest.raises(ModelError, match=r"jax:net.py:build'?: jax is not installed.*'vog\[jax\]'"):
        model_of("jax:net.py:build", OPTIONS)
    with (
        for_command_line(),
        pytest.raises(ModelError, match="^--model jax:net.py:build: jax is not installed"),
    ):
        model_of("jax:net.py:build", OPTIONS)


@pytest.mark.usefixtures("without_jax")
@pytest.mark.parametrize("value", [(len, {"a": np.ones(3)}), (1, 2, 3), object()])
def test_what_is_no_network_without_jax(value: Any) -> None:
    with pytest.raises(FunctionError, match="not an nn.Module, and no object with `observe`, nor"):
        model_of(lambda: value, OPTIONS)


class Network:
    """An object whose class comes from Flax, judging by its module."""

    __module__ = "flax.linen.module"


def test_a_network_is_known_by_its_classes() -> None:
    """Without importing the framework."""

    class Mine(Network):
        pass

    kinds = {adapter.kind: adapter for adapter in load.ADAPTERS}
    opens = kinds["a network of Flax or Equinox"].opens
    assert opens(Mine())
    assert opens((Mine(), {}))
    assert not opens(Mine)
    assert not opens(world.build())
    with pytest.raises(ModelError, match="the model is a network of Flax or Equinox, which is bui"):
        check_model(Mine(), ModelOptions({"width": 3}))


def test_nothing_of_a_framework_is_imported_that_is_not_used(tmp_path: Path) -> None:
    code = "import sys, vog, vog.models.load; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    names = set(printed.stdout.split())
    assert "vog.models.jax.open_network" in names
    assert not names & {"jax", "flax", "equinox", "orbax", "tensorflow", "keras"}


def test_a_scheme_stands_in_the_question_and_its_file_is_where_it_was(
    monkeypatch: pytest.MonkeyPatch, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    """A name with a scheme is found again from another folder."""

    def of_name(rest: str, options: ModelOptions) -> Any:
        return model_of(rest, options)

    no_object = load.ADAPTERS[-1].model
    adapter = Adapter("a network", lambda _: False, no_object, scheme="own", of_name=of_name)
    monkeypatch.setattr(load, "ADAPTERS", (*load.ADAPTERS, adapter))
    (tmp_path / "scheme_net.py").write_text("from world import build\n")
    monkeypatch.chdir(tmp_path)
    run = vog.score("own:scheme_net.py:build", checkpoints, digits, tmp_path / "run", quiet=True)
    assert run.question["where"]["model"] == "own:scheme_net.py:build"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    place = data_location.current_location(run, "model")
    assert place == f"own:{tmp_path / 'scheme_net.py'}:build"
    (tmp_path / "scheme_net.py").unlink()
    assert data_location.current_location(run, "model") == "own:scheme_net.py:build"


@pytest.mark.parametrize("spec", ["tf1:net.py:logits", "savedmodel:{folder}"])
def test_tensorflow_that_is_not_installed(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelError, match=r"tensorflow is not installed.*'vog\[tensorflow\]'"):
        model_of(spec.format(folder=tmp_path), OPTIONS)


def test_a_folder_that_is_no_saved_model(tmp_path: Path) -> None:
    """Said before TensorFlow is imported, which takes seconds."""
    with pytest.raises(ModelError, match=r"savedmodel:.*: it has no saved_model\.pb"):
        model_of(f"savedmodel:{tmp_path}", OPTIONS)
    with pytest.raises(ModelError, match=r"savedmodel:.*: there is no such folder"):
        model_of(f"savedmodel:{tmp_path / 'none'}", OPTIONS)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelError, match="a SavedModel is built already"):
        model_of(f"savedmodel:{tmp_path}", ModelOptions(args={"width": 3}))


def _kind(module: str, *bases: type) -> type:
    return type("Model", bases, {"__module__": module})


def test_a_model_of_keras_is_known_by_its_classes() -> None:
    """Also on PyTorch, where it is a module too: as one, all its scores would be 0."""
    opens = load.ADAPTERS[0].opens
    of_torch = _kind("keras.src.models.model", torch.nn.Module)
    for kind in (of_torch, _kind("keras.src.models.model"), _kind("tf_keras.src.engine.training")):
        assert opens(type("Mine", (kind,), {"__module__": "net"})())
        assert not opens(kind)
    assert not opens(world.build())
    assert not opens(_kind("net")())
