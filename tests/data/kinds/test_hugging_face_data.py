"""Data sets of Hugging Face: the object, the folder that it saves, and its Parquet files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vog
from vog.data import open_source
from vog.data.images import unchanged
from vog.errors import DataError
from vog.figures.example_reader import reader
from vog.item_keys import ItemKeys

NAMES = ["zebra", "ant", "cow"]
ROWS = 12


def pictures(label: str = "label") -> datasets.Dataset:
    """Images of one colour each, whose classes are not in alphabetical order."""
    colours = [Image.new("RGB", (8, 8), (20 * row, 0, 0)) for row in range(ROWS)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            label: datasets.ClassLabel(names=NAMES),
            "key": datasets.Value("string"),
        }
    )
    labels = [row % 3 for row in range(ROWS)]
    keys = [f"k{row}" for row in range(ROWS)]
    return datasets.Dataset.from_dict({"image": colours, label: labels, "key": keys}, features)


def as_folder(dataset: datasets.Dataset, folder: Path) -> Path:
    dataset.save_to_disk(folder / "saved", num_shards=2)
    return folder / "saved"


def as_parquet(dataset: datasets.Dataset, folder: Path) -> Path:
    dataset.to_parquet(folder / "train-00000-of-00001.parquet")
    return folder / "train-00000-of-00001.parquet"


FORMS: dict[str, Callable[[datasets.Dataset, Path], Any]] = {
    "object": lambda dataset, folder: dataset,
    "folder": as_folder,
    "parquet": as_parquet,
}


def small() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))


def save(folder: Path) -> str:
    folder.mkdir()
    for step in range(3):
        torch.manual_seed(step)
        torch.save(small().state_dict(), folder / f"step-{step}.pt")
    return str(folder / "*.pt")


@pytest.mark.parametrize("form", FORMS)
def test_images_labels_names_and_ids(tmp_path: Path, form: str) -> None:
    data = FORMS[form](pictures(), tmp_path)
    examples = open_source(data, transform=unchanged, id="key")
    assert examples.label_names == tuple(NAMES)
    assert list(examples.ids) == [f"k{row}" for row in range(ROWS)]
    value, label = examples.read(7)
    assert (float(value[0, 0, 0]), label) == (pytest.approx(140 / 255), 1)
    assert examples.labels is not None
    assert examples.labels.tolist() == [row % 3 for row in range(ROWS)]


@pytest.mark.parametrize("workers", [0, 2])
def test_each_form_has_the_same_scores(tmp_path: Path, workers: int) -> None:
    checkpoints, tables = save(tmp_path / "run"), []
    for form, make in FORMS.items():
        data = make(pictures("kind"), tmp_path)
        how: dict[str, Any] = {"transform": unchanged, "label": "kind", "workers": workers}
        run = vog.score(small, checkpoints, data, tmp_path / f"s-{form}", quiet=True, **how)
        again = vog.score(small, checkpoints, data, tmp_path / f"s-{form}", quiet=True, **how)
        assert again.table() == run.table()
        tables.append(run.table())
    assert tables[0] == tables[1] == tables[2]
    assert tables[0]["label_name"].to_pylist()[:3] == NAMES


@pytest.mark.parametrize("form", FORMS)
def test_images_have_the_usual_transform(tmp_path: Path, form: str) -> None:
    value, _ = open_source(FORMS[form](pictures(), tmp_path)).read(0)
    assert value.shape == (3, 224, 224)


def test_a_transform_of_the_data_set_is_the_only_one() -> None:
    def to_vectors(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        pixels = [np.asarray(image, np.float32).reshape(-1) for image in batch["image"]]
        return {"image": pixels, "label": batch["label"]}

    value, _ = open_source(pictures().with_transform(to_vectors)).read(0)
    assert value.shape == (8 * 8 * 3,)


@pytest.mark.parametrize("form", ["folder", "parquet"])
def test_the_pictures_are_shown(tmp_path: Path, form: str) -> None:
    data = FORMS[form](pictures(), tmp_path)
    how: dict[str, Any] = {"transform": unchanged, "quiet": True}
    run = vog.score(small, save(tmp_path / "run"), data, tmp_path / "s", **how)
    assert reader(run)(5, "5").getpixel((0, 0)) == (100, 0, 0)


def test_a_format_of_tensors_is_kept(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    dataset = datasets.Dataset.from_dict({"inputs": vectors, "label": [0, 1, 0, 1]})
    value, label = open_source(dataset.with_format("torch")).read(2)
    assert torch.equal(value, torch.tensor([6.0, 7.0, 8.0]))
    assert label == 0


def test_a_transform_that_changes_labels_decides() -> None:
    """The labels of the items count, and not those that are stored."""

    def shifted(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"inputs": batch["inputs"], "label": [label + 1 for label in batch["label"]]}

    dataset = datasets.Dataset.from_dict({"inputs": [[1.0], [2.0]], "label": [0, 1]})
    examples = open_source(dataset.with_transform(shifted))
    assert examples.labels is None
    assert examples.read(1)[1] == 2


def test_several_splits_are_refused(tmp_path: Path) -> None:
    splits = datasets.DatasetDict({"train": pictures(), "test": pictures()})
    with pytest.raises(DataError, match=r"the splits train, test; .* dataset\['train'\]"):
        open_source(splits)
    splits.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"the splits train, test; .*saved/train"):
        open_source(tmp_path / "saved")
    assert len(open_source(tmp_path / "saved" / "test", transform="none")) == ROWS


def test_a_stream_is_refused() -> None:
    with pytest.raises(DataError, match="a stream without row numbers"):
        open_source(pictures().to_iterable_dataset())


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match=r"id='q': .* It has image, label, key"):
        open_source(pictures(), id="q")
    with pytest.raises(DataError, match=r"label='q': item 0"):
        open_source(pictures(), keys=ItemKeys(None, "q"))


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    folder = as_folder(pictures(), tmp_path)
    (folder / "state.json").write_text("[]")
    with pytest.raises(DataError, match=r"state.json is not what Dataset.save_to_disk writes"):
        open_source(folder)
