"""Data sets of Hugging Face: an object of the library `datasets`, or a folder that it saved."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vog.data.examples import Examples
from vog.data.kinds.python_dataset import PythonDataset
from vog.data.kinds.table_source import TableSource
from vog.data.paths import existing_path, is_name
from vog.data.protocol import OpenOptions
from vog.data.tables.table_rows import Rows, open_files
from vog.errors import DataError, first_few
from vog.files.file_names import expanded, printable
from vog.item_keys import LABEL_KEYS, key_of
from vog.wording import option

_STATE, _SPLITS = "state.json", "dataset_dict.json"


@dataclass(frozen=True)
class SavedDataset(TableSource):
    """A folder of `Dataset.save_to_disk`, read without the library."""

    kind = "saved Hugging Face dataset"

    def opens(self, data: Any) -> bool:
        """Return whether the folder has the files that the library writes."""
        return is_name(data) and any(_is_file(expanded(data) / n) for n in (_STATE, _SPLITS))

    def place(self, data: Any) -> Path | None:
        """Return the path of the folder."""
        return Path(data)

    def rows(self, data: Any, options: OpenOptions) -> Rows:
        """Return the rows, through memory maps of the Arrow files."""
        folder = existing_path(data)
        if (folder / _SPLITS).is_file():
            splits = _splits(folder)
            example = f"{folder / splits[0]}" if splits else "FOLDER/train"
            raise DataError(
                f"{folder} is a DatasetDict with the splits {first_few(splits)}; expected one of "
                f"them. Give its folder, such as {option('data', example)}."
            )
        return open_files(tuple(_arrow_files(folder)), str(data), options.root or folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _splits(folder: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads((folder / _SPLITS).read_bytes())["splits"]]
    except (OSError, ValueError, KeyError, TypeError):
        return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _arrow_files(folder: Path) -> list[Path]:
    """Return the Arrow files of a saved data set, in order."""
    try:
        state = json.loads((folder / _STATE).read_bytes())
        files = [folder / entry["filename"] for entry in state["_data_files"]]
        is_reordered = bool(state.get("_indices_data_files"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder / _STATE} is not what Dataset.save_to_disk writes. Save the data set again."
        ) from error
    if is_reordered or not files:
        raise DataError(
            f"{folder} has {'an order of its own' if is_reordered else 'no rows'}, which is not "
            f"read. Save the data set again with a current version of `datasets`."
        )
    return files


@dataclass(frozen=True)
class HuggingFaceDataset(PythonDataset):
    """An object of the library, read by it: with its transforms and formats."""

    kind = "Hugging Face dataset"
    uses_keys = True

    def opens(self, data: Any) -> bool:
        """Return whether the data are an object of the library, judged by type."""
        return type(data).__module__.partition(".")[0] == "datasets"

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the items of the data set, with the names of its classes.

        Raises:
            DataError: the object has several splits, or is a stream.
        """
        _refuse_kinds(data)
        dataset = _Named(data, _ids(data, options), _targets(data, options.keys.label))
        if options.transform is None and _has_pictures(data, options):
            options = replace(options, transform="imagenet")  # as for every other file of an image
        examples = super().examples(dataset, options)
        names = _class_names(data, options.keys.label)
        return replace(examples, label_names=names) if names else examples


class _Named:
    """A data set with the ids and labels that are known without reading items."""

    def __init__(self, dataset: Any, ids: Any, targets: Any) -> None:
        self.dataset, self.ids, self.targets = dataset, ids, targets

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]


def _refuse_kinds(data: Any) -> None:
    kind = type(data).__name__
    if isinstance(data, dict):
        raise DataError(
            f"the data are a {kind} with the splits {first_few(list(data))}; expected one of them, "
            f"such as dataset[{next(iter(data), 'train')!r}]."
        )
    if not hasattr(data, "column_names") or not hasattr(data, "__len__"):
        raise DataError(
            f"the data are of type {kind}, a stream without row numbers; expected a Dataset. Load "
            f"it without streaming, or make one by Dataset.from_generator."
        )


def _has_pictures(data: Any, options: OpenOptions) -> bool:
    """Return whether the input is a column of images that no transform of the data set changes."""
    keys = options.keys.input_keys(dict.fromkeys(data.column_names))
    features = [type((data.features or {}).get(key)).__name__ for key in keys]
    return features == ["Image"] and data.format["type"] is None


def _label_key(data: Any, label: str | None) -> str | None:
    return label or key_of(dict.fromkeys(data.column_names), LABEL_KEYS)


def _class_names(data: Any, label: str | None) -> tuple[str, ...] | None:
    key = _label_key(data, label)
    names = getattr((data.features or {}).get(key), "names", None)
    return tuple(map(printable, names)) if names else None


def _targets(data: Any, label: str | None) -> Any:
    """Return the labels as stored; items with a different label take precedence over them."""
    key = _label_key(data, label)
    if key not in data.column_names:
        return None
    values = data.with_format(None)[key][:]
    is_whole = all(isinstance(value, int) for value in values)
    return np.array(values, np.int64) if is_whole and values else None


def _ids(data: Any, options: OpenOptions) -> list[str] | None:
    if options.id is None:
        return None
    if options.id not in data.column_names:
        raise DataError(
            f"{option('id', options.id)}: the data set has no such column. It has "
            f"{first_few(data.column_names, 20)}; name one of these."
        )
    return [str(value) for value in data.with_format(None)[options.id][:]]
