"""Settings that hold for every test, and the small world that many of them share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import settings

import world
from scored import Scored, score_digits, train_digits

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The first call of a test compiles type checks; a deadline would measure that.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA needs to be so
torch.use_deterministic_algorithms(True)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """A folder with seven checkpoints of `world.build`, saved as training loops do."""
    folder = tmp_path / "checkpoints"
    world.save_checkpoints(folder, 7)
    return folder


@pytest.fixture
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels that `world.build` takes."""
    return world.inputs_and_labels(30)


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Real digits with flipped labels, trained on and scored once for all tests."""
    folder = tmp_path_factory.mktemp("scored")
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    return score_digits(train_digits(checkpoints), checkpoints, folder)


@pytest.fixture
def reference() -> Path:
    """The data that the authors published, which are not part of this repository."""
    beside = Path(__file__).parents[2] / "shared" / "reference"
    folder = Path(os.environ.get("VOG_REFERENCE", beside))
    if not folder.is_dir():
        pytest.skip("no reference data: set VOG_REFERENCE to the folder of vog_late.npy")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The browser that `make test` finds or installs."""
    from playwright.sync_api import sync_playwright

    names = (os.environ.get("VOG_BROWSER"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        said = "no Chromium or Chrome: install one, or set VOG_BROWSER to its executable"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    quiet = ("quic", "background-networking", "component-update", "sync", "gpu")
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{one}" for one in quiet)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()
