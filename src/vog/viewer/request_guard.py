"""What keeps the pages of others out: whatever is open in a browser can reach a viewer beside it.

A page from elsewhere may send requests here, and by a name that it lets point to this machine
it may even read the answers. So the Host has to be a name of this machine, and what changes
something has to come from a page of the viewer itself.
"""

import ipaddress
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vog.errors import ResultError

_LOCAL = ("localhost", "127.0.0.1", "::1")
# `name[:port]`, where a name may be an address of version 6 in brackets.
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_MOST_FORM_BYTES = 2**16
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class RefusedError(Exception):
    """A request that is not answered, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Guard:
    """Who may ask, and the word that only pages of this server know.

    Attributes:
        host: the address that is listened on.
        token: stands in every form.
        allow_host: more names that the viewer may be asked by; see `host_names`.
    """

    host: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    allow_host: tuple[str, ...] = ()

    def check_host(self, header: str) -> None:
        """Nothing where the Host is a name of this machine.

        Raises:
            RefusedError: it is not.
        """
        name = _host_name(header)
        if name is None:
            raise RefusedError(421, "the Host of this request is not of the form name[:port].")
        allowed = {*_LOCAL, self.host.lower(), *self.allow_host}
        if not is_local(self.host):  # it is meant to be reached from elsewhere, by a number
            allowed.add(socket.gethostname().lower())
            if _is_address(name):
                return
        if name not in allowed:
            raise RefusedError(
                421,
                f"this viewer is not called {name!r}; open it as it was printed, or start it with "
                f"--allow-host {name} where a proxy or a tunnel calls it so.",
            )

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this viewer has that origin: by its Host, or by an allowed name.

        A proxy may be called by another name than the Host that it passes on.
        """
        try:
            address = urlsplit(origin).netloc
        except ValueError:
            return False
        return address == host or _host_name(address) in self.allow_host

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that a page of this server sent.

        Raises:
            RefusedError: it came from elsewhere, or is too long.
        """
        origin = request.headers.get("origin")
        if origin is not None and not self._is_own(origin, request.headers.get("host", "")):
            raise RefusedError(403, "changes are taken from pages of this viewer alone.")
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RefusedError(403, "changes are taken from pages of this viewer alone.")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_FORM_BYTES:
                raise RefusedError(413, "that is too long.")
        try:
            fields = dict(
                parse_qsl(
                    body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict"
                )
            )
        except ValueError as error:
            raise RefusedError(400, "that is no form of this viewer.") from error
        if not secrets.compare_digest(fields.get("token", "").encode(), self.token.encode()):
            raise RefusedError(
                403, "this page is from before the viewer was started again: reload it, and repeat."
            )
        return fields


@dataclass(frozen=True)
class GuardedApp:
    """The application behind a guard; every answer forbids what the pages do not need."""

    app: ASGIApp
    guard: Guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        try:
            hosts = Request(scope).headers.getlist("host")
            self.guard.check_host(hosts[0] if len(hosts) == 1 else "")
        except RefusedError as refused:
            answer = PlainTextResponse(str(refused), refused.status)
            await answer(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


def host_names(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return names that a viewer is to be asked by, as they are compared.

    Raises:
        ResultError: a word is no name.
    """
    name_by_host = {host: _host_name(host) for host in hosts}
    invalid = [host for host, name in name_by_host.items() if name is None]
    if invalid:
        raise ResultError(
            f"--allow-host {invalid[0]!r}: expected the name of a host alone, as hub.example.org."
        )
    return tuple(name for name in name_by_host.values() if name is not None)


def _host_name(header: str) -> str | None:
    """`localhost` of `localhost:8765`, `::1` of `[::1]:8765`; None of what is no `name[:port]`."""
    match = _HOST.fullmatch(header)
    return None if match is None else (match["six"] or match["name"]).rstrip(".").lower()


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in _LOCAL or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
