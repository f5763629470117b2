"""Open data with what comes with the model: its transform, and the names of its classes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vog.data import Examples, TransformSpec, kinds
from vog.data.class_numbers import numbered_as_model
from vog.data.collation import as_inputs
from vog.data.inputs import tensors_by_name
from vog.data.processors.first_example import of_first_stored
from vog.data.processors.model_transform import (
    IfTaken,
    ModelTransform,
    with_transform,
)
from vog.errors import VogError
from vog.models.protocol import Companions, HasCompanions, Model
from vog.sweep.request import Request

# Far more than rounding, and far less than another normalisation.
_TOLERANCE = 1e-2

Open = Callable[[TransformSpec], Examples]


def companions_of(model: Model, last: Path) -> Companions:
    """Return what comes with a model; `last` is the path of the last checkpoint."""
    return model.companions(last) if isinstance(model, HasCompanions) else Companions()


def open_with_companions(
    request: Request, companions: Companions, open_examples: Open
) -> tuple[Examples, dict[str, str]]:
    """Return the examples, and sentences for the plan on transform and names.

    Args:
        request: that names the data and perhaps a transform.
        companions: what comes with the model.
        open_examples: opens the data with a transform.

    Raises:
        DataError: the data cannot be opened, or their classes are not those of the model.
    """
    own, notes = companions.transform, dict[str, str]()
    if companions.architecture is not None:
        notes["architecture"] = companions.architecture
    if own is None or request.transform is not None:
        examples = open_examples(request.transform)
        if own is not None and (difference := _difference(examples, own)) is not None:
            notes["transform"] = difference
    else:
        examples = _with_own_transform(request, own, open_examples)
        if isinstance(examples.transform, ModelTransform):
            notes["transform"] = examples.transform.summary
    if companions.label_names is None:
        return examples, notes
    examples, note = numbered_as_model(examples, companions.label_names)
    return examples, notes | ({"classes": note} if note else {})


def _with_own_transform(request: Request, own: ModelTransform, open_examples: Open) -> Examples:
    """Return the examples with the transform of the model, if it takes what the data hold."""
    if kinds.source_of(request.data).form == "files":
        return open_examples(own if own.takes(Image.new("RGB", (1, 1))) else None)
    examples = open_examples(IfTaken(own))
    is_taken = of_first_stored(examples, own.takes)
    if is_taken is None:
        return examples
    if is_taken:
        return with_transform(examples, own)
    examples = with_transform(examples, None)
    if not getattr(examples.read, "in_memory", False):
        return examples
    return replace(examples, workers=request.workers or 0, read_by_workers=False)


def _difference(examples: Examples, own: ModelTransform) -> str | None:
    """Return how the user's transform and that of the model differ on an example; None if not."""
    return of_first_stored(examples, partial(_difference_for, examples.transform, own))


def _difference_for(given_transform: Any, own: ModelTransform, value: Any) -> str | None:
    if not own.takes(value):
        return None
    try:
        given, expected = (_arrays(f(value)) for f in (given_transform or _unchanged, own))
    except VogError:
        return None
    if given.keys() != expected.keys() or any(
        given[name].shape != expected[name].shape for name in given
    ):
        shapes = " and ".join(_shapes(arrays) for arrays in (given, expected))
        return f"not {own.summary}: of the same example they make {shapes}"
    far = max(float(np.abs(given[name] - expected[name]).max(initial=0)) for name in given)
    if far <= _TOLERANCE:
        return None
    return f"not {own.summary}: values of the same example differ by up to {far:.2g}"


def _unchanged(value: Any) -> Any:
    return value


def _arrays(value: Any) -> dict[str | None, np.ndarray]:
    tensors = tensors_by_name(as_inputs(value, "the first example"))
    return {name: tensor[0].numpy() for name, tensor in tensors.items()}


def _shapes(arrays: dict[str | None, np.ndarray]) -> str:
    texts = [f"{name or ''} {tuple(array.shape)}".strip() for name, array in arrays.items()]
    return ", ".join(texts)
