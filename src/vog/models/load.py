"""Open what a user gives as a model: the only place that knows which frameworks there are."""

from collections.abc import Mapping
from typing import Any

from vog import user_functions
from vog.errors import FunctionError, ModelError, first_few
from vog.models import own_model
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model
from vog.models.torch import open_module
from vog.wording import described_option, option

# A model, a function that returns one, or `file.py:function`.
ModelSpec = Any


# In the order in which they are asked. A module is a module, also if it has a method `observe`.
ADAPTERS = (open_module.ADAPTER, own_model.ADAPTER)


def check_model(spec: ModelSpec, options: ModelOptions) -> None:
    """Raise ModelError if `spec` can be no model, or the options do not fit; nothing is run."""
    adapter = _adapter_of(spec)
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


def model_of(spec: ModelSpec, options: ModelOptions) -> Model:
    """Return the model of `spec`: an object, a function that builds one, or `file.py:function`.

    Raises:
        FunctionError: the function cannot be found, fails, or returns no model.
        ModelError: the model cannot be used.
    """
    adapter = _adapter_of(spec)
    if adapter is not None:
        return adapter.model(spec, None, options)
    what = option("model")
    named = spec if isinstance(spec, str) else user_functions.function_identity(spec)
    function = user_functions.load_function(spec, what) if isinstance(spec, str) else spec

    def build() -> object:
        return user_functions.call_function(function, named, what, **options.args)

    value = build()
    adapter = _adapter_of(value)
    if adapter is None:
        raise FunctionError(
            f"{what} {named!r} returns {type(value).__name__}, not an nn.Module, and no object "
            f"with `observe`."
        )
    return adapter.model(value, build, options)


def _adapter_of(value: object) -> Adapter | None:
    return next((adapter for adapter in ADAPTERS if adapter.opens(value)), None)
