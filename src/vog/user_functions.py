"""Functions that a user names as `file.py:function` or `package.module:function`.

The file can import modules from its own folder, as if it had been run as a script.
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
    """Return the function that `spec` names; `what` is the setting, as messages name it.

    The name may have dots, such as that of a method of a class: `package:Class.method`.

    Raises:
        FunctionError: `spec` does not have that form, there is no such file, module or name, the
            import fails, or the name is not a function.
    """
    source, colon, name = spec.rpartition(":")
    if not colon or not source or not name:
        raise FunctionError(
            f"{what} {spec!r} does not name a function. "
            f"Expected file.py:function or package.module:function."
        )
    function: Any = _import_module(source, spec, what)
    owner = source
    for attribute in name.split("."):
        if not hasattr(function, attribute):
            known = [key for key in vars(function) if callable(getattr(function, key, None))]
            raise FunctionError(
                f"{what} {spec!r}: {owner} has no {attribute!r}.{unknown(attribute, known)}"
            )
        function, owner = getattr(function, attribute), attribute
    if not callable(function):
        raise FunctionError(
            f"{what} {spec!r} is {type(function).__name__}, not a function. "
            f"Name a function that returns it."
        )
    return function


def call_function(function: Callable[..., Any], spec: str, what: str, **arguments: Any) -> Any:
    """Call a function of the user, and return its result.

    Raises:
        FunctionError: it raised; the message has the error and the line of the user's file.
    """
    try:
        return function(**arguments)
    except SystemExit as error:
        raise FunctionError(
            f"{what} {spec!r} ended the program by {describe_error(error)}. A function that reads "
            f"the command line or exits cannot be called; let it return its result."
        ) from error
    except Exception as error:
        raise FunctionError(f"{what} {spec!r} failed: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """Return `TypeError: message (mynet.py, line 12)`, with the innermost line of user code."""
    message = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    # Frames of this package and of the import system do not help the user.
    package = str(Path(__file__).parent)
    external = [f for f in frames if f.filename[0] != "<" and not f.filename.startswith(package)]
    return (
        f"{message} ({Path(external[-1].filename).name}, line {external[-1].lineno})"
        if external
        else message
    )


def function_identity(subject: object) -> str:
    """Return the name and a digest of a function, class or object: edited code changes it.

    The digest covers the source and what the source does not show: closure values, defaults,
    partial arguments and attributes of an object. Without a source the `repr` counts.
    """
    description = _describe(subject, depth=3)
    code = subject if inspect.isroutine(subject) or inspect.isclass(subject) else type(subject)
    name = f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', repr(code))}"
    return f"{name} {short_digest(description)}"


def short_digest(text: str) -> str:
    """Return a digest of a text that tells descriptions apart, 16 letters long."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def address_free(text: str) -> str:
    """Return a `repr` without memory addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _describe(subject: object, depth: int) -> str:
    """Return the source and the hidden values, down to `depth`; for a plain value its `repr`."""
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
    """Return whether a cell of a closure has a value yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:  # the variable is bound later
        return False


def _import_module(source: str, spec: str, what: str) -> ModuleType:
    is_file = source.endswith(".py")
    if is_file:
        path = expanded(source).resolve()
        if not path.is_file():
            raise FunctionError(f"{what} {spec!r}: there is no file {source}.")
        if "." in path.stem:
            raise FunctionError(
                f"{what} {spec!r}: Python cannot import a file with a dot in its name. Rename "
                f"{path.name} to {path.stem.replace('.', '_')}.py."
            )
        _make_importable(str(path.parent))
        # Worker processes may import it again by this name, so it must be a plain module name.
        source = path.stem
        loaded = sys.modules.get(source)
        if loaded is not None and getattr(loaded, "__file__", None) != str(path):
            raise FunctionError(
                f"{what} {spec!r}: a different module called {source!r} is imported already "
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
