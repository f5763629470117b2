"""Arrays by name: the leaves of a tree of JAX under their path in it, joined by dots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Tree:
    """A tree of arrays without its values.

    Attributes:
        names: of the leaves, in the order of the tree.
        shapes: of the leaves, by name.
        structure: puts leaves into their places.
    """

    names: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    structure: Any

    def with_values(self, arrays: Arrays) -> Any:
        """Return the tree with arrays as its leaves."""
        return jax.tree_util.tree_unflatten(self.structure, [arrays[name] for name in self.names])


def tree_of(value: Any, prefix: str = "", dropped: tuple[str, ...] = ()) -> Tree:
    """Return the names and shapes of a tree.

    Args:
        value: the tree; its leaves have a shape.
        prefix: precedes each name.
        dropped: attributes of containers, such as `value`, that do not count at the end of a path.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(value)
    paths = [path[:-1] if _ends_in_attribute(path, dropped) else path for path, _ in leaves]
    names = tuple(prefix + ".".join(map(_part, path)) for path in paths)
    shapes = {name: tuple(leaf.shape) for name, (_, leaf) in zip(names, leaves, strict=True)}
    return Tree(names, shapes, structure)


def _ends_in_attribute(path: Any, attributes: tuple[str, ...]) -> bool:
    """Return whether a path ends in one of these attributes; keys of dicts are never meant."""
    if not path or isinstance(path[-1], jax.tree_util.DictKey | jax.tree_util.SequenceKey):
        return False
    return _part(path[-1]) in attributes


def _part(key: Any) -> str:
    """Return one part of a path as text: a key, an attribute or a position."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def flattened(content: Any) -> dict[str, np.ndarray]:
    """Return the numbers in nested dicts and lists by names joined by dots; the rest is left."""
    return dict(_numbers(content, ()))


def _numbers(content: Any, path: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(content, Mapping):
        items = [(str(key), value) for key, value in content.items()]
    elif isinstance(content, list | tuple):
        items = [(str(position), value) for position, value in enumerate(content)]
    else:
        array = as_float32(content)
        if array is not None:
            yield ".".join(path), array
        return
    for key, value in items:
        yield from _numbers(value, (*path, key))


def as_float32(value: Any) -> np.ndarray | None:
    """Return an array with floats in float32; None if a value is no array of numbers."""
    if value is None or isinstance(value, str | bytes):
        return None
    array = np.array(value)  # a copy, because arrays of JAX cannot be written to
    if array.dtype.kind in "biu":
        return array
    is_small_float = array.dtype.kind == "V" and "float" in array.dtype.name  # such as bfloat16
    return array.astype(np.float32) if array.dtype.kind == "f" or is_small_float else None
