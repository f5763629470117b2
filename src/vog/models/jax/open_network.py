"""Open a network of JAX, or a function that builds one; JAX itself is imported only then."""

import sys
from collections.abc import Callable
from typing import Any

from vog.errors import FunctionError, ModelError
from vog.models.builder import Builder
from vog.models.options import Adapter, ModelOptions
from vog.models.protocol import Model
from vog.wording import option

_FRAMEWORKS = ("flax", "equinox")
_KIND = "a network of Flax or Equinox"


def _opens(value: object) -> bool:
    """Return whether an object is a module, a module with its state, or a function and weights."""
    if not isinstance(value, tuple):
        return _is_module(value)
    if len(value) != 2 or _is_module(value[0]):
        return len(value) == 2
    return callable(value[0]) and sys.modules.get("jax") is not None and _holds_arrays(value[1])


def _is_module(value: object) -> bool:
    """Return whether the class of an object derives from one of Flax or Equinox."""
    kinds = () if isinstance(value, type) else type(value).__mro__
    return any(kind.__module__.partition(".")[0] in _FRAMEWORKS for kind in kinds)


def _holds_arrays(value: object) -> bool:
    """Return whether a tree of values has arrays of JAX or NumPy and no functions."""
    import jax

    leaves = jax.tree_util.tree_leaves(value)
    return bool(leaves) and all(
        hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves
    )


def _model(value: Any, build: Callable[[], object] | None, options: ModelOptions) -> Model:
    """Return the model of a network.

    Raises:
        ModelError: the network cannot be used, or the device is not there.
    """
    from vog.models.jax.adapter import model_of_network

    return model_of_network(value, build, options)


def _of_name(rest: str, options: ModelOptions) -> Model:
    """Return the model that the function of that name builds.

    Raises:
        FunctionError: the function cannot be found, fails, or returns no network.
        ModelError: JAX is not installed, or the network cannot be used.
    """
    _require_jax(rest)
    build = Builder(rest, options.args)
    value = build()
    if not _opens(value):
        raise FunctionError(
            f"{option('model')} {'jax:' + rest!r} returns {_described(value)}; expected a module "
            f"of Flax or Equinox, (module, state) of Equinox, or (apply, weights) with a function "
            f"apply(weights, inputs) that returns logits."
        )
    return _model(value, build, options)


def _described(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(type(item).__name__ for item in value)})"
    return type(value).__name__


def _require_jax(rest: str) -> None:
    try:
        import jax  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{option('model', 'jax:' + rest)}: {error.name} is not installed. Run: pip install "
            f"'vog[jax]'"
        ) from error


ADAPTER = Adapter(_KIND, _opens, _model, scheme="jax", of_name=_of_name)
