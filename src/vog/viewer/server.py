"""Serving the viewer until it is stopped."""

import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from vog import allocator
from vog.errors import ResultError
from vog.result import Run
from vog.result.sql import use_system_memory
from vog.viewer.app import application
from vog.viewer.inspection import Inspection
from vog.viewer.request_guard import Guard, host_names


def serve(
    run: Run,
    host: str = "127.0.0.1",
    port: int = 8765,
    show: bool = True,
    root: Path | None = None,
    data: Any = None,
    inspection: Inspection | None = None,
    tell: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
    allow_host: Sequence[str] = (),
) -> None:
    """Serve the pages of a run until Ctrl-C.

    Args:
        run: the run.
        host: the address to listen on; any other than this machine's own lets others in.
        port: 0 for a free one.
        show: open a browser.
        root: where the data are, if they have moved.
        data: the dataset, or `file.py:function`.
        inspection: how examples are seen under every checkpoint.
        tell: hears the address when it can be opened.
        warn: hears why no example can be shown, if none can.
        allow_host: more names that the viewer may be opened by, as those of a proxy or a tunnel.

    Raises:
        ResultError: the address cannot be listened on, or what is to be allowed is no name.
    """
    allocator.return_freed_memory()
    use_system_memory()
    guard = Guard(host, allow_host=host_names(allow_host))
    app = application(run, guard, root, data, inspection, warn)
    listener = _listen(host, port)
    name = f"[{host}]" if ":" in host else host
    name = "localhost" if host in ("0.0.0.0", "::") else name
    address = f"http://{name}:{listener.getsockname()[1]}/"
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    )
    tell(address)
    if show:
        threading.Timer(0.3, webbrowser.open, [address]).start()
    with listener:
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that the address is known to be free."""
    listener = None
    try:
        address_info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(address_info[0], address_info[1])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address_info[4])
        listener.listen(128)
    except (OSError, OverflowError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        why = getattr(error, "strerror", None) or error
        raise ResultError(
            f"--host {host} --port {port} cannot be listened on: {why}. "
            f"Another viewer may be running there: give another --port, or 0 for a free one."
        ) from error
    return listener
