"""From what a user calls data, a word or an object, to examples."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vog import functions
from vog.data import arrays, datasets, folders, images
from vog.data.examples import Examples
from vog.data.images import Transform
from vog.errors import DataError

TransformSpec = str | Transform | None


def open_source(
    data: Any,
    root: Path | None = None,
    transform: TransformSpec = None,
) -> Examples:
    """The examples of a folder, list, `.npz`, function, pair of arrays, or `Dataset`.

    Args:
        data: a path, `file.py:function` that returns a dataset, `(inputs, labels)`, or a
            map-style dataset. Labels may be missing; see `vog.data.examples.UNLABELLED`.
        root: for a list file, the folder that its paths are relative to.
        transform: "imagenet", "none", `file.py:function`, a function, or None for what fits
            the source: "imagenet" for image files, "none" for everything else.

    Raises:
        DataError: there is no such thing, or it holds no examples.
        FunctionError: a function cannot be found or fails.
    """
    if isinstance(data, tuple) and len(data) == 2:
        try:
            inputs, labels = (None if part is None else np.asarray(_on_cpu(part)) for part in data)
        except (TypeError, ValueError) as error:
            raise DataError(f"the data are a pair, but not of arrays: {error}") from error
        if inputs is None:
            raise DataError("the data are a pair whose first is None; expected (inputs, labels).")
        return arrays.from_arrays(inputs, labels, _for_values(transform))
    if not isinstance(data, str | Path):
        return datasets.from_dataset(data, _for_values(transform))
    path = Path(data).expanduser()
    if path.is_dir():
        return folders.from_folder(path, _for_images(transform))
    if path.suffix == ".npz" and path.is_file():
        return arrays.from_npz(path, _for_values(transform))
    if path.is_file() and path.suffix != ".py":
        return folders.from_list(path, root, _for_images(transform))
    if ":" in str(data):
        function = functions.load(str(data), "--data")
        return datasets.from_dataset(
            functions.call(function, str(data), "--data"), _for_values(transform)
        )
    raise DataError(
        f"--data {str(data)!r}: there is no such folder or file. Expected a folder with one "
        f"sub-folder a class, a list file, an .npz, or file.py:function."
    )


def _for_images(spec: TransformSpec) -> Transform:
    if spec is None or spec == "imagenet":
        return images.imagenet
    return _for_values(spec) or images.unchanged


def _for_values(spec: TransformSpec) -> Transform | None:
    if spec is None or spec == "none":
        return None
    if spec == "imagenet":
        return images.imagenet
    return functions.load(spec, "--transform") if isinstance(spec, str) else spec


def _on_cpu(part: Any) -> Any:
    if not isinstance(part, Tensor):
        return part
    there = part.detach().cpu()
    return there.float() if there.dtype == torch.bfloat16 else there  # NumPy has none
