"""The reader of the checkpoints of one run: which weights of a file, and which function."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vog import user_functions
from vog.checkpoints.contents import describe_value, is_tensor
from vog.checkpoints.read_checkpoint import Contents, as_tensors, read_contents
from vog.checkpoints.rename_weights import (
    NamesSpec,
    load_names,
    names_identity,
)
from vog.errors import CheckpointError, first_few
from vog.wording import option

ReadSpec = str | Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """Reads checkpoints; called with a path it returns the weights.

    Attributes:
        weights: the place of the weights in a file that has several: a key, or keys joined by
            dots; empty for the file as a whole. For TensorFlow, a suffix of variables that take
            the place of others.
        read: reads a file in place of our readers: a function, or `file.py:function`.
        names: gives weights the names of the model: a file of JSON, names, a function, or
            `file.py:function`.
    """

    weights: str | None = None
    read: ReadSpec | None = None
    names: NamesSpec | None = None

    def __call__(self, path: Path) -> "OrderedDict[str, Any]":
        """Return the weights in a file; see `contents`."""
        return self.contents(path).weights

    def contents(self, path: Path) -> Contents:
        """Return the weights in a file, with their place in it.

        Raises:
            CheckpointError: the file cannot be read, has no weights at that place, or the names
                do not fit it.
            FunctionError: the user's function cannot be found, or failed.
        """
        function = None if self.read is None else self._call_function
        contents = read_contents(path, self.weights, function)
        if self.names is None:
            return contents
        renamed = load_names(self.names)(contents.weights, path)
        return replace(contents, weights=as_tensors(renamed, path))

    def question(self) -> dict[str, str]:
        """Return the settings that determine the weights; empty if all have their default."""
        settings = {} if self.weights is None else {"weights": self.weights}
        if self.read is not None:
            settings["read"] = user_functions.function_identity(self._load_function())
        if self.names is not None:
            settings["names"] = names_identity(self.names)
        return settings

    def _load_function(self) -> Callable[..., Any]:
        read = self.read
        return user_functions.load_function(read, option("read")) if isinstance(read, str) else read  # type: ignore[return-value]

    def _call_function(self, path: Path) -> Mapping[str, Any]:
        function = self._load_function()
        spec = (
            self.read if isinstance(self.read, str) else user_functions.function_identity(function)
        )
        content = user_functions.call_function(partial(function, path), spec, option("read"))
        is_named = isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
        if not is_named or (self.weights is None and not any(map(is_tensor, content.values()))):
            raise CheckpointError(
                f"{option('read')} {spec!r} returns {describe_value(content)} for {path}; expected "
                f"the weights by name, {{name: tensor or array}}."
            )
        return content


def refuse_mixed_keys(keys: Mapping[Path, str]) -> None:
    """Raise if the weights were at different places in the files; `keys` are the places by path.

    Raises:
        CheckpointError: the places differ: some weights may be averages, or of another network.
    """
    unique = dict.fromkeys(keys.values())
    if len(unique) > 1:
        examples = {key: path for path, key in keys.items()}
        places = [
            f"{key!r} of {examples[key]}" if key else f"all of {examples[key]}" for key in unique
        ]
        raise CheckpointError(
            f"the checkpoints hold their weights in different places: {first_few(places)}. "
            f"Choose one by {option('weights', 'KEY')}, which every file must have, or give "
            f"{option('read', 'file.py:function')}, which returns the weights of each."
        )
