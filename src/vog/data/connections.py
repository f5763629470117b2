"""Connections that the data hold open: to a database, a cache, another process.

A worker process inherits them, and cannot open them anew as it does files. Two processes that ask
through one connection take the answers of each other, and rows get the inputs of others. So where
there is one before the first read, the data are read without worker processes. Nobody can tell
which connections of a process are for reading data; those that count are:

- what can be reached from what reads an example: attributes, items of containers, what functions
  and methods enclose, and the global variables that they name;
- sockets that are new since the functions of the user were loaded and called.
"""

import gc
import logging
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator
from types import FunctionType, ModuleType

import numpy as np
from torch import Tensor

from vog.data import worker_processes

# Of long lists, such as the paths of all examples, and of everything together, so much is seen.
_FIRST_ITEMS = 1000
_MOST = 100_000
# What holds no connection, or, as loggers do, one that processes write to in turns.
_PLAIN = (str, bytes, int, float, complex, type(None), np.ndarray, Tensor)
_PASSED = (*_PLAIN, type, ModuleType, logging.Logger, logging.Handler)
Sockets = frozenset[tuple[int, int]]
_KNOWN = {*sys.stdlib_module_names, "torch", "numpy", "vog"}


def sockets() -> Sockets:
    """Return what tells the sockets that this process has open from each other."""
    found = (os.fstat(number) for number in worker_processes.open_numbers())
    return frozenset((one.st_dev, one.st_ino) for one in found if stat.S_ISSOCK(one.st_mode))


def held(reader: object, before: Sockets | None) -> str:
    """Return which connection what reads examples holds open, in words; empty for none.

    Args:
        reader: what reads an example.
        before: the sockets that were open before it was made; None where that is not known.
    """
    for thing in _reachable(reader):
        name = _connection(thing)
        if name:
            return f"{name} ({type(thing).__module__}.{type(thing).__qualname__})"
    return "a socket" if before is not None and sockets() - before else ""


def _connection(thing: object) -> str:
    """Return what kind of connection an object reads from; empty for all others."""
    if not hasattr(type(thing), "fileno"):
        return ""
    try:
        number = thing.fileno()  # type: ignore[attr-defined]
        mode = os.fstat(number).st_mode
        is_read = worker_processes.is_read(number)
    except Exception:  # closed, or no number of an open file: objects of the user raise anything
        return ""
    if not is_read:
        return ""
    return "a socket" if stat.S_ISSOCK(mode) else "a pipe" if stat.S_ISFIFO(mode) else ""


def _reachable(reader: object) -> Iterator[object]:
    """Yield the objects that can be reached from what reads an example, each once, nearest first.

    None of their code runs. All are kept until the end, so that no number is that of two.
    """
    met: dict[int, object] = {}
    waiting = deque([reader])
    while waiting and len(met) < _MOST:
        thing = waiting.popleft()
        if isinstance(thing, _PASSED) or id(thing) in met:
            continue
        met[id(thing)] = thing
        yield thing
        waiting += _of_function(thing) if isinstance(thing, FunctionType) else _of_object(thing)


def _of_function(function: FunctionType) -> list[object]:
    """Return what a function encloses, and the objects among the global variables it names."""
    wrapped = vars(function).get("__wrapped__")
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    objects = [one for one in named if not isinstance(one, FunctionType)]
    return [wrapped, function.__defaults__, *(function.__closure__ or ()), *objects]


def _of_object(thing: object) -> list[object]:
    """Return what an object refers to, and the methods of its class if that is of the user's."""
    of_user = [one for one in type(thing).__mro__ if one.__module__.partition(".")[0] not in _KNOWN]
    methods = [one for own in of_user for one in vars(own).values()]
    functions = [one for one in methods if isinstance(one, FunctionType)]
    return [*gc.get_referents(thing)[:_FIRST_ITEMS], *functions]
