"""Placeholders for the objects that a pickle names, and the budget for reading it."""

from dataclasses import dataclass, field
from typing import Any

# Pickled weights take about thirty opcodes per tensor. Ten million take less than a minute.
MOST_STEPS = 10_000_000
# Integers up to this size have different hashes. The time to hash a tuple grows with its length.
_LARGEST_KEY = 2**60
_LONGEST_KEY = 8
_COST_OF_TUPLE_KEY = 1000


class Unreadable(ValueError):  # noqa: N818 (a state of the bytes, in words for the message)
    """The bytes are not a valid pickle, or exceed a bound; the text says which."""


@dataclass(frozen=True)
class Name:
    """A module and a name in a pickle, as two texts. It is not imported and cannot be called."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class StandIn:
    """A stand-in for an object of the file: it records the operations, which are not executed.

    Attributes:
        name: the class or function.
        arguments: the arguments of the call.
        state: the argument of `__setstate__`, or None.
        items: the items set by key.
        elements: the appended elements.
    """

    name: Name
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<an object of {self.name}>"


class OpaqueKey:
    """A key that is hashed by identity: its own hash may be slow, or equal to many other hashes."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Budget:
    """The number of steps and copied bytes that reading one file may still use."""

    def __init__(self, size: int) -> None:
        self.steps = MOST_STEPS
        self.copies = 8 * size + 2**20

    def step(self, count: int = 1) -> None:
        """Use some steps.

        Raises:
            Unreadable: fewer are left.
        """
        self.steps -= count
        if self.steps < 0:
            raise Unreadable(f"it holds more than {MOST_STEPS:,} values beside its tensors")

    def copy(self, count: int) -> None:
        """Use some bytes, or references, of copied memory.

        Raises:
            Unreadable: fewer are left: the file copies its values far too often.
        """
        self.copies -= count
        if self.copies < 0:
            raise Unreadable("it unpacks to far more than its size")

    def safe_key(self, value: Any) -> Any:
        """Return the value if hashing it is fast and rarely collides, else a wrapper."""
        if _is_simple_key(value):
            return value
        if type(value) is tuple and len(value) <= _LONGEST_KEY and all(map(_is_simple_key, value)):
            self.step(_COST_OF_TUPLE_KEY)
            return value
        return OpaqueKey(value)


def _is_simple_key(value: object) -> bool:
    kind = type(value)
    if kind is int:
        return -_LARGEST_KEY < value < _LARGEST_KEY  # type: ignore[operator]
    return kind in (str, bytes, bool, type(None), Name)
