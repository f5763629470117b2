"""Planting into a `Dataset` of the user: writes a function that returns it planted, no copies."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image

from vog.data.examples import UNLABELLED, Examples, UnreadableError
from vog.data.labels import as_classes
from vog.data.stored_inputs import first_value, readable_values, value_of
from vog.data.tensors import as_array
from vog.errors import DataError
from vog.files.writing import write_text
from vog.planting import pillow_images
from vog.planting.array_target import added_name, count_classes, refuse_mismatch, spread_rows
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import Values, image_axes, values_of
from vog.planting.planted_dataset import PlantedDataset, Recipe
from vog.planting.unique_names import UniqueNames
from vog.progress import progress
from vog.result.planting_record import CORRUPT, Plant
from vog.wording import option

MODULE = "planted_data.py"
_SAMPLE = 64  # items that the statistics of the values come from
_TEXT = '''"""The planted data, for training and `vog score`: the originals, altered when read."""

from pathlib import Path

from vog.planting import PlantedDataset, reopen


def data() -> PlantedDataset:
    """Return the dataset with the planted faults."""
    return reopen(Path(__file__).parent)
'''


@dataclass(frozen=True)
class DatasetPlanter:
    """Plants into a dataset that a function of the user returns.

    Attributes:
        examples: the data.
        outside: data that examples of no class are taken from, if any.
        quiet: show no progress.
    """

    examples: Examples
    outside: Examples | None
    quiet: bool = False

    output_name = f"{MODULE}:data"

    @cached_property
    def labels(self) -> Int[np.ndarray, "n"]:
        """The class of each item; -1 where only the item has it and cannot be read."""
        if self.examples.labels is not None:
            return as_classes(self.examples.labels, "planting")
        labels: list[Any] = [UNLABELLED] * len(self.examples)
        with progress("labels", len(labels), quiet=self.quiet) as advance:
            for row in range(len(labels)):
                with suppress(UnreadableError):
                    labels[row] = self.examples.read(row)[1]
                advance(1)
        return as_classes(labels, "planting")

    @property
    def target(self) -> PlantingTarget:
        """Return what the choice of faults depends on."""
        outside = self.outside
        return PlantingTarget(
            self.labels,
            count_classes(self.labels, self.examples.label_names),
            is_image=_is_image(first_value(self.examples)),
            usable=lambda row: _is_readable(self.examples, row),
            outside_count=None if outside is None else len(outside),
            outside_usable=lambda row: outside is not None and _is_readable(outside, row),
        )

    def check(self, threshold: bool) -> None:
        """Raise unless planted items can have the form of the items of the dataset.

        Raises:
            DataError: the items are no images, arrays or tensors of numbers, or those of the
                outside data have a different form.
        """
        item = first_value(self.examples)
        if as_array(item).dtype.kind not in "iufb":
            raise DataError(
                f"the inputs are of type {type(item).__name__}; expected images, arrays or tensors "
                f"of numbers."
            )
        if self.outside is None:
            return
        outside_item = first_value(self.outside)
        if isinstance(item, Image.Image) != isinstance(outside_item, Image.Image):
            raise DataError(
                f"{option('outside_from')} has items of type {type(outside_item).__name__}, the "
                f"data of type {type(item).__name__}. Give data that are read in the same way."
            )
        if not isinstance(item, Image.Image):
            refuse_mismatch(as_array(outside_item), as_array(item))

    def steps(self, faults: Sequence[PlannedFault]) -> int:
        """Return the number of progress steps that `write` makes."""
        return len(faults)

    def bytes_needed(self, faults: Sequence[PlannedFault], link: bool) -> int:
        """Return a generous estimate of the disk space in bytes; nothing is copied.

        Raises:
            DataError: `link` is True.
        """
        if link:
            raise DataError(f"{option('link', True)} is for image files; no dataset is copied.")
        return 9 * len(self.labels) + 1000 * len(faults)

    def write(
        self,
        folder: Path,
        faults: Sequence[PlannedFault],
        seed: int,
        link: bool,
        advance: Callable[[int], None],
    ) -> list[Plant]:
        """Write the function and the recipe that it follows; return the record."""
        ids, labels = list(map(str, self.examples.ids)), self.labels.tolist()
        names, rows = UniqueNames(ids), []
        for fault in faults:
            if fault.kind in ADDED:
                rows.append(len(ids))
                ids.append(names.take(added_name(fault, ids)))
                labels.append(fault.label)
            else:
                rows.append(fault.row)
                labels[fault.row] = fault.label
            advance(1)
        added = tuple(ids[len(self.examples) :])
        recipe = Recipe(tuple(faults), tuple(rows), added, np.array(labels, np.int64), self._values)
        recipe.save(folder)
        write_text(folder / MODULE, _TEXT)
        self._try_each_method(recipe, seed)
        old_labels = self.labels
        return [
            fault.plant(ids[row], self.examples.ids, old_labels)
            for fault, row in zip(faults, rows, strict=True)
        ]

    def _try_each_method(self, recipe: Recipe, seed: int) -> None:
        """Make one planted item by each method, to raise now rather than in training."""
        planted = PlantedDataset(self.examples, self.outside, recipe, seed)
        placed_faults = zip(recipe.faults, recipe.rows, strict=True)
        first = {fault.how: row for fault, row in placed_faults if fault.kind in (CORRUPT, *ADDED)}
        for row in first.values():
            planted[row]

    @property
    def _values(self) -> Values:
        """The statistics of some items; Pillow images range from black to white."""
        rows = spread_rows(len(self.examples), _SAMPLE).tolist()
        sample = list(readable_values(self.examples, rows))
        if not isinstance(sample[0], Image.Image):
            return values_of([as_array(value) for value in sample])
        levels = np.concatenate(
            [pillow_images.sample_levels(pillow_images.to_plain_mode(image)) for image in sample]
        )
        return Values.make(0, 255, levels.mean(), levels.std())


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image) or image_axes(as_array(value).shape) is not None


def _is_readable(examples: Examples, row: int) -> bool:
    """Return whether an item can be decoded, and is large enough if it is an image."""
    try:
        value = value_of(examples, row)
    except (OSError, UnreadableError):
        return False
    return not isinstance(value, Image.Image) or pillow_images.is_large_enough(value)
