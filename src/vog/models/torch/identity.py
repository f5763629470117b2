"""What identifies a module in the question of a run: its architecture, code and settings."""

from torch import nn

from vog import user_functions

_SETTING_TYPES = (str, int, float, tuple, type(None))


def identity_of(module: nn.Module) -> dict[str, str]:
    """Return digests of the printed module, and of the code and settings of its custom layers.

    Non-persistent buffers, which a module does not save, are in the digests of the checkpoints.
    """
    custom = [m for m in module.modules() if not type(m).__module__.startswith("torch.")]
    code = sorted(map(user_functions.function_identity, {type(layer) for layer in custom}))
    settings = [
        f"{name}={value!r}"
        for layer in custom
        for name, value in sorted(vars(layer).items())
        if name[0] != "_" and name != "training" and isinstance(value, _SETTING_TYPES)
    ]
    return {
        "architecture": user_functions.short_digest(user_functions.address_free(repr(module))),
        "code": user_functions.short_digest("\n".join(code)),
        "settings": user_functions.short_digest("\n".join(settings)),
    }
