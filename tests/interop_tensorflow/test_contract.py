"""Networks of TensorFlow give what the same network gives in PyTorch, and the rest holds."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import old_keras
import resnets
import saving
import small_resnet
import vog
from adapter_contract import AdapterContract, Subject, assert_equal_runs, torch_options
from vog.errors import ModelError

_HERE = Path(__file__).parent


class TestTf1(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(f"tf1:{_HERE / 'resnets.py'}:logits", saving.save_with_saver, True)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network of the first checkpoint as a SavedModel."""
    folder = tmp_path_factory.mktemp("exported")
    first = dict([next(iter(small_resnet.weights().items()))])
    saving.save_saved_models(first, folder)
    return next(folder.iterdir())


class TestSavedModel(AdapterContract):
    @pytest.fixture
    def subject(self, exported: Path) -> Subject:
        return Subject(f"savedmodel:{exported}", saving.save_saved_models, True, False)


@pytest.mark.parametrize("save", [saving.save_objects, saving.save_archives])
def test_checkpoints_of_objects_and_archives(save: Any, exported: Path, tmp_path: Path) -> None:
    """Checkpoints of `tf.train.Checkpoint`, and archives of NumPy, for a SavedModel."""
    subject = Subject(f"savedmodel:{exported}", save, True, False)
    run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", scores="vog,aum")
    expected = vog.score(**torch_options(), out=tmp_path / "torch", scores="vog,aum")
    assert_equal_runs(run, expected)


class TestOldKeras(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(f"{_HERE / 'old_keras.py'}:build", partial(old_keras.save, ending=""), True)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_files_of_old_keras(ending: str, tmp_path: Path) -> None:
    model = f"{_HERE / 'old_keras.py'}:build"
    subject = Subject(model, partial(old_keras.save, ending=ending), True)
    run = vog.score(**subject.options(tmp_path / "c"), out=tmp_path / "run", scores="vog,grand")
    expected = vog.score(**torch_options(), out=tmp_path / "torch", scores="vog,grand")
    assert_equal_runs(run, expected)


def test_the_model_of_the_user_is_as_it_was(tmp_path: Path) -> None:
    """Also while its training goes on after a run."""
    model = old_keras.build()
    before = model.get_weights()
    subject = Subject("", partial(old_keras.save, ending=""), True)
    vog.score(**{**subject.options(tmp_path / "c"), "model": model}, out=tmp_path / "run")
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize(
    ("option", "message"),
    [({"head": "head"}, "found in its graph"), ({"device": "cuda"}, "TensorFlow chooses the GPU")],
)
def test_options_that_do_not_apply(option: Any, message: str, tmp_path: Path) -> None:
    subject = Subject(f"tf1:{_HERE / 'resnets.py'}:logits", saving.save_with_saver, True)
    with pytest.raises(ModelError, match=message):
        vog.score(**subject.options(tmp_path / "c"), **option, out=tmp_path / "run")


def test_averages_take_the_place_of_weights(tmp_path: Path) -> None:
    """`--weights ExponentialMovingAverage`: the run is that of a file with the averages alone."""
    weights = small_resnet.weights()
    moved = {step: {n: a + 0.1 for n, a in arrays.items()} for step, arrays in weights.items()}
    suffix = "ExponentialMovingAverage"
    (tmp_path / "both").mkdir()
    for step, arrays in weights.items():
        own, averages = resnets.variables(arrays), resnets.variables(moved[step])
        saving.save_variables(
            own | {f"{name}/{suffix}": array for name, array in averages.items()},
            tmp_path / "both" / f"model.ckpt-{step}",
        )
    saving.save_with_saver(moved, tmp_path / "averages")
    model = f"tf1:{_HERE / 'resnets.py'}:logits"
    words: dict[str, Any] = {"data": small_resnet.data(True), "quiet": True, "scores": "vog,aum"}
    run = vog.score(model, tmp_path / "both", out=tmp_path / "run", weights=suffix, **words)
    expected = vog.score(model, tmp_path / "averages", out=tmp_path / "expected", **words)
    assert_equal_runs(run, expected)
    plain = vog.score(model, tmp_path / "both", out=tmp_path / "plain", **words)
    assert not plain.table()["vog@all"].equals(run.table()["vog@all"])
