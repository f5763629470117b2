"""Models of Keras give what the same network gives in PyTorch, on the backend of this process.

`make interop-keras` runs this for each backend.
"""

from pathlib import Path

import pytest

import resnets
import saving
from adapter_contract import AdapterContract, Subject

_RESNETS = Path(__file__).parent / "resnets.py"


class TestFunctional(AdapterContract):
    """Logits, and files of weights."""

    @pytest.fixture
    def subject(self) -> Subject:
        save = saving.save_weights(resnets.functional)
        return Subject(f"{_RESNETS}:functional", save, True)


class TestProbabilities(AdapterContract):
    """A softmax in the last layer, and whole models."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(f"{_RESNETS}:probabilities", saving.save_models, True)


class TestSubclassed(AdapterContract):
    """A class of the user that is built by its first call."""

    @pytest.fixture
    def subject(self) -> Subject:
        save = saving.save_weights(resnets.subclassed)
        return Subject(f"{_RESNETS}:subclassed", save, True)
