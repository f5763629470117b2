"""Networks of TensorFlow give what the same network gives in PyTorch, and the rest holds."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import old_keras
import saving
import small_resnet
import vog
from adapter_contract import AdapterContract, Subject, assert_equal_runs, torch_options

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
