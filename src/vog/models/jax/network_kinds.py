"""Which kind of network a user gave, judging by its classes; its library alone is imported."""

from typing import Any

from vog.errors import FunctionError
from vog.models.jax.networks import Network
from vog.wording import option


def network_of(value: Any) -> Network:
    """Return the network of what the user gave.

    Raises:
        FunctionError: it is none.
    """
    module, state = value if isinstance(value, tuple) else (value, None)
    kinds = [kind.__module__ for kind in type(module).__mro__]
    if any(kind.startswith("flax.linen") for kind in kinds) and state is None:
        from vog.models.jax.linen_network import LinenNetwork

        return LinenNetwork(module)
    if any(kind.startswith("flax.nnx") for kind in kinds) and state is None:
        from vog.models.jax.nnx_network import NnxNetwork

        return NnxNetwork(module)
    if any(kind.startswith("equinox") for kind in kinds):
        from vog.models.jax.equinox_network import EquinoxNetwork

        return EquinoxNetwork(module, state)
    if callable(module) and state is not None:
        from vog.models.jax.function_network import FunctionNetwork

        return FunctionNetwork(module, state)
    raise FunctionError(
        f"{option('model')} is {type(module).__name__}; expected a module of Flax or Equinox, "
        f"(module, state) of Equinox, or (apply, weights)."
    )
