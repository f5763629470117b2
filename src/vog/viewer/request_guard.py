"""The guard against requests from other pages: any page in a browser can reach a local viewer.

A page of another site can send requests to the viewer. If its host name resolves to this machine
(DNS rebinding), it can even read the answers. So the Host header must be a name of this machine,
and a request that changes something must come from a page of the viewer.
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
from vog.wording import option

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
    """A request was refused; the message says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Guard:
    """The allowed hosts, and the secret token that only pages of this server know.

    Attributes:
        host: the address that the server listens on.
        token: the token in every form.
        allow_host: more host names that requests may use; see `host_names`.
    """

    host: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    allow_host: tuple[str, ...] = ()

    def check_host(self, header: str) -> None:
        """Raise unless the Host header is an allowed name.

        Raises:
            RefusedError: the Host header is not of the form `name[:port]`, or not allowed.
        """
        name = _host_name(header)
        if name is None:
            raise RefusedError(421, "the Host of this request is not of the form name[:port].")
        allowed = {*_LOCAL, self.host.lower(), *self.allow_host}
        if not is_local(self.host):  # other machines may reach it by its IP address
            allowed.add(socket.gethostname().lower())
            if _is_address(name):
                return
        if name not in allowed:
            raise RefusedError(
                421,
                f"this viewer is not called {name!r}. Open the address that it printed, or start "
                f"it with {option('allow_host')} {name} if a proxy or a tunnel uses this name.",
            )

    def _is_own(self, origin: str, host: str) -> bool:
        """Return True if the origin is a page of this viewer: its Host, or an allowed name.

        A proxy may have a name that differs from the Host that it passes on.
        """
        try:
            address = urlsplit(origin).netloc
        except ValueError:
            return False
        return address == host or _host_name(address) in self.allow_host

    async def form(self, request: Request) -> dict[str, str]:
        """Return the fields of a form that a page of this server sent.

        Raises:
            RefusedError: the form came from a different page, is too long, or is not valid.
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
                raise RefusedError(413, f"the form is larger than {_MOST_FORM_BYTES:,} bytes.")
        try:
            fields = dict(
                parse_qsl(
                    body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict"
                )
            )
        except ValueError as error:
            raise RefusedError(400, "this is no form of this viewer.") from error
        if not secrets.compare_digest(fields.get("token", "").encode(), self.token.encode()):
            raise RefusedError(
                403, "this page is older than the start of the viewer. Reload it, and try again."
            )
        return fields


@dataclass(frozen=True)
class GuardedApp:
    """The application behind a guard; headers of every answer forbid what no page needs."""

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
    """Return host names in the form in which they are compared.

    Raises:
        ResultError: one of them is no host name.
    """
    name_by_host = {host: _host_name(host) for host in hosts}
    invalid = [host for host, name in name_by_host.items() if name is None]
    if invalid:
        raise ResultError(
            f"{option('allow_host')} {invalid[0]!r}: expected the name of a host alone, such as "
            f"hub.example.org."
        )
    return tuple(name for name in name_by_host.values() if name is not None)


def _host_name(header: str) -> str | None:
    """Return the name in `name[:port]`, such as `::1` in `[::1]:8765`; None in other texts."""
    match = _HOST.fullmatch(header)
    return None if match is None else (match["six"] or match["name"]).rstrip(".").lower()


def is_local(host: str) -> bool:
    """Return True if only this machine can reach the address."""
    return host in _LOCAL or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
