"""The keys under which an item that is a mapping holds its input and its label."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# If an item has several of these keys, the first is used.
INPUT_KEYS = ("pixel_values", "image", "inputs", "input_ids", "text")
LABEL_KEYS = ("label", "labels")


def key_of(item: Mapping[Any, Any], keys: Iterable[str]) -> str | None:
    """Return the first of `keys` that an item has; None if it has none of them."""
    return next((key for key in keys if key in item), None)


@dataclass(frozen=True)
class ItemKeys:
    """Which keys of items that are mappings are the input, and which is the label.

    Attributes:
        inputs: the keys of the input as the user names them; None to find them.
        label: the key of the label as the user names it; None to find it.
        arguments: the names that the model takes, in their order; None if they are unknown.
    """

    inputs: tuple[str, ...] | None = None
    label: str | None = None
    arguments: tuple[str, ...] | None = None

    @property
    def are_given(self) -> bool:
        """Whether the user names a key."""
        return self.inputs is not None or self.label is not None

    def input_keys(self, item: Mapping[Any, Any]) -> tuple[str, ...]:
        """Return the keys of the input of an item; none if it is unknown which they are.

        These are the given keys; or else all that the model takes by name, if there are several; or
        else a key of `INPUT_KEYS`; or else the only one that the model takes.
        """
        if self.inputs is not None:
            return self.inputs
        taken = tuple(
            name for name in self.arguments or () if name in item and self._is_input(name)
        )
        if len(taken) > 1:
            return taken
        known = key_of(item, INPUT_KEYS)
        return taken if known is None else (known,)

    def label_key(self, item: Mapping[Any, Any]) -> str | None:
        """Return the key of the label of an item; None if it has none."""
        return self.label or key_of(item, LABEL_KEYS)

    def _is_input(self, name: str) -> bool:
        return name not in (*LABEL_KEYS, self.label)

    def input_of(self, item: Mapping[Any, Any], keys: tuple[str, ...]) -> Any:
        """Return the values of the keys: by name, or alone where the model takes it first."""
        names = self.arguments or ()
        is_first = keys[0] not in names[1:]
        return item[keys[0]] if len(keys) == 1 and is_first else {key: item[key] for key in keys}


ANY_KEYS = ItemKeys()
