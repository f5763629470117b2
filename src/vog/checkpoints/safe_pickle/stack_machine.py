"""The stack machine of pickles, in which nothing is imported and nothing of a file is called."""

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
        """Read from the stream, which has `size` bytes; `storage` makes one of a persistent id."""
        self._state = MachineState(literal_opcodes.Stream(stream, size), budget, make_storage)

    @property
    def names(self) -> frozenset[Name]:
        """Return all that was named so far."""
        return frozenset(self._state.names)

    @property
    def has_opaque_keys(self) -> bool:
        """Return whether a key had to be wrapped."""
        return self._state.has_opaque_keys

    def load(self) -> Any:
        """Return what the next pickle of the stream holds.

        Raises:
            Unreadable: it is none, is cut off, or exceeds a bound.
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
        except (IndexError, KeyError) as error:  # of the stack, and of the memo
            raise Unreadable("it refers to values that are not there") from error
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise Unreadable("its values are not of the form that they declare") from error
