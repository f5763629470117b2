"""The values that stand for what a pickle names: texts and what was to be done with them."""

from dataclasses import dataclass, field
from typing import Any

# A pickle of weights has some thirty opcodes a tensor. Ten million are read in less than a minute.
MOST_STEPS = 10_000_000
# Keys up to this size have different hashes, and long tuples would have to be hashed item by item.
_LARGEST_KEY = 2**60
_LONGEST_KEY = 8
_COST_OF_TUPLE_KEY = 1000


class Unreadable(ValueError):  # noqa: N818 (a state of the bytes, in words for the message)
    """The bytes are no pickle of values, or exceed a bound; the text says which."""


@dataclass(frozen=True)
class Name:
    """What a pickle names, as two texts. It is not imported and cannot be called."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class StandIn:
    """An object of the file as what was to be done with it: nothing of it was done.

    Attributes:
        name: the class or function.
        arguments: what it was to be called with.
        state: what its `__setstate__` was to be given, or None.
        items: what was to be set by key.
        elements: what was to be appended.
    """

    name: Name
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<an object of {self.name}>"


class OpaqueKey:
    """A key whose own hash is not asked for: it may be slow, or equal to many others."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Budget:
    """How many steps and copied bytes the reading of one file may still take."""

    def __init__(self, size: int) -> None:
        self.steps = MOST_STEPS
        self.copies = 8 * size + 2**20

    def step(self, count: int = 1) -> None:
        """Take some steps.

        Raises:
            Unreadable: there are none left.
        """
        self.steps -= count
        if self.steps < 0:
            raise Unreadable(f"it holds more than {MOST_STEPS:,} values beside its tensors")

    def copy(self, count: int) -> None:
        """Take as many bytes, or references, of memory.

        Raises:
            Unreadable: values are copied that often that the file is not what it seems.
        """
        self.copies -= count
        if self.copies < 0:
            raise Unreadable("it unpacks to far more than its size")

    def safe_key(self, value: Any) -> Any:
        """Return the value if it is quickly hashed and not equal to many others, else a wrapper."""
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
