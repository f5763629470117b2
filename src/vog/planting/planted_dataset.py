"""A `Dataset` with planted faults: the original items are altered when they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vog.data.examples import Examples, digest_of
from vog.data.stored_inputs import first_value, open_as_stored, readable_values, value_of
from vog.data.tensors import as_array
from vog.errors import DataError, ResultError
from vog.files import npz
from vog.files.writing import write_whole
from vog.planting import pillow_images
from vog.planting.array_target import MIXED_ROWS
from vog.planting.assignment import ADDED, PlannedFault
from vog.planting.corruptions import COLUMNS, OTHER, Values, alter, mix_columns
from vog.result.planting_record import CORRUPT, load_planting_record

RECIPE = "recipe.npz"
_STATISTICS = ("low", "high", "mean", "sd")
_FAULT_FIELDS = ("kind", "how", "row", "label", "number")


@dataclass(frozen=True)
class Recipe:
    """Everything that planting into a dataset needs, beside the dataset.

    Attributes:
        faults: what to plant.
        rows: the row of each fault in the planted data.
        added: the ids of added rows, which come after the original rows.
        labels: the planted class of each row.
        values: the statistics of the inputs.
    """

    faults: tuple[PlannedFault, ...]
    rows: tuple[int, ...]
    added: tuple[str, ...]
    labels: Int[np.ndarray, "n"]
    values: Values

    def save(self, folder: Path) -> None:
        """Write the recipe beside the record."""
        columns: dict[str, Any] = {
            key: np.array([getattr(fault, key) for fault in self.faults]) for key in _FAULT_FIELDS
        }
        values = {key: getattr(self.values, key) for key in _STATISTICS}
        rows = {"places": self.rows, "added": np.array(self.added, str), "labels": self.labels}
        arrays: dict[str, Any] = (
            {f"change_{key}": column for key, column in columns.items()} | values | rows
        )
        write_whole(folder / RECIPE, lambda temporary: np.savez_compressed(temporary, **arrays))

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """Read the recipe in a folder.

        Raises:
            ResultError: the file is missing or damaged.
        """
        try:
            file = npz.load_arrays(folder / RECIPE)
            columns = (file[f"change_{key}"].tolist() for key in _FAULT_FIELDS)
            return cls(
                tuple(PlannedFault(*cells) for cells in zip(*columns, strict=True)),
                tuple(file["places"].tolist()),
                tuple(file["added"].tolist()),
                file["labels"],
                Values(*(file[key] for key in _STATISTICS)),
            )
        except npz.UNPACKABLE as error:
            raise ResultError(
                f"{folder / RECIPE} cannot be read: {error}. Plant again into another folder."
            ) from error


class PlantedDataset(Dataset[tuple[Any, int]]):
    """A map-style dataset with planted faults.

    Attributes:
        ids: the name of each item; added items come last.
        targets: the class of each item; missing if some items cannot be read.
        classes: the names of the classes, or None if the dataset has none.
        digest: identifies the data and the planted faults.
    """

    def __init__(
        self, examples: Examples, outside: Examples | None, recipe: Recipe, seed: int
    ) -> None:
        """Plant into examples by a recipe; `outside` are the outside data, if any."""
        self.ids: list[str] = [*examples.ids, *recipe.added]
        self._labels: list[int] = recipe.labels.tolist()
        if min(self._labels) >= 0:  # else each item has to be read for its class
            self.targets = self._labels
        names = examples.label_names
        has_threshold = names is not None and max(self._labels) == len(names)
        self.classes = None if names is None else [*names, *["threshold"] * has_threshold]
        faults = zip(recipe.rows, recipe.faults, strict=True)
        texts = (f"{row} {fault.digest_text}" for row, fault in faults)
        self.digest = digest_of(examples.digest, seed, *texts)
        self._examples, self._outside = examples, outside
        self._values, self._seed = recipe.values, seed
        self._fault_by_row = dict(zip(recipe.rows, recipe.faults, strict=True))

    def __len__(self) -> int:
        """Return the number of items, with the added ones."""
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return an item, altered if so planted, and its planted class."""
        row = range(len(self))[index]
        fault = self._fault_by_row.get(row)
        if fault is None or fault.kind not in (CORRUPT, *ADDED):
            return value_of(self._examples, row), self._labels[row]
        return self._build(fault), self._labels[row]

    def _build(self, fault: PlannedFault) -> Any:
        rng = fault.rng(self._seed)
        if fault.how == OTHER and self._outside is not None:
            return match_type(value_of(self._outside, fault.row), first_value(self._examples))
        value = value_of(self._examples, fault.row)
        if fault.how == COLUMNS:
            rows = rng.integers(len(self._examples), size=MIXED_ROWS).tolist()
            parts = [value, *readable_values(self._examples, rows)]
            return match_type(mix_columns(np.stack([as_array(part) for part in parts]), rng), value)
        if isinstance(value, Image.Image):
            return pillow_images.alter_picture(value, fault.how, self._values, rng)
        return match_type(alter(as_array(value), fault.how, self._values, rng), value)


def reopen(folder: str | Path, dataset: Any = None) -> PlantedDataset:
    """Return the planted dataset of a folder that `vog.plant` wrote for a dataset of the user.

    Args:
        folder: the `out` of `vog.plant`.
        dataset: the same examples in the same order, but read differently, such as with random
            augmentation for training; by default the dataset that was planted into.

    Raises:
        DataError: the data have changed since.
        ResultError: there is no such folder, or it is damaged.
    """
    folder = Path(folder)
    question = load_planting_record(folder, need_all_keys=True).question
    if not (folder / RECIPE).exists():
        raise ResultError(
            f"{folder} holds data of its own, and no dataset to reopen. Open them as they are."
        )
    data = question["data"]
    examples = open_as_stored(data["spec"] if dataset is None else dataset, None)
    same = examples.digest == data["digest"] or dataset is not None
    if len(examples) != data["was"] or not same:
        raise DataError(
            f"{data['spec']} has different examples than when it was planted into: "
            f"{len(examples):,} now, {data['was']:,} then. Items must not be random; plant again "
            f"if the data changed."
        )
    source = question["outside_from"]
    outside = None if source is None else open_as_stored(source.get("spec"), None)
    return PlantedDataset(examples, outside, Recipe.load(folder), question["seed"])


def match_type(item: Any, like: Any) -> Any:
    """Return an item as the type of another: a tensor or an array of the same dtype."""
    if isinstance(like, Tensor):
        return torch.from_numpy(np.array(as_array(item))).to(like.dtype)
    return item if isinstance(like, Image.Image) else as_array(item).astype(np.asarray(like).dtype)
