"""Planting into a `Dataset` of the user's: a function that returns it planted, and no copies."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from PIL import Image

from vog.data.examples import Examples, UnreadableError
from vog.data.stored_inputs import as_array, first_value, readable_values, value_of
from vog.errors import DataError
from vog.files.writing import write_text
from vog.planting import pillow_images
from vog.planting.array_target import added_name, classes_of, refuse_unlike, sampled
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import Values, image_axes, values_of
from vog.planting.planted_dataset import PlantedDataset, Recipe
from vog.planting.unique_names import Names
from vog.progress import progress
from vog.result.planting_record import CORRUPT, Plant

MODULE = "planted_data.py"
_SAMPLED = 64
_TEXT = '''"""The planted data, for training and `vog score`: the originals, altered when read."""

from pathlib import Path

from vog.planting import PlantedDataset, reopen


def data() -> PlantedDataset:
    """The dataset that was planted into, with what was planted."""
    return reopen(Path(__file__).parent)
'''


@dataclass(frozen=True)
class OwnDataset:
    """A dataset that a function of the user's returns."""

    examples: Examples
    others: Examples | None
    quiet: bool = False

    written = f"{MODULE}:data"

    @cached_property
    def labels(self) -> Int[np.ndarray, "n"]:
        """The class of each item, or -1 for one that cannot be read and has no other."""
        if self.examples.labels is not None:
            return self.examples.labels
        labels = np.full(len(self.examples), -1, np.int64)
        with progress("labels", len(labels), quiet=self.quiet) as tell:
            for row in range(len(labels)):
                with suppress(UnreadableError):
                    labels[row] = self.examples.read(row)[1]
                tell(1)
        return labels

    @property
    def ground(self) -> PlantingTarget:
        """What is planted into."""
        others = self.others
        return PlantingTarget(
            self.labels,
            classes_of(self.labels, self.examples.label_names),
            is_image=_is_image(first_value(self.examples)),
            usable=lambda row: _is_readable(self.examples, row),
            others=None if others is None else len(others),
            other_usable=lambda row: others is not None and _is_readable(others, row),
        )

    def check(self, threshold: bool) -> None:
        """Nothing, unless what is planted cannot stand among the items.

        Raises:
            DataError: items are no images, arrays or tensors of numbers, or those of the other
                data are not alike.
        """
        own = first_value(self.examples)
        if as_array(own).dtype.kind not in "iufb":
            raise DataError(
                f"the inputs are of type {type(own).__name__}; expected images, arrays or tensors "
                f"of numbers."
            )
        if self.others is None:
            return
        other = first_value(self.others)
        if isinstance(own, Image.Image) != isinstance(other, Image.Image):
            raise DataError(
                f"--outside-from has items of type {type(other).__name__}, the data of type "
                f"{type(own).__name__}. Give data that are read alike."
            )
        if not isinstance(own, Image.Image):
            refuse_unlike(as_array(other), as_array(own))

    def steps(self, changes: Sequence[PlannedFault]) -> int:
        """One a change."""
        return len(changes)

    def bytes_needed(self, changes: Sequence[PlannedFault], link: bool) -> int:
        """Of disk, which a list of changes does not fill.

        Raises:
            DataError: links were asked for.
        """
        if link:
            raise DataError("--link is for image files; of a dataset nothing is copied.")
        return 9 * len(self.labels) + 1000 * len(changes)

    def write(
        self,
        folder: Path,
        changes: Sequence[PlannedFault],
        seed: int,
        link: bool,
        tell: Callable[[int], None],
    ) -> list[Plant]:
        """The function and how it plants, and what came of each change."""
        ids, labels = [str(one) for one in self.examples.ids], self.labels.tolist()
        names, places = Names(ids), []
        for change in changes:
            if change.kind in ADDED:
                places.append(len(ids))
                ids.append(names.take(added_name(change, ids)))
                labels.append(change.label)
            else:
                places.append(change.row)
                labels[change.row] = change.label
            tell(1)
        added = tuple(ids[len(self.examples) :])
        recipe = Recipe(
            tuple(changes), tuple(places), added, np.array(labels, np.int64), self._values
        )
        recipe.save(folder)
        write_text(folder / MODULE, _TEXT)
        self._read_once(recipe, seed)
        before = self.labels
        return [
            change.plant(ids[at], self.examples.ids, before)
            for change, at in zip(changes, places, strict=True)
        ]

    def _read_once(self, recipe: Recipe, seed: int) -> None:
        """One planted item of each way, so that what cannot be made is told now."""
        planted = PlantedDataset(self.examples, self.others, recipe, seed)
        found = zip(recipe.changes, recipe.places, strict=True)
        first = {one.how: at for one, at in found if one.kind in (CORRUPT, *ADDED)}
        for at in first.values():
            planted[at]

    @property
    def _values(self) -> Values:
        """Of some items; for Pillow images from black to white."""
        some = readable_values(self.examples, sampled(len(self.examples), _SAMPLED).tolist())
        if not isinstance(some[0], Image.Image):
            return values_of([as_array(value) for value in some])
        levels = np.concatenate(
            [pillow_images.bytes_of(pillow_images.plain(image)) for image in some]
        )
        return Values.of(0, 255, levels.mean(), levels.std())


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image) or image_axes(as_array(value).shape) is not None


def _is_readable(examples: Examples, row: int) -> bool:
    """Whether an item can be decoded, and is large enough if it is an image."""
    try:
        value = value_of(examples, row)
    except (OSError, UnreadableError):
        return False
    return not isinstance(value, Image.Image) or pillow_images.is_large_enough(value)
