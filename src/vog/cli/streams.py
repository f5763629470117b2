"""What is printed on terminals and into pipes that cannot take all of it."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TextIO

from vog.errors import ResultError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def escape_unprintable_text() -> None:
    r"""Make a name that the terminal cannot show no reason to fail.

    Such a name is printed with escapes, such as `\xe9`. What is printed to a stream that was
    closed before the start goes nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _null_stream())
        elif isinstance(stream, TextIOWrapper) and _may_fail_to_encode(stream):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def report_unwritable_output() -> Iterator[None]:
    """While entered, printing to a full disk is an error with a message.

    Raises:
        ResultError: what is printed cannot be written.
        BrokenPipeError: whoever read it has ended.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        # A file that we write has a name, and is told apart where it is written.
        if error.filename is not None or error.errno not in _FULL:
            raise
        sys.stdout = _null_stream()
        raise ResultError(f"what is printed could not be written: {error.strerror}.") from error


def _may_fail_to_encode(stream: TextIOWrapper) -> bool:
    """Whether a text of any characters, or of a name that is not UTF-8, may raise an error."""
    is_utf8 = stream.encoding.lower().replace("-", "") == "utf8"
    return stream.errors == "strict" or (stream.errors == "surrogateescape" and not is_utf8)


def _null_stream() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
