"""Open what a user gives as a model: the only place that knows which frameworks there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vog.checkpoints import search
from vog.errors import FunctionError, ModelError, first_few
from vog.models import own_model
from vog.models.builder import Builder
from vog.models.hugging_face import open_network as open_hugging_face
from vog.models.hugging_face import saved_folders
from vog.models.jax import open_network as open_jax
from vog.models.keras import open_network as open_keras
from vog.models.libraries import named_models
from vog.models.lightning_arguments import with_saved_arguments
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model
from vog.models.tensorflow import open_network as open_tensorflow
from vog.models.torch import open_module
from vog.wording import described_option, option

# A model, a function that returns one, or `file.py:function`; `jax:` before it names the framework.
# None if the checkpoints say which model they are of.
ModelSpec = Any


# In the order in which they are asked. A module is a module, also if it has a method `observe`.
ADAPTERS = (
    open_keras.ADAPTER,
    open_module.ADAPTER,
    open_hugging_face.ADAPTER,
    named_models.TIMM_ADAPTER,
    named_models.TORCHVISION_ADAPTER,
    open_jax.ADAPTER,
    open_tensorflow.FUNCTION_ADAPTER,
    open_tensorflow.FOLDER_ADAPTER,
    own_model.ADAPTER,
)


def check_model(spec: ModelSpec, options: ModelOptions) -> None:
    """Raise ModelError if `spec` can be no model, or the options do not fit; nothing is run."""
    if spec is None:
        return
    adapter, named = _adapter_of(spec), _scheme_of(spec)
    if named is not None:
        named[0].check(options)
    if adapter is not None:
        if options.args:
            raise ModelError(
                f"{option('model_args')} {first_few(list(options.args))}: the model is "
                f"{adapter.kind}, which is built already. Pass a function that builds it, or leave "
                f"{option('model_args')} out."
            )
    elif isinstance(spec, Mapping):
        raise ModelError(
            f"{described_option('model', spec)}: weights alone do not say how to compute with "
            f"them. Expected a module, a function that builds one, or 'file.py:function'."
        )
    elif not isinstance(spec, str) and not callable(spec):
        raise ModelError(
            f"{described_option('model', spec)}: expected a module, a function that builds one, or "
            f"'file.py:function'."
        )
    if adapter is not None:
        adapter.check(options)


def model_in_checkpoints(specs: Sequence[str | Path], custom_reader: bool) -> str:
    """Return the name of the model that lies with its checkpoints, such as `hf:out/checkpoint-9`.

    Args:
        specs: as the user named the checkpoints.
        custom_reader: a function of the user reads them.

    Raises:
        ModelError: not every checkpoint is a folder that says which model it is of.
        CheckpointError: there are no checkpoints.
    """
    files = search(specs, custom_reader, saved_folders.is_checkpoint).files
    other = next((file.path for file in files if not saved_folders.is_checkpoint(file.path)), None)
    if other is not None or custom_reader:
        raise ModelError(
            f"{option('model')} is missing, and {other or files[-1].path} does not say which model "
            f"it is of. Give {option('model', 'file.py:function')}, a function that builds the "
            f"model. (Only folders that transformers wrote, with config.json, say it.)"
        )
    return f"{open_hugging_face.SCHEME}:{files[-1].path}"


def model_of(spec: ModelSpec, options: ModelOptions) -> Model:
    """Return the model of `spec`: an object, a function that builds one, or `file.py:function`.

    A name may begin with the scheme of a framework, such as `jax:file.py:function`.

    Raises:
        FunctionError: the function cannot be found, fails, or returns no model.
        ModelError: the model cannot be used.
    """
    named = _scheme_of(spec)
    if named is not None:
        return named[0].of_name(named[1], options)
    adapter = _adapter_of(spec)
    if adapter is not None:
        return adapter.model(spec, None, options)
    build = with_saved_arguments(Builder(spec, options.args), options)
    value = build()
    adapter = _adapter_of(value)
    if adapter is None:
        raise FunctionError(
            f"{option('model')} {build.name!r} returns {type(value).__name__}, not an nn.Module, "
            f"and no object with `observe`, nor a network of Flax or Equinox."
        )
    return adapter.model(value, build, options)


def _scheme_of(spec: ModelSpec) -> tuple[Adapter, str] | None:
    """Return the adapter whose scheme a name begins with, and the rest of the name; or None."""
    if not isinstance(spec, str):
        return None
    scheme, colon, rest = spec.partition(":")
    adapters = (adapter for adapter in ADAPTERS if colon and adapter.scheme == scheme)
    return next(((adapter, rest) for adapter in adapters), None)


def _adapter_of(value: object) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS if adapter.opens(value)), None)
