"""A stack machine for pickles that imports nothing and calls nothing that a file names."""

import pickle
import struct
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

from vog.checkpoints.safe_pickle import literal_opcodes
from vog.checkpoints.safe_pickle.build_opcodes import OPERATIONS
from vog.checkpoints.safe_pickle.machine_state import MachineState
from vog.checkpoints.safe_pickle.placeholders import Budget, Name, Unreadable


class Machine:
    """Reads a stream of pickles."""

    def __init__(
        self,
        stream: BufferedIOBase,
        size: int,
        budget: Budget,
        make_storage: Callable[[Any], object] | None = None,
    ) -> None:
        """Read a stream of `size` bytes; `make_storage` makes a storage from a persistent id."""
        self._state = MachineState(literal_opcodes.Stream(stream, size), budget, make_storage)

    @property
    def names(self) -> frozenset[Name]:
        """Return all names of classes and functions so far."""
        return frozenset(self._state.names)

    @property
    def has_opaque_keys(self) -> bool:
        """Return whether a key had to be wrapped."""
        return self._state.has_opaque_keys

    def load(self) -> Any:
        """Return the content of the next pickle of the stream.

        Raises:
            Unreadable: it is no pickle, is cut off, or exceeds a bound.
        """
        state = self._state
        state.reset()
        read, budget = state.stream.read, state.budget
        try:
            while True:
                opcode = read(1)
                budget.steps -= 1
                if budget.steps < 0:
                    budget.step()
                operation = OPERATIONS.get(opcode)
                if opcode == pickle.STOP:
                    return state.stack.pop()
                if operation is None:
                    state.stack.append(literal_opcodes.read_literal(opcode, state.stream))
                else:
                    operation(state)
        except (IndexError, KeyError) as error:  # the stack is empty, or the memo lacks the index
            raise Unreadable("it refers to values that are not there") from error
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise Unreadable("its values are not of the form that they declare") from error
