"""The web server of the viewer."""

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
from vog.viewer.on_demand import Inspection
from vog.viewer.request_guard import Guard, host_names
from vog.wording import option


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
        host: the address to listen on; at any but a local one, other machines have access.
        port: the port; 0 for a free one.
        show: open a browser.
        root: the location of the data, if they have moved.
        data: the dataset, or `file.py:function`.
        inspection: computes results of an example under every checkpoint.
        tell: called with the address once it can be opened.
        warn: called with the reason if no example can be shown.
        allow_host: more host names of the viewer, such as those of a proxy or a tunnel.

    Raises:
        ResultError: the address cannot be listened on, or `allow_host` has an invalid name.
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
    """Return a socket that already listens, so that the address is known to be free."""
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
            f"{option('host', host)} {option('port', port)} cannot be listened on: {why}. "
            f"If the port is in use, give another {option('port')}, or 0 for a free one."
        ) from error
    return listener
