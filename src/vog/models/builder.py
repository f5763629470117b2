"""The function of a user that builds a model: named or given, and called when a model is needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vog import user_functions
from vog.wording import option


@dataclass(frozen=True)
class Builder:
    """Builds a model. It can be sent to another process if its function can be imported there.

    Attributes:
        spec: the function, or its name `file.py:function`.
        args: its keywords.
    """

    spec: str | Callable[..., Any]
    args: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        """Return what the function returns.

        Raises:
            FunctionError: it cannot be found, or fails.
        """
        return user_functions.call_function(self.function, self.name, option("model"), **self.args)

    @property
    def name(self) -> str:
        """The function as the user named it, or its name with a digest."""
        return (
            self.spec if isinstance(self.spec, str) else user_functions.function_identity(self.spec)
        )

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself.

        Raises:
            FunctionError: it cannot be found.
        """
        if isinstance(self.spec, str):
            return user_functions.load_function(self.spec, option("model"))
        return self.spec
