"""How the checkpoints of one run are read: which weights of a file, and by whom."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vog import user_functions
from vog.checkpoints.contents import describe_value, is_tensor
from vog.checkpoints.read_checkpoint import Contents, read_contents
from vog.errors import CheckpointError, first_few

ReadSpec = str | Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """Reads checkpoints; called with a path it returns the weights.

    Attributes:
        weights: where they are in a file that has several: a key, or keys joined by dots;
            empty for the file as a whole.
        read: reads a file in place of our readers: a function, or `file.py:function`.
    """

    weights: str | None = None
    read: ReadSpec | None = None

    def __call__(self, path: Path) -> "OrderedDict[str, Any]":
        """Return the weights in a file; see `contents`."""
        return self.contents(path).weights

    def contents(self, path: Path) -> Contents:
        """Return the weights in a file, with where they were in it.

        Raises:
            CheckpointError: the file cannot be read, or has no weights there.
            FunctionError: the function of the user cannot be found, or failed.
        """
        if self.read is None:
            return read_contents(path, self.weights)
        return read_contents(path, self.weights, self._call_function)

    def question(self) -> dict[str, str]:
        """Return what of this determines the numbers; nothing where all is by default."""
        settings = {} if self.weights is None else {"weights": self.weights}
        if self.read is not None:
            settings["read"] = user_functions.function_identity(self._load_function())
        return settings

    def _load_function(self) -> Callable[..., Any]:
        read = self.read
        return user_functions.load_function(read, "--read") if isinstance(read, str) else read  # type: ignore[return-value]

    def _call_function(self, path: Path) -> Mapping[str, Any]:
        function = self._load_function()
        spec = (
            self.read if isinstance(self.read, str) else user_functions.function_identity(function)
        )
        content = user_functions.call_function(partial(function, path), spec, "--read")
        is_named = isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
        if not is_named or (self.weights is None and not any(map(is_tensor, content.values()))):
            raise CheckpointError(
                f"--read {spec!r} returns {describe_value(content)} for {path}; expected the weights by "
                f"name, {{name: tensor or array}}."
            )
        return content


def refuse_mixed_keys(keys: Mapping[Path, str]) -> None:
    """Raise unless the weights were at the same place of every file.

    Raises:
        CheckpointError: they were not: some may be averages, or of another network.
    """
    unique = dict.fromkeys(keys.values())
    if len(unique) > 1:
        examples = {key: path for path, key in keys.items()}
        places = [
            f"{key!r} of {examples[key]}" if key else f"all of {examples[key]}" for key in unique
        ]
        raise CheckpointError(
            f"the checkpoints hold their weights in different places: {first_few(places)}. "
            f"Say which are meant by --weights KEY, which has to be in every file, or give a "
            f"--read file.py:function that returns the weights of each."
        )
