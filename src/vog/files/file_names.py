"""Printable text for file names that are not UTF-8, and the way back from it to the file.

On Linux a name is bytes. Python holds bytes that are not UTF-8 as lone surrogates, which neither
Parquet nor a terminal accepts. Here such a byte is written as a backslash, `x` and two digits.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

_ESCAPED = re.compile(r"\\+x(5c|[89a-f][0-9a-f])")
_SCHEME = re.compile(r"[a-z][a-z0-9]+:")  # of two letters or more: one is a drive of Windows
_OF_FOLDERS = ("hf:",)  # schemes of folders alone, which may be gone


def printable(name: str) -> str:
    r"""Return a name with bytes that are not UTF-8 written as `\xe9`; any other name unchanged.

    A backslash in such a name becomes `\x5c`, so that it is not read as the start of a byte.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return _encode(name).replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace")
    return name


def _encode(name: str) -> bytes:
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that do not come from bytes of a file name
        return name.encode("utf-8", "surrogatepass")


def all_printable(names: Sequence[str]) -> list[str]:
    r"""Return names as `printable` does; if one would equal another, it gets more backslashes."""
    try:
        "".join(names).encode()
        return list(names)  # all at once, which is much faster than one after the other
    except UnicodeEncodeError:
        texts = [printable(name) for name in names]
    taken = {text for text, name in zip(texts, names, strict=True) if text == name}
    for index, (text, name) in enumerate(zip(texts, names, strict=True)):
        if text != name:
            while text in taken:
                text = _ESCAPED.sub(r"\\\g<0>", text)
            taken.add(text)
            texts[index] = text
    return texts


def expanded(name: str | Path) -> Path:
    """Return a path with `~` and `~user` expanded; unchanged if there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def path_below(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder, given its name or the text of `printable`."""
    path = folder / name
    if not _ESCAPED.search(name) or "\0" in name or os.path.lexists(path):
        return path
    decoded = os.fsdecode(
        b"".join(
            bytes([int(part, 16)]) if index % 2 else os.fsencode(part)
            for index, part in enumerate(_ESCAPED.split(name))
        )
    )
    unescaped = folder / decoded
    return unescaped if os.path.lexists(unescaped) else path


def split_scheme(name: str) -> tuple[str, str]:
    r"""Return the scheme with its colon, and the rest of a name such as `jax:net.py:build`.

    The scheme is empty if the rest is neither `file.py:function` nor a path: `module:function` has
    none, and neither has `C:\net.py:build`.
    """
    match = _SCHEME.match(name)
    rest = name[match.end() :] if match else name
    if match and (match.group() in _OF_FOLDERS or ":" in rest or os.path.exists(expanded(rest))):  # noqa: PTH110
        return match.group(), rest
    return "", name
