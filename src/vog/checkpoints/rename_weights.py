"""Give weights the names, and the order of axes, that the model has: the option `names`."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vog import user_functions
from vog.checkpoints.contents import describe_value, is_tensor
from vog.errors import CheckpointError, first_few, unknown
from vog.files.file_names import expanded
from vog.wording import described_option, option

# A file of names, `file.py:function`, the names themselves, or a function.
NamesSpec = str | Path | Mapping[str, Any] | Callable[..., Any]
_LARGEST_FILE = 2**28
_TO, _PERMUTE = "to", "permute"
_FORM = (
    f'{{"name in file": "name in model"}} or {{"name": {{"{_TO}": "...", "{_PERMUTE}": [1, 0]}}}}'
)


@dataclass(frozen=True)
class _NewName:
    """The name of a weight in the model, and the axes of the file in the order of the model."""

    name: str
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Names:
    """Renames the weights of a file as a list of names says.

    Attributes:
        spec: the option as the user gave it, for messages.
        new: new names by the names in the file; other weights keep their names.
    """

    spec: str
    new: Mapping[str, _NewName]

    def __call__(self, weights: Mapping[str, Any], path: Path) -> "OrderedDict[str, Any]":
        """Return the weights of a file under their new names.

        Raises:
            CheckpointError: the file lacks a name, two weights get the same name, or axes differ.
        """
        missing = [name for name in self.new if name not in weights]
        if missing:
            raise CheckpointError(
                f"checkpoint {path}: {self.spec} names {first_few(missing)}, which the file does "
                f"not have.{unknown(missing[0], weights)} Correct or remove these names."
            )
        renamed: OrderedDict[str, Any] = OrderedDict()
        origins: dict[str, str] = {}
        for name, value in weights.items():
            new = self.new.get(name, _NewName(name))
            if new.name in origins:
                raise CheckpointError(
                    f"checkpoint {path}: {self.spec} gives {origins[new.name]} and {name} the same "
                    f"name, {new.name}. Give each a name of its own."
                )
            origins[new.name] = name
            renamed[new.name] = value if new.axes is None else self._permute(name, value, new, path)
        if hasattr(weights, "_metadata"):
            renamed._metadata = weights._metadata  # type: ignore[attr-defined]
        return renamed

    def _permute(self, name: str, value: Any, new: _NewName, path: Path) -> Tensor:
        axes = new.axes or ()
        if not isinstance(value, Tensor) or sorted(axes) != list(range(value.ndim)):
            shape = tuple(value.shape) if isinstance(value, Tensor) else "no tensor"
            raise CheckpointError(
                f"checkpoint {path}: {self.spec} permutes {name} by {list(axes)}, and its shape is "
                f"{shape}. Give each axis once, counted from 0."
            )
        return value.permute(axes).contiguous()


@dataclass(frozen=True)
class NamesFunction:
    """Renames the weights of a file by a function of the user.

    Attributes:
        spec: the function, as messages name it.
    """

    spec: str
    function: Callable[..., Any]

    def __call__(self, weights: Mapping[str, Any], path: Path) -> "OrderedDict[str, Any]":
        """Return what the function makes of the weights as NumPy arrays, in float32 if need be.

        Raises:
            FunctionError: the function failed.
            CheckpointError: it returns no weights by name.
        """
        arrays = {name: _as_array(value) for name, value in weights.items()}
        content = user_functions.call_function(
            partial(self.function, arrays), self.spec, option("names")
        )
        is_named = isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
        if not is_named or not any(map(is_tensor, content.values())):
            raise CheckpointError(
                f"{option('names')} {self.spec!r} returns {describe_value(content)} for {path}; "
                f"expected the weights by name, {{name: tensor or array}}."
            )
        return OrderedDict(content)


def load_names(spec: NamesSpec) -> Names | NamesFunction:
    """Return what renames weights.

    Raises:
        CheckpointError: there is no such file, or it does not have the form of a list of names.
        FunctionError: the function cannot be found.
    """
    if isinstance(spec, Mapping):
        return _names(option("names"), spec)
    if not isinstance(spec, str | Path):
        return NamesFunction(user_functions.function_identity(spec), spec)
    path = expanded(str(spec))
    if path.suffix.lower() != ".json" and not path.is_file():
        text = str(spec)
        return NamesFunction(text, user_functions.load_function(text, option("names")))
    return _names(described_option("names", str(spec)), _read_file(path, str(spec)))


def names_identity(spec: NamesSpec) -> str:
    """Return a text that is equal for equal names, and for functions with equal code."""
    names = load_names(spec)
    if isinstance(names, NamesFunction):
        return user_functions.function_identity(names.function)
    entries = sorted([name, new.name, new.axes] for name, new in names.new.items())
    digest = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
    return f"{len(names.new)} names {digest[:16]}"


def _read_file(path: Path, spec: str) -> Any:
    setting = described_option("names", spec)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CheckpointError(f"{setting} is larger than any list of names. Expected {_FORM}.")
        return json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_without_repetition)
    except OSError as error:
        raise CheckpointError(
            f"{setting} cannot be read: {error.strerror}. Expected a file.json with names, or "
            f"file.py:function."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{setting} is no JSON: {error}. Expected {_FORM}.") from error


def _without_repetition(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the items of an object of JSON; raise ValueError if a key is there twice."""
    items = dict(pairs)
    if len(items) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} is there twice")
    return items


def _names(spec: str, content: Any) -> Names:
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{spec} holds {describe_value(content)}. Expected {_FORM}.")
    new = {str(name): _new_name(spec, name, value) for name, value in content.items()}
    targets: dict[str, str] = {}
    for name, entry in new.items():
        if entry.name in targets:
            raise CheckpointError(
                f"{spec} gives {targets[entry.name]} and {name} the same name, {entry.name}. Give "
                f"each a name of its own."
            )
        targets[entry.name] = name
    return Names(spec, new)


def _new_name(spec: str, name: object, value: object) -> _NewName:
    axes = None
    to = value
    if isinstance(value, Mapping) and set(value) in ({_TO}, {_TO, _PERMUTE}):
        to, axes = value[_TO], value.get(_PERMUTE)
    is_plain = axes is None or (
        isinstance(axes, list | tuple) and all(type(axis) is int for axis in axes)
    )
    if not isinstance(name, str) or not isinstance(to, str) or not to or not is_plain:
        raise CheckpointError(
            f"{spec} has {json.dumps(value, default=repr)[:80]} for {str(name)[:80]}. Expected "
            f"{_FORM}."
        )
    return _NewName(to, None if axes is None else tuple(axes))


def _as_array(value: Any) -> Any:
    """Return a tensor as an array: dense, and in float32 if NumPy lacks its type."""
    if not isinstance(value, Tensor):
        return value
    if value.is_quantized:
        value = value.dequantize()
    dense = value if value.layout is torch.strided else value.to_dense()
    dense = dense.resolve_conj().resolve_neg()
    try:
        return dense.numpy()
    except TypeError:
        return dense.float().numpy()
