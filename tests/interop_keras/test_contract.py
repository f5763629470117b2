"""Models of Keras give what the same network gives in PyTorch, on the backend of this process.

`make interop-keras` runs this for each backend.
"""

from pathlib import Path
from typing import Any

import keras
import pytest

import resnets
import saving
from adapter_contract import AdapterContract, Subject

_RESNETS = Path(__file__).parent / "resnets.py"


def subject_of(function: str, save: Any) -> Subject:
    """Return the model that a function builds, which computes with the backend of this process."""
    uses_torch = keras.backend.backend() == "torch"
    return Subject(f"{_RESNETS}:{function}", save, True, computes_with_torch=uses_torch)


class TestFunctional(AdapterContract):
    """Logits, and files of weights."""

    @pytest.fixture
    def subject(self) -> Subject:
        save = saving.save_weights(resnets.functional)
        return subject_of("functional", save)


class TestProbabilities(AdapterContract):
    """A softmax in the last layer, and whole models."""

    @pytest.fixture
    def subject(self) -> Subject:
        return subject_of("probabilities", saving.save_models)


class TestSubclassed(AdapterContract):
    """A class of the user that is built by its first call."""

    @pytest.fixture
    def subject(self) -> Subject:
        save = saving.save_weights(resnets.subclassed)
        return subject_of("subclassed", save)
