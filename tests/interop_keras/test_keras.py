"""What is particular to Keras: softmax, files, the user's model, and the recipe of the docs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import recipes
import resnets
import saving
import small_resnet
import vog
from adapter_contract import assert_equal_runs, torch_options
from command_line import Cli
from test_contract import subject_of
from vog.errors import CheckpointError, ModelError
from vog.models.load import model_of
from vog.models.options import ModelOptions
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

SCORES = "vog,grand,aum"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> vog.Run:
    out = tmp_path_factory.mktemp("torch") / "run"
    return vog.score(**torch_options(), out=out, scores=SCORES)


@pytest.mark.parametrize(
    ("function", "save"),
    [
        ("softmax_layer", saving.save_weights(resnets.softmax_layer)),
        ("functional", saving.save_archives),
    ],
)
def test_other_ends_and_files(
    function: str, save: Callable[..., None], expected: vog.Run, tmp_path: Path
) -> None:
    """A softmax as a layer of its own; archives by the paths of variables."""
    keras.utils.clear_session()  # so that paths are those of a process that builds one model
    options = subject_of(function, save).options(tmp_path / "c")
    keras.utils.clear_session()
    assert_equal_runs(vog.score(**options, out=tmp_path / "run", scores=SCORES), expected)


def test_the_plan_says_that_a_softmax_is_left_out(tmp_path: Path) -> None:
    options = subject_of("probabilities", saving.save_models).options(tmp_path / "c")
    job = prepare(Request(**options, out=tmp_path / "run"))
    assert "the logits are what goes into the softmax of head" in job.notes["model"]


def test_the_model_of_the_user_is_as_it_was(tmp_path: Path) -> None:
    """Its values, its softmax, and its layers; it may go on with its training."""
    model = resnets.probabilities()
    before = [np.array(value) for value in model.get_weights()]
    images = small_resnet.data(channels_last=True)[0][:3]
    outputs = np.array(keras.ops.convert_to_numpy(model(images)))
    options = subject_of("", saving.save_models).options(tmp_path / "c")
    run = vog.score(**{**options, "model": model}, out=tmp_path / "run", scores="all")
    assert "grand@all" in run.score_columns
    assert all(map(np.array_equal, before, model.get_weights()))
    assert "call" not in vars(model.get_layer("head"))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(images)), outputs)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_random_numbers_of_the_user_go_on(tmp_path: Path) -> None:
    """Dropout draws nothing while the model is scored."""
    model = resnets.functional()
    states = [v for v in model.variables if "seed_generator" in v.path]
    before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in states]
    options = subject_of("", saving.save_weights(resnets.functional)).options(tmp_path / "c")
    vog.score(**{**options, "model": model}, out=tmp_path / "run")
    after = [np.array(keras.ops.convert_to_numpy(v.value)) for v in states]
    assert states
    assert all(map(np.array_equal, before, after))


def test_the_head_is_named(expected: vog.Run, tmp_path: Path) -> None:
    save = saving.save_weights(resnets.functional)
    options = subject_of("functional", save).options(tmp_path / "c")
    named = vog.score(**options, head="head", out=tmp_path / "run", scores=SCORES)
    assert_equal_runs(named, expected)
    with pytest.raises(ModelError, match="no Dense of that name. Expected one of head"):
        vog.score(**options, head="tail", out=tmp_path / "other")


def test_a_layer_that_is_not_the_last_is_refused(tmp_path: Path) -> None:
    def build() -> keras.Model:
        wide = keras.layers.Dense(6, name="wide")
        return keras.Sequential([keras.Input((5,)), wide, keras.layers.Dense(3, name="last")])

    model = build()
    for step in (1, 2):
        model.save_weights(tmp_path / f"{step}.weights.h5")
    data = (np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32), np.arange(9) % 3)
    folder = {"checkpoints": tmp_path, "data": data, "quiet": True}
    with pytest.raises(ModelError, match="the output of this layer is not what the model returns"):
        vog.score(build, **folder, head="wide", out=tmp_path / "run")


@pytest.mark.parametrize("kind", ["cut", "text", "other model"])
def test_files_that_do_not_fit(kind: str, tmp_path: Path) -> None:
    options = subject_of("functional", saving.save_weights(resnets.functional)).options(
        tmp_path / "c"
    )
    path = tmp_path / "c" / "200.weights.h5"
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "text":
        path.write_text("not a file of weights")
    else:
        other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        other.save_weights(path)
    with pytest.raises(CheckpointError, match="200.weights.h5 cannot be read into the model"):
        vog.score(**options, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="no module on this backend")
def test_state_dicts_of_pytorch(expected: vog.Run, tmp_path: Path) -> None:
    """A model of Keras on PyTorch is a module, and a loop of the user may save it as one."""
    keras.utils.clear_session()  # so that paths are those of a process that builds one model
    model = resnets.functional()
    (tmp_path / "c").mkdir()
    for step, arrays in small_resnet.weights().items():
        resnets.carry(arrays, model)
        torch.save(model.state_dict(), tmp_path / "c" / f"step-{step}.pt")
    options = {**torch_options(), "model": resnets.functional, "checkpoints": tmp_path / "c"}
    options["data"] = small_resnet.data(channels_last=True)
    keras.utils.clear_session()
    assert_equal_runs(vog.score(**options, out=tmp_path / "run", scores=SCORES), expected)


@pytest.mark.parametrize("option", [{"weights": "ema"}, {"names": {"a": "b"}}])
def test_files_of_keras_hold_one_set_of_weights(option: Any, tmp_path: Path) -> None:
    save = saving.save_weights(resnets.functional)
    options = subject_of("functional", save).options(tmp_path / "c")
    with pytest.raises(CheckpointError, match="does not apply to files that Keras reads"):
        vog.score(**options, **option, out=tmp_path / "run")


def test_one_unit_with_a_sigmoid_has_two_classes(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, "sigmoid")])
    for step in (1, 2):
        model.set_weights([step * values for values in model.get_weights()])
        model.save_weights(tmp_path / f"{step}.weights.h5")
    inputs = 9 * np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    run = vog.score(model, tmp_path, (inputs, np.arange(8) % 2), tmp_path / "run")
    assert run.question["task"] == "binary"


def test_the_question_is_that_of_the_first_time() -> None:
    """Keras counts names up within a process; what identifies a model does not change."""
    first, second = (model_of(resnets.functional, ModelOptions()) for _ in range(2))
    assert first.identity() == second.identity()
    other = model_of(resnets.probabilities, ModelOptions())
    assert other.identity()["architecture"] != first.identity()["architecture"]


def test_the_recipe_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)
    ((file, code, training),) = recipes.recipes("Keras")
    images, labels = recipes.begin(file, code)
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(code, names)
    model = names["build"]()
    exec(training, {"folder": "runs/a", "images": images, "labels": labels, "model": model})
    keras.utils.clear_session()
    status, _, errors = Cli(capsys, monkeypatch)(*recipes.command("Keras"))
    assert status == 0, errors
    run = vog.open("scores/a")
    assert [entry["step"] for entry in run.question["checkpoints"]] == [1, 2, 3]
    assert np.ptp(run.values("vog@all")) > 0
