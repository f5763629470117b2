"""Files that a killed process left unfinished: how they are named, and when they are removed."""

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
# Short enough for encrypted disks too, which take 143 bytes.
_MAX_BYTES, _PREFIX = 48, 32


def temporary_name(name: str) -> str:
    """Return a new name for a file while it is unfinished.

    It holds the name, the host, the process, and random letters, and ends as the name does.
    """
    ending = PurePath(name).suffix
    ending = ending if len(os.fsencode(ending)) <= 10 else ""
    letters = secrets.token_hex(3)
    return f".{_short_name(name)}.{_host()}-{os.getpid()}-{letters}.tmp{ending}"


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove what killed processes left of a file while they wrote it.

    That is what a process of this host wrote that has ended, and what is older than a day. The
    file of a process that lives is never removed, and what cannot be removed stays.

    Args:
        folder: holds the file.
        name: of the file.
    """
    stem = re.escape(_short_name(name))
    pattern = re.compile(rf"\.{stem}\.(?P<host>.+)-(?P<process>\d+)-[0-9a-f]{{6}}\.tmp(\..*)?")
    # As it was called by version 0.1, which named no host.
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
    """The name, or the beginning of a long one and what tells it from others."""
    encoded = os.fsencode(name)
    if len(encoded) <= _MAX_BYTES:
        return name
    return f"{encoded[:_PREFIX].decode(errors='ignore')}~{hashlib.sha256(encoded).hexdigest()[:12]}"


@cache
def _host() -> str:
    """This host, and where processes are numbered anew, as in containers, which of these."""
    host = re.sub(r"[^A-Za-z0-9]", "-", socket.gethostname())[:20]
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:  # not everywhere there is such a thing
        return host
    return f"{host}-{re.sub('[^0-9]', '', namespace)}"
