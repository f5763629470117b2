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
from PIL import Image

import vog
import world
from command_line import Cli
from photographs import LISTED_PHOTOS
from runs import SIX_MEANINGS, SIX_QUESTION, six_rows
from vog.result import Run, open_run
from vog.result.parts import writing_session
from vog.result.rows import to_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from scored import Scored

# The first call of a test compiles type checks; a deadline would measure that.
settings.register_profile("local", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=10)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "local")

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA needs to be so
torch.use_deterministic_algorithms(True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that drive a browser."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


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


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    world.save_checkpoints(tmp_path / "c", 3)
    world.save_npz(tmp_path / "data.npz", 20)
    return Cli(capsys, monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Six rows in three parts, one of them unreadable; a test file may have a `run` of its own."""
    folder = tmp_path / "run"
    with writing_session(folder, SIX_QUESTION) as sink:
        for start, stop in ((0, 2), (2, 5), (5, 6)):
            sink.write(
                start, [to_table(six_rows(start, stop), SIX_MEANINGS, ["cat", "magpie"])], 0.0
            )
    return open_run(folder)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A list file of images of one grey each, brighter with every row, and their folder."""
    rng = np.random.default_rng(0)
    lines = []
    for row in range(LISTED_PHOTOS):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        pixels[:, 14:16] = 10 * row
        name = f"photos/{row}.png"
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
        lines.append(f"{name} {row % 3}")
    (tmp_path / "train.txt").write_text("\n".join(lines))
    return tmp_path / "train.txt"


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The mean of two runs under other weights."""
    folder = tmp_path_factory.mktemp("combined")
    data = str(world.save_npz(folder / "data.npz", 120, ("ant", "bee", "cat", "<dog>")))
    runs = []
    for seed in (0, 1):
        files, out = folder / f"c{seed}", folder / f"r{seed}"
        world.save_checkpoints(files, 7, seed)
        runs.append(vog.score(world.build, files, data, out, scores="vog,aum", quiet=True))
    return vog.combine(runs, folder / "mean")


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> "Scored":
    """Real digits with flipped labels, trained on and scored once for all tests."""
    from scored import score_digits, train_digits

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
