"""Images with their colours on the last axis, for models that take them so.

The transforms of this package put colours first. If the model takes them last, what such a
transform returns is rearranged; what a transform of the user returns is not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from vog.data.examples import Examples


@dataclass(frozen=True)
class ColoursLast:
    """A transform of this package, followed by the change of axes.

    Attributes:
        transform: from an image to colours x height x width.
    """

    transform: Callable[[Any], Any]

    def __call__(self, image: Any) -> Float[np.ndarray, "h w colours"]:
        """Return the transformed image, colours last."""
        return self.rearrange(self.transform(image))

    def rearrange(
        self, values: Float[np.ndarray, "colours h w"]
    ) -> Float[np.ndarray, "h w colours"]:
        """Return an image with its first axis as the last."""
        return np.ascontiguousarray(np.moveaxis(values, 0, -1))


def inner_transform(transform: Any) -> Any:
    """Return the transform whose result is rearranged; any other as it is."""
    return transform.transform if isinstance(transform, ColoursLast) else transform


def with_colours_last(examples: Examples) -> Examples:
    """Return examples, read by a transform of this package, with colours last."""
    return replace(examples, read=_rearranged(examples.read))


def _rearranged(reader: Any) -> Any:
    """Return a reader, or a reader of some of its rows, with colours last."""
    inner_reader = getattr(reader, "read", None)
    if inner_reader is not None:
        return replace(reader, read=_rearranged(inner_reader))
    return replace(reader, transform=ColoursLast(reader.transform))
