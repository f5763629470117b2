"""The state of the pickle machine between two opcodes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vog.checkpoints.safe_pickle.literal_opcodes import Stream
from vog.checkpoints.safe_pickle.placeholders import Budget, Name, OpaqueKey


@dataclass
class MachineState:
    """The stack, the stacks below each mark, the memo, and facts about the whole stream.

    Attributes:
        make_storage: makes a storage from a persistent id; None if the stream has no storages.
        names: all names of classes and functions so far.
        has_opaque_keys: whether a key had to be wrapped.
    """

    stream: Stream
    budget: Budget
    make_storage: Callable[[Any], object] | None
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    names: set[Name] = field(default_factory=set)
    has_opaque_keys: bool = False

    def pop_mark(self) -> list[Any]:
        """Remove and return the values above the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def safe_key(self, value: Any) -> Any:
        """Return a key that is safe to hash."""
        key = self.budget.safe_key(value)
        self.has_opaque_keys |= type(key) is OpaqueKey
        return key

    def reset(self) -> None:
        """Clear the stack, marks and memo before the next pickle."""
        self.stack, self.marks, self.memo = [], [], {}
