"""Connections that the data hold open: to a database, a cache or another process.

A worker process inherits them, and cannot open them again as it does with files. Two processes
that query through one connection receive the answers of each other, and rows get wrong inputs. So
if there is a connection before the first read, the data are read without worker processes. It
cannot be known which connections of a process serve to read data. These count:

- connections that can be reached from the reader of the examples: through attributes, items of
  containers, closures of functions and methods, and the global variables that they name;
- sockets that were opened since the functions of the user were loaded and called.
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

# The most items searched in one list, such as the paths of all examples, and the most objects.
_FIRST_ITEMS = 1000
_MAX_OBJECTS = 100_000
# Types without a connection, or, such as loggers, with one that is only written to.
_PLAIN_TYPES = (str, bytes, int, float, complex, type(None), np.ndarray, Tensor)
_SKIPPED_TYPES = (*_PLAIN_TYPES, type, ModuleType, logging.Logger, logging.Handler)
Sockets = frozenset[tuple[int, int]]
_KNOWN = {*sys.stdlib_module_names, "torch", "numpy", "vog"}


def open_sockets() -> Sockets:
    """Return device and inode of each socket that this process has open."""
    # Other threads close files meanwhile, such as that of a queue of earlier worker processes.
    infos = map(worker_processes.status_of, worker_processes.open_descriptors())
    return frozenset(
        (info.st_dev, info.st_ino) for info in infos if info and stat.S_ISSOCK(info.st_mode)
    )


def held_connection(reader: object, sockets: Sockets | None) -> str:
    """Return a connection that the reader holds open, in words; empty for none.

    Args:
        reader: the function or object that reads an example.
        sockets: those that were open before it was made; None if unknown.
    """
    for candidate in _reachable_objects(reader):
        name = _connection_kind(candidate)
        if name:
            return f"{name} ({type(candidate).__module__}.{type(candidate).__qualname__})"
    return "a socket" if sockets is not None and open_sockets() - sockets else ""


def _connection_kind(candidate: object) -> str:
    """Return the kind of connection that an object reads from; empty if it reads from none."""
    if not hasattr(type(candidate), "fileno"):
        return ""
    try:
        descriptor = candidate.fileno()  # type: ignore[attr-defined]
        mode = os.fstat(descriptor).st_mode
        is_read = worker_processes.is_read(descriptor)
    except Exception:  # closed, or not open: objects of the user can raise anything
        return ""
    if not is_read:
        return ""
    return "a socket" if stat.S_ISSOCK(mode) else "a pipe" if stat.S_ISFIFO(mode) else ""


def _reachable_objects(reader: object) -> Iterator[object]:
    """Yield the objects that can be reached from the reader, each once, nearest first.

    None of their code runs. All are kept until the end, so that no two objects share an `id`.
    """
    visited: dict[int, object] = {}
    queue = deque([reader])
    while queue and len(visited) < _MAX_OBJECTS:
        value = queue.popleft()
        if isinstance(value, _SKIPPED_TYPES) or id(value) in visited:
            continue
        visited[id(value)] = value
        yield value
        queue += _function_parts(value) if isinstance(value, FunctionType) else _object_parts(value)


def _function_parts(function: FunctionType) -> list[object]:
    """Return the closure and defaults of a function, and the global objects that it names."""
    wrapped = vars(function).get("__wrapped__")
    global_values = [function.__globals__.get(name) for name in function.__code__.co_names]
    objects = [value for value in global_values if not isinstance(value, FunctionType)]
    return [wrapped, function.__defaults__, *(function.__closure__ or ()), *objects]


def _object_parts(value: object) -> list[object]:
    """Return the objects that an object refers to, and the methods of its classes by the user."""
    classes = [x for x in type(value).__mro__ if x.__module__.partition(".")[0] not in _KNOWN]
    methods = [x for user_class in classes for x in vars(user_class).values()]
    functions = [x for x in methods if isinstance(x, FunctionType)]
    return [*gc.get_referents(value)[:_FIRST_ITEMS], *functions]
