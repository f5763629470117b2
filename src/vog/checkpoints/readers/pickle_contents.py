"""The content of a file's pickle, which also tells whether `torch.load` may read the file."""

from dataclasses import dataclass
from typing import Any

import torch

from vog.checkpoints.safe_pickle import Name
from vog.checkpoints.safe_pickle.literal_opcodes import NAMED_VALUES, StorageType

_PLAIN = frozenset(
    {
        Name("collections", "OrderedDict"),
        Name("torch._utils", "_rebuild_tensor_v2"),
        Name("torch._utils", "_rebuild_tensor_v3"),
        Name("torch._utils", "_rebuild_parameter"),
    }
)


@dataclass(frozen=True)
class PickleContents:
    """The content of a pickle, with stand-ins for objects that are not built.

    Attributes:
        tree: dicts, lists, values, and descriptions of tensors.
        names: all names of classes and functions in the pickle.
        has_opaque_keys: whether a key could be slow to hash and was wrapped.
    """

    tree: Any
    names: frozenset[Name]
    has_opaque_keys: bool

    @property
    def is_plain(self) -> bool:
        """Return whether it names only dense tensors, dicts, and names that the user allows."""
        allowed = _allowed_by_user()
        return not self.has_opaque_keys and all(
            name in _PLAIN or _is_plain_value(name) or str(name) in allowed for name in self.names
        )


def _is_plain_value(name: Name) -> bool:
    value = NAMED_VALUES.get((name.module, name.name))
    return isinstance(value, torch.dtype | StorageType)


def _allowed_by_user() -> set[str]:
    """Return the names that the user gave to `torch.serialization.add_safe_globals`."""
    allowed = set()
    for entry in torch.serialization.get_safe_globals():
        if isinstance(entry, tuple):
            allowed.add(entry[1])
        else:
            allowed.add(f"{entry.__module__}.{getattr(entry, '__qualname__', '')}")
    return allowed
