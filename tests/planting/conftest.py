"""Data that planting is tried on, as files of a test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planting_data import DATASET_MODULE, NAMES, photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty images of three classes; one file cannot be decoded."""
    folder = tmp_path / "photos"
    for at in range(39):
        path = folder / NAMES[at % 3] / ("deep" if at % 2 else ".") / f"{at // 3}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(at).save(path)
    (folder / "cat" / "broken.jpg").write_bytes(b"no image")
    (folder / "cat" / "notes.txt").write_text("of no interest")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """A file of the user's, which other tests may also call so."""
    path = tmp_path / "own_dataset.py"
    path.write_text(DATASET_MODULE)
    yield path
    for name in ("own_dataset", "planted_data"):
        sys.modules.pop(name, None)
