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
    source, colon, name = spec.rpartition(":")
    if not colon or not source or not name:
        raise FunctionError(
            f"{what} {spec!r} does not name a function. "
            f"Expected file.py:function or package.module:function."
        )
    module = _import_module(source, spec, what)
    if not hasattr(module, name):
        functions = [key for key, value in vars(module).items() if callable(value)]
        raise FunctionError(f"{what} {spec!r}: {source} has no {name!r}.{unknown(name, functions)}")
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
    package = str(Path(__file__).parent)
    external = [f for f in frames if f.filename[0] != "<" and not f.filename.startswith(package)]
    return (
        f"{message} ({Path(external[-1].filename).name}, line {external[-1].lineno})"
        if external
        else message
    )


def function_identity(subject: object) -> str:
    """What a function, class or object does, as a digest: edited code is another question.

    Of the source, and of what the source does not show: values of closures, defaults and
    partial arguments, attributes of an object. What has no source is known by its name.
    """
    description = _describe(subject, depth=3)
    code = subject if inspect.isroutine(subject) or inspect.isclass(subject) else type(subject)
    name = f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', repr(code))}"
    return f"{name} {hashlib.sha256(description.encode()).hexdigest()[:16]}"


def address_free(text: str) -> str:
    """A `repr` without the addresses in memory that differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _describe(subject: object, depth: int) -> str:
    """Source and hidden values, to some depth; plain values as they print themselves."""
    is_code = inspect.isroutine(subject) or inspect.isclass(subject)
    attributes = getattr(subject, "__dict__", None)
    if depth == 0 or not (is_code or callable(subject) or attributes):
        return address_free(repr(subject))
    hidden: list[object] = []
    if is_code:
        cells = getattr(subject, "__closure__", None) or ()
        hidden += [cell.cell_contents for cell in cells if is_filled(cell)]
        hidden += [getattr(subject, name, None) for name in ("__defaults__", "__kwdefaults__")]
    elif isinstance(subject, partial):
        hidden += [subject.func, *subject.args, *sorted(subject.keywords.items())]
    else:
        hidden += [value for _, value in sorted((attributes or {}).items())]
    printed = "" if is_code else address_free(repr(subject))
    return "\n".join([_source(subject), printed, *(_describe(h, depth - 1) for h in hidden)])


def _source(subject: Any) -> str:
    try:
        return inspect.getsource(
            subject if inspect.isroutine(subject) or inspect.isclass(subject) else type(subject)
        )
    except (OSError, TypeError):
        return address_free(repr(subject))


def is_filled(cell: Any) -> bool:
    """Whether a cell of a closure has its value already."""
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is bound later
        return False


def _import_module(source: str, spec: str, what: str) -> ModuleType:
    is_file = source.endswith(".py")
    if is_file:
        path = expanded(source).resolve()
        if not path.is_file():
            raise FunctionError(f"{what} {spec!r}: there is no file {source}.")
        if "." in path.stem:
            raise FunctionError(
                f"{what} {spec!r}: Python imports no file with a dot in its name. Rename "
                f"{path.name}, as {path.stem.replace('.', '_')}.py."
            )
        _make_importable(str(path.parent))
        # Worker processes may have to import it again by this name, so it must be a plain one.
        source = path.stem
        loaded = sys.modules.get(source)
        if loaded is not None and getattr(loaded, "__file__", None) != str(path):
            raise FunctionError(
                f"{what} {spec!r}: a module called {source!r} is imported already "
                f"({getattr(loaded, '__file__', None) or 'built in'}). Rename the file."
            )
    else:
        _make_importable(str(Path.cwd()))
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name is not None and source.startswith(error.name):
            raise FunctionError(f"{what} {spec!r}: there is no module {source!r}.") from error
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {describe_error(error)}"
        ) from error
    except SystemExit as error:
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {source} ran as a script and exited. "
            f"Put what it does behind `if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        raise FunctionError(
            f"{what} {spec!r} cannot be imported: {describe_error(error)}"
        ) from error


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)
