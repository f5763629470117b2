"""A function of the user's, named as `file.py:function` or `package.module:function`.

The folder of the file is importable from it, as if the file had been run as a script.
"""

import hashlib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from vog.errors import FunctionError, unknown
from vog.files.file_names import expanded


def load_function(spec: str, what: str) -> Callable[..., Any]:
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


def call_function(function: Callable[..., Any], spec: str, what: str, **arguments: Any) -> Any:
    """What the function returns.

    Raises:
        FunctionError: it raised; the message says what and in which line of its file.
    """
    try:
        return function(**arguments)
    except SystemExit as error:
        raise FunctionError(
            f"{what} {spec!r} ended the program by {describe_error(error)}. A function that reads "
            f"the command line or exits cannot be called; let it return what it makes."
        ) from error
    except Exception as error:
        raise FunctionError(f"{what} {spec!r} failed: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """`TypeError: message (mynet.py, line 12)`: the place is the innermost of the user's."""
    message = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    # Neither where this package called it nor where Python imports is of help to a reader.
    own = str(Path(__file__).parent)
    theirs = [f for f in frames if f.filename[0] != "<" and not f.filename.startswith(own)]
    return (
        f"{message} ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})"
        if theirs
        else message
    )


def function_identity(thing: object) -> str:
    """What a function, class or object does, as a digest: edited code is another question.

    Of the source, and of what the source does not show: values of closures, defaults and
    partial arguments, attributes of an object. What has no source is known by its name.
    """
    described = _described(thing, depth=3)
    named = thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
    name = f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', repr(named))}"
    return f"{name} {hashlib.sha256(described.encode()).hexdigest()[:16]}"


def stable(text: str) -> str:
    """A `repr` without the addresses in memory that differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _described(thing: object, depth: int) -> str:
    """Source and hidden values, to some depth; plain values as they print themselves."""
    is_code = inspect.isroutine(thing) or inspect.isclass(thing)
    attributes = getattr(thing, "__dict__", None)
    if depth == 0 or not (is_code or callable(thing) or attributes):
        return stable(repr(thing))
    hidden: list[object] = []
    if is_code:
        cells = getattr(thing, "__closure__", None) or ()
        hidden += [cell.cell_contents for cell in cells if is_filled(cell)]
        hidden += [getattr(thing, name, None) for name in ("__defaults__", "__kwdefaults__")]
    elif isinstance(thing, partial):
        hidden += [thing.func, *thing.args, *sorted(thing.keywords.items())]
    else:
        hidden += [value for _, value in sorted((attributes or {}).items())]
    printed = "" if is_code else stable(repr(thing))
    return "\n".join([_source(thing), printed, *(_described(h, depth - 1) for h in hidden)])


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(
            thing if inspect.isroutine(thing) or inspect.isclass(thing) else type(thing)
        )
    except (OSError, TypeError):
        return stable(repr(thing))


def is_filled(cell: Any) -> bool:
    """Whether a cell of a closure has its value already."""
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is bound later
        return False


def _module(where: str, spec: str, what: str) -> ModuleType:
    is_file = where.endswith(".py")
    if is_file:
        path = expanded(where).resolve()
        if not path.is_file():
            raise FunctionError(f"{what} {spec!r}: there is no file {where}.")
        if "." in path.stem:
            raise FunctionError(
                f"{what} {spec!r}: Python imports no file with a dot in its name. Rename "
                f"{path.name}, as {path.stem.replace('.', '_')}.py."
            )
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
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {describe_error(error)}"
        ) from error
    except SystemExit as error:
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {where} ran as a script and exited. "
            f"Put what it does behind `if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {describe_error(error)}"
        ) from error


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)
