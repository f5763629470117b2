"""Networks of TensorFlow give what the same network gives in PyTorch, and the rest holds."""

from pathlib import Path

import pytest

import saving
import small_resnet
from adapter_contract import AdapterContract, Subject

_HERE = Path(__file__).parent


class TestTf1(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            f"tf1:{_HERE / 'resnets.py'}:logits",
            saving.save_archives,
            True,
            reads=f"{_HERE / 'read_npz.py'}:read",
        )


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
        read = f"{_HERE / 'read_npz.py'}:read"
        return Subject(f"savedmodel:{exported}", saving.save_archives, True, False, reads=read)
