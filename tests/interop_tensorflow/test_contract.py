"""Networks of TensorFlow give what the same network gives in PyTorch, and the rest holds."""

from pathlib import Path
from typing import Any

import pytest

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
