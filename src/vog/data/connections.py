"""Connections that data keep open, such as to a database: processes cannot share one.

An open file each worker process opens anew (`vog.data.processes`). A socket or a pipe cannot be
opened anew: of two processes that ask through one, each may get the answer to the other.
"""

import fcntl
import gc
import logging
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor

_OPEN_FILES = Path("/proc/self/fd")
_STANDARD = (0, 1, 2)
_MOST_LOOKED_AT = 50_000
_LONGEST = 1000  # what is in longer lists and dicts are values, and not what reads them
_CODE_OF_OTHERS = ("torch", "torchvision", "numpy", "PIL", "vog")
# Queues and proxies of this package are made to be shared by processes.
_SHARED_BY_DESIGN = "multiprocessing"

Identity = tuple[int, int]


def open_sockets() -> frozenset[Identity]:
    """Return what tells the sockets that this process has open; nothing where that is unknown."""
    if not _OPEN_FILES.is_dir():
        return frozenset()
    numbers = map(int, os.listdir(_OPEN_FILES))  # noqa: PTH208
    found = (_status(number) for number in numbers if number not in _STANDARD)
    return frozenset(
        (one.st_dev, one.st_ino) for one in found if one is not None and stat.S_ISSOCK(one.st_mode)
    )


def connection_in(thing: object) -> str | None:
    """Return the type of a socket, or of a pipe that is read, that a thing holds open, if any.

    It is looked for in attributes and what is in them, and in what the methods of classes that the
    user wrote take from their modules and closures.
    """
    waiting = deque([thing])
    seen = {id(thing)}
    kept = []  # alive, so that no two things have one number
    while waiting and len(kept) < _MOST_LOOKED_AT:
        one = waiting.popleft()
        kept.append(one)
        if _is_connection(one):
            return f"{type(one).__module__}.{type(one).__qualname__}"
        for inner in _within(one):
            if id(inner) not in seen and not _is_plain(inner):
                seen.add(id(inner))
                waiting.append(inner)
    return None


def _is_plain(thing: object) -> bool:
    """Whether nothing in a thing is a connection of the data, or it is one by design."""
    kind = type(thing)  # `isinstance` would ask objects that stand for others
    if issubclass(kind, str | bytes | int | float | Tensor | ModuleType | logging.Filterer):
        return True
    if kind in (list, tuple, dict, set, frozenset) and len(thing) > _LONGEST:  # type: ignore[arg-type]
        return True
    return _package(kind) == _SHARED_BY_DESIGN


def _package(code: object) -> str:
    """The package that a class or a function is of; empty where that is no text."""
    name = getattr(code, "__module__", None)
    return name.partition(".")[0] if isinstance(name, str) else ""


def _is_of_the_user(code: object) -> bool:
    return _package(code) not in (*_CODE_OF_OTHERS, *sys.stdlib_module_names)


def _within(thing: Any) -> Iterator[Any]:
    """What a thing refers to; of a function what it uses, of a class its own functions."""
    if type(thing) is FunctionType:
        names = thing.__code__.co_names if _is_of_the_user(thing) else ()
        yield from (thing.__globals__[name] for name in names if name in thing.__globals__)
        yield from (thing.__closure__, thing.__defaults__, thing.__kwdefaults__, vars(thing))
    elif issubclass(type(thing), type):
        if _is_of_the_user(thing):
            yield from vars(thing).values()
            yield from thing.__mro__
    else:
        yield from gc.get_referents(thing)


def _is_connection(thing: object) -> bool:
    if issubclass(type(thing), type) or not callable(getattr(type(thing), "fileno", None)):
        return False
    try:
        number = thing.fileno()  # type: ignore[attr-defined]
    except Exception:  # closed, or what it is called with is not known
        return False
    status = _status(number) if isinstance(number, int) and number >= 0 else None
    if status is None or number in _STANDARD:
        return False
    return stat.S_ISSOCK(status.st_mode) or (stat.S_ISFIFO(status.st_mode) and _is_read(number))


def _is_read(number: int) -> bool:
    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY


def _status(number: int) -> os.stat_result | None:
    try:
        return os.fstat(number)
    except OSError:  # closed, such as the number that listed the numbers
        return None
