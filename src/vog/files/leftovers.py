"""Unfinished files that killed processes left behind: their names, and their removal."""

import hashlib
import os
import re
import secrets
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePath

_DAY = 86_400
# In bytes. Short enough for encrypted disks, which allow names of 143.
_MAX_BYTES, _PREFIX = 48, 32


def temporary_name(name: str) -> str:
    """Return a new name for a file while it is unfinished.

    It holds the name, the host, the process and random letters, and has the same suffix.
    """
    ending = PurePath(name).suffix
    ending = ending if len(os.fsencode(ending)) <= 10 else ""
    letters = secrets.token_hex(3)
    return f".{_short_name(name)}.{_host()}-{os.getpid()}-{letters}.tmp{ending}"


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove the unfinished copies of a file that killed processes left behind.

    A copy is removed if its process ran on this host and has ended. A copy of a different host is
    removed after a day. Copies that cannot be removed stay.

    Args:
        folder: the folder of the file.
        name: the name of the file.
    """
    stem = re.escape(_short_name(name))
    pattern = re.compile(rf"\.{stem}\.(?P<host>.+)-(?P<process>\d+)-[0-9a-f]{{6}}\.tmp(\..*)?")
    # The names that version 0.1 gave, without a host.
    old_pattern = re.compile(rf"\.{re.escape(name)}\.(?P<process>\d+)\.tmp(\..*)?")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] != ".":
                continue
            match = pattern.fullmatch(entry.name)
            if match is None and old_pattern.fullmatch(entry.name) is None:
                continue
            with suppress(OSError):
                if _is_abandoned(Path(entry.path), match):
                    os.unlink(entry.path)  # noqa: PTH108


def _is_abandoned(path: Path, match: "re.Match[str] | None") -> bool:
    if match is not None and match["host"] == _host():
        return not _is_running(int(match["process"]))
    return time.time() - path.lstat().st_mtime > _DAY


def _is_running(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


def _short_name(name: str) -> str:
    """Return a name; of a long name the beginning, and a digest of all of it."""
    encoded = os.fsencode(name)
    if len(encoded) <= _MAX_BYTES:
        return name
    return f"{encoded[:_PREFIX].decode(errors='ignore')}~{hashlib.sha256(encoded).hexdigest()[:12]}"


@cache
def _host() -> str:
    """Return the name of this host and the number of its process namespace (a container)."""
    host = re.sub(r"[^A-Za-z0-9]", "-", socket.gethostname())[:20]
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:  # this system has no process namespaces
        return host
    return f"{host}-{re.sub('[^0-9]', '', namespace)}"
