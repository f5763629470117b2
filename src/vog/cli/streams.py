"""Printing to terminals and pipes that cannot take all of the text."""

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
    r"""Print what the terminal cannot show with escapes, such as `\xe9`, instead of failing.

    Text for a stream that was closed before the start is discarded.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _null_stream())
        elif isinstance(stream, TextIOWrapper) and _may_fail_to_encode(stream):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def report_unwritable_output() -> Iterator[None]:
    """Turn a failure to print, such as to a full disk, into an error with a message.

    Raises:
        ResultError: what is printed cannot be written.
        BrokenPipeError: the program that reads the output has ended.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        # Errors about files that we write have a name; they are handled where we write.
        if error.filename is not None or error.errno not in _FULL:
            raise
        sys.stdout = _null_stream()
        raise ResultError(f"what is printed could not be written: {error.strerror}.") from error


def _may_fail_to_encode(stream: TextIOWrapper) -> bool:
    """Return whether printing some characters, or names that are not UTF-8, can raise an error."""
    is_utf8 = stream.encoding.lower().replace("-", "") == "utf8"
    return stream.errors == "strict" or (stream.errors == "surrogateescape" and not is_utf8)


def _null_stream() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
