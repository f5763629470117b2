"""What the signature of a module says: the names that its forward pass takes."""

import inspect

from torch import nn

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def argument_names(module: nn.Module) -> tuple[str, ...] | None:
    """Return the names that `forward` takes, in order; None if its signature has none."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # compiled, without a signature
        return None
    return tuple(each.name for each in parameters if each.kind in _BY_NAME) or None


def requires(module: nn.Module, name: str) -> bool:
    """Return whether `forward` has an argument of that name without a default."""
    try:
        parameter = inspect.signature(module.forward).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.default is inspect.Parameter.empty


def padding_token(module: nn.Module) -> int:
    """Return the number that stands for padding among tokens, as a configuration says; else 0."""
    for part in module.modules():
        token = getattr(getattr(part, "config", None), "pad_token_id", None)
        if isinstance(token, int) and token >= 0:
            return token
    return 0
