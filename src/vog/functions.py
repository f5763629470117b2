"""A function of the user's, named as `file.py:function` or `package.module:function`.

The folder of the file is importable from it, as if the file had been run as a script.
"""

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from vog.errors import FunctionError, unknown


def load(spec: str, what: str) -> Callable[..., Any]:
    """The function that `spec` names; `what` says in errors which word asked for it.

    Raises:
        FunctionError: not of that form, no such file or module, it fails when it is
            imported, no such name in it, or not a function.
    """
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise FunctionError(
            f"{what} {spec!r} does not name a function. "
            f"Expected file.py:function or package.module:function."
        )
    module = _module(where, spec, what)
    if not hasattr(module, name):
        functions = [key for key, value in vars(module).items() if callable(value)]
        raise FunctionError(f"{what} {spec!r}: {where} has no {name!r}.{unknown(name, functions)}")
    function = getattr(module, name)
    if not callable(function):
        raise FunctionError(
            f"{what} {spec!r} is {type(function).__name__}, not a function. "
            f"Name a function that returns it."
        )
    return function


def call(function: Callable[..., Any], spec: str, what: str, **arguments: Any) -> Any:
    """What the function returns.

    Raises:
        FunctionError: it raised; the message says what and in which line of its file.
    """
    try:
        return function(**arguments)
    except Exception as error:
        raise FunctionError(f"{what} {spec!r} failed: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """`TypeError: message (mynet.py, line 12)`: the place is the innermost one."""
    message = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{message} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def identity(function: object) -> str:
    """A digest of the function's source, so that an edited function is another question.

    What has no source (a builtin, a function typed at the prompt) is known by its name.
    """
    target: Any = function if inspect.isroutine(function) else type(function)
    try:
        text = inspect.getsource(target)
    except (OSError, TypeError):
        text = ""
    name = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', repr(target))}"
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _module(where: str, spec: str, what: str) -> ModuleType:
    is_file = where.endswith(".py")
    if is_file:
        path = Path(where).expanduser().resolve()
        if not path.is_file():
            raise FunctionError(f"{what} {spec!r}: there is no file {where}.")
        _make_importable(str(path.parent))
        # Worker processes may have to import it again by this name, so it must be a plain one.
        where = path.stem
        loaded = sys.modules.get(where)
        if loaded is not None and getattr(loaded, "__file__", None) != str(path):
            raise FunctionError(
                f"{what} {spec!r}: a module called {where!r} is imported already "
                f"({getattr(loaded, '__file__', None) or 'built in'}). Rename the file."
            )
    else:
        _make_importable(str(Path.cwd()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and where.startswith(error.name):
            raise FunctionError(f"{what} {spec!r}: there is no module {where!r}.") from error
        raise FunctionError(f"{what} {spec!r} cannot be imported: {describe(error)}") from error
    except Exception as error:
        raise FunctionError(f"{what} {spec!r} cannot be imported: {describe(error)}") from error


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)
