"""Former names of public attributes and classes: they still work, with a DeprecationWarning."""

import warnings
from collections.abc import Callable
from typing import Any


class FormerAttribute:
    """A former attribute or method of a class; reading it warns and gives the present one."""

    def __init__(self, present: str) -> None:
        self.present = present

    def __set_name__(self, owner: type, former: str) -> None:
        """Keep both names as they stand in the warning; Python calls this when a class is made."""
        self.old_name = f"{owner.__name__}.{former}"
        self.new_name = f"{owner.__name__}.{self.present}"

    def __get__(self, instance: object | None, owner: type) -> Any:
        """Return the present attribute of an object; of a class, this description."""
        if instance is None:
            return self
        _warn(self.old_name, self.new_name)
        return getattr(instance, self.present)


def former_classes(module: str, **classes: type) -> Callable[[str], type]:
    """Return the `__getattr__` of a module that finds classes by former names.

    Args:
        module: the name of the module.
        classes: the present class of each former name.
    """

    def find_class(name: str) -> type:
        if name not in classes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{classes[name].__name__}")
        return classes[name]

    return find_class


def _warn(former: str, present: str) -> None:
    """Warn at the line that uses the former name, two calls above."""
    warnings.warn(f"{former} is now called {present}.", DeprecationWarning, stacklevel=3)
