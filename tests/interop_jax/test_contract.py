"""Networks of Flax and Equinox give what the same network gives in PyTorch, and the rest holds."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

import saving
from adapter_contract import AdapterContract, Subject
from small_resnet import Arrays

_RESNETS = Path(__file__).parent / "resnets.py"


def subject_of(kind: str) -> Subject:
    """Return the network and the format of checkpoints of one kind."""
    build, _, _ = saving.KINDS[kind]
    return Subject(
        f"jax:{_RESNETS}:{build}",
        partial(_save, kind),
        channels_last=not kind.startswith("equinox"),
        has_last_layer=kind != "function",
        says_layout=kind != "function",
    )


def _save(kind: str, weights: Mapping[int, Arrays], folder: Path) -> None:
    saving.save(kind, folder, weights)


class TestLinen(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return subject_of("linen in orbax")


class TestNnx(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return subject_of("nnx in orbax")


class TestEquinox(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return subject_of("equinox")


class TestFunction(AdapterContract):
    @pytest.fixture
    def subject(self) -> Subject:
        return subject_of("function")
