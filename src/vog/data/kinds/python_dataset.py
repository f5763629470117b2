"""A dataset in Python: an object with a length and numbered items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vog import user_functions
from vog.data.examples import Examples
from vog.data.paths import is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.errors import ResultError
from vog.item_keys import INPUT_KEYS, key_of


@dataclass(frozen=True)
class PythonDataset(Source):
    """A map-style dataset of the user."""

    kind = "dataset in Python"

    def opens(self, data: Any) -> bool:
        """Return whether the data are an object; a pair of arrays is tried before."""
        return not is_name(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the items of the dataset."""
        from vog.data import datasets

        transform = value_transform(options.transform)
        return datasets.from_dataset(
            data, transform, options.workers, options.sockets, options.keys
        )

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return a reader of `preview(row)` of the dataset, or of the input in its item."""

        def read(index: int, name: str) -> Any:
            try:
                return _shown_part(data, index)
            except Exception as error:
                raise ResultError(
                    f"the example {name!r} cannot be read: {user_functions.describe_error(error)}"
                ) from error

        return read


def _shown_part(dataset: Any, index: int) -> Any:
    if hasattr(dataset, "preview"):
        return dataset.preview(index)
    item = dataset[index]
    if isinstance(item, Mapping) and (key := key_of(item, INPUT_KEYS)):
        return item[key]
    return item[0] if isinstance(item, tuple | list) else item
