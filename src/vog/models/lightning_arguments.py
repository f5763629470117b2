"""Build a LightningModule as it was trained: with the settings that its checkpoints hold."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vog.checkpoints import stand_in_name
from vog.checkpoints.checkpoint_folders import reads_nothing
from vog.checkpoints.read_checkpoint import read_content
from vog.checkpoints.safe_pickle.placeholders import Name
from vog.errors import CheckpointError, FunctionError, ModelError, first_few
from vog.models.builder import Builder
from vog.models.last_checkpoint import last_checkpoint
from vog.models.options import ModelOptions
from vog.wording import option

_KEY = "hyper_parameters"


def with_saved_arguments(build: Builder, options: ModelOptions) -> Builder:
    """Return a builder with the settings in the last checkpoint, if it builds a LightningModule.

    Settings that the user gives win. Those that the constructor does not take are left out.

    Raises:
        ModelError: the constructor takes a setting that the checkpoint holds as an object, and that
            is not known to be its default. Another value could give other numbers.
    """
    kind = build.function
    if not isinstance(kind, type) or not _is_lightning(kind):
        return build
    path = last_checkpoint(options, reads_nothing)
    saved = {} if path is None else _saved_settings(path)
    parameters = inspect.signature(kind).parameters
    taken = {name: saved[name] for name in parameters if name in saved and name not in build.args}
    objects = {name: found for name, value in taken.items() if (found := stand_in_name(value))}
    unknown = [name for name in objects if not _is_default(taken[name], parameters[name].default)]
    if unknown:
        raise ModelError(
            f"{option('model')} {build.name!r} was built with {first_few(unknown)}, which {path} "
            f"holds as an object of {objects[unknown[0]]}; reading it would execute code. Give a "
            f"function that passes it as {option('model')}; or, if the outputs do not depend on "
            f"it, any plain value as {option('model_args')}."
        )
    plain = {name: value for name, value in taken.items() if name not in objects}
    return replace(build, args={**plain, **build.args})


def _is_default(value: object, default: object) -> bool:
    """Return whether the name of a class or function in a file is that of a default value."""
    name = f"{getattr(default, '__module__', '')}.{getattr(default, '__qualname__', '')}"
    return isinstance(value, Name) and str(value) == name


def _is_lightning(kind: type) -> bool:
    return any(
        base.__name__ == "LightningModule" and "lightning" in base.__module__
        for base in kind.__mro__
    )


def _saved_settings(path: Path) -> Mapping[str, Any]:
    """Return the settings in a checkpoint of Lightning; empty if there are none."""
    try:
        content = read_content(path)
    except (CheckpointError, FunctionError):
        return {}  # reading the weights reports it
    settings = content.get(_KEY) if isinstance(content, Mapping) else None
    return settings if isinstance(settings, Mapping) else {}
