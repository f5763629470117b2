"""Opening of data that a user names or passes, as examples."""

import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vog.data import arrays, connections, datasets, folders, images
from vog.data.batches import with_workers
from vog.data.examples import Examples, FoldPart
from vog.data.folds import fold_dataset as fold_files
from vog.data.folds.fold_record import FoldRecord
from vog.data.image_headers import with_header_facts
from vog.data.images import Transform
from vog.errors import DataError
from vog.files.file_names import expanded
from vog.user_functions import call_function, load_function
from vog.wording import option

TransformSpec = str | Transform | None


def open_source(
    data: Any,
    root: Path | None = None,
    transform: TransformSpec = None,
    workers: int | None = 0,
    exif: bool = False,
    hidden: bool = False,
) -> Examples:
    """Return the examples of a folder, list, `.npz`, function, pair of arrays, or `Dataset`.

    Args:
        data: a path, `file.py:function` that returns a dataset, `(inputs, labels)`, or a
            map-style dataset. Labels may be missing; see `vog.data.examples.UNLABELLED`.
        root: for a list file, the folder that its paths are relative to.
        transform: "imagenet", "none", `file.py:function`, a function, or None for what fits
            the source: "imagenet" for image files, "none" for everything else.
        workers: the number of processes that will read; None goes by the data and processors.
        exif: rotate image files as their EXIF says.
        hidden: for a folder, include images in hidden folders, as version 0.1 did.

    Raises:
        DataError: the data do not exist, or hold no examples.
        FunctionError: a function cannot be found or fails.
    """
    if isinstance(data, str):
        _refuse_data_name(data)
    sockets = connections.open_sockets()
    if isinstance(data, tuple) and len(data) == 2:
        examples = arrays.from_arrays(*_array_pair(data), _value_transform(transform))
    elif not isinstance(data, str | Path):
        examples = datasets.from_dataset(data, _value_transform(transform), workers, sockets)
    elif (fold_file := _find_fold(data)) is not None:
        examples = _open_fold(*fold_file, expanded(data), root, transform, workers)
    elif (kind := _path_kind(expanded(data), data)) is not None:
        examples = _open_path(kind, expanded(data), root, transform, hidden)
    elif ":" in str(data):
        function = load_function(str(data), option("data"))
        dataset = call_function(function, str(data), option("data"))
        examples = datasets.from_dataset(dataset, _value_transform(transform), workers, sockets)
    else:
        raise DataError(
            f"{option('data')} {str(data)!r}: there is no such folder or file. Expected a folder "
            f"with one sub-folder a class, a list file, an .npz, or file.py:function."
        )
    if not isinstance(examples.read, datasets.DatasetReader):  # which have their workers already
        examples = with_workers(examples, workers, sockets)
    if root is not None and not (_is_list(data) and examples.fold is None):
        note = f"{option('root', str(root))} is for list files, and was not used"
        examples = replace(examples, notes=(*examples.notes, note))
    return with_header_facts(examples, exif)


def _find_fold(data: str | Path) -> tuple[FoldRecord, FoldPart] | None:
    path = expanded(data)
    return fold_files.fold_of_file(path) if _path_kind(path, data) in ("npz", "list") else None


def _open_fold(
    record: FoldRecord,
    part: FoldPart,
    path: Path,
    root: Path | None,
    transform: TransformSpec,
    workers: int | None,
) -> Examples:
    """Return the examples of a file that `vog folds` wrote."""
    if record.kind == "npz":
        examples = arrays.from_npz(path, _value_transform(transform))
    elif record.kind == "files":
        base_folder = root or (None if record.root is None else Path(record.root))
        examples = folders.from_list(path, base_folder, _image_transform(transform))
    else:
        sockets = connections.open_sockets()
        function = load_function(record.data, option("data"))
        dataset = call_function(function, record.data, option("data"))
        dataset_part = fold_files.part_of_dataset(dataset, record, part)
        return datasets.from_dataset(dataset_part, _value_transform(transform), workers, sockets)
    return fold_files.with_original_rows(examples, record, part)


def absolute_spec(spec: str | Path) -> str:
    """Return a path or `file.py:function` with an absolute path; `module:function` unchanged."""
    path, colon, function = str(spec).rpartition(":")
    if expanded(spec).exists() or not colon:
        return str(expanded(spec).absolute())
    is_file = path.endswith(".py")
    return f"{expanded(path).absolute()}:{function}" if is_file else str(spec)


def _is_list(data: Any) -> bool:
    """Return whether the data are a list file, the only source that has a root."""
    return isinstance(data, str | Path) and _path_kind(expanded(data), data) == "list"


def _refuse_data_name(data: str) -> None:
    """Raise DataError if a text cannot name a path or a function."""
    if not data.strip():
        raise DataError(
            f"{option('data')} is empty. Expected a folder with one sub-folder a class, a list "
            f"file, an .npz, or file.py:function; the current folder is `.`."
        )
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", data):
        raise DataError(
            f"{option('data')} {data!r} is an address, but data are read from folders and files "
            f"of this machine. Copy them here, or give file.py:function that returns a Dataset."
        )
    if data.endswith(".py") and expanded(data).is_file():
        raise DataError(
            f"{option('data')} {data!r} is a file of Python code; expected the function in it "
            f"that returns the data, such as {data}:NAME."
        )


def _array_pair(data: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        inputs, labels = (None if part is None else np.asarray(_on_cpu(part)) for part in data)
    except (TypeError, ValueError) as error:
        raise DataError(f"the data are a pair, but not of arrays: {error}") from error
    if inputs is None:
        raise DataError("the data are a pair whose first part is None; expected (inputs, labels).")
    return inputs, labels


def _path_kind(path: Path, spec: str | Path) -> Literal["folder", "npz", "list"] | None:
    """Return the kind of data at a path; None if there is nothing, or Python code.

    Raises:
        DataError: it cannot be read, or is neither a file nor a folder.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise DataError(f"{option('data')} {str(spec)!r}: {error.strerror}.") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise DataError(f"{option('data')} {str(spec)!r} is neither a file nor a folder.")
    return None if path.suffix == ".py" else "npz" if path.suffix == ".npz" else "list"


def _open_path(
    kind: Literal["folder", "npz", "list"],
    path: Path,
    root: Path | None,
    transform: TransformSpec,
    hidden: bool,
) -> Examples:
    if kind == "npz":
        return arrays.from_npz(path, _value_transform(transform))
    if kind == "folder":
        return folders.from_folder(path, _image_transform(transform), hidden)
    return folders.from_list(path, root, _image_transform(transform))


def _image_transform(spec: TransformSpec) -> Transform:
    if spec is None or spec == "imagenet":
        return images.imagenet
    return _value_transform(spec) or images.unchanged


def _value_transform(spec: TransformSpec) -> Transform | None:
    if spec is None or spec == "none":
        return None
    if spec == "imagenet":
        return images.imagenet
    return load_function(spec, option("transform")) if isinstance(spec, str) else spec


def _on_cpu(array: Any) -> Any:
    if not isinstance(array, Tensor):
        return array
    tensor = array.detach().cpu()
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor  # NumPy has no bfloat16
