"""Who may talk to the page: nobody but the page itself, opened by its own address.

A page elsewhere can make a browser send requests to 127.0.0.1, and by DNS rebinding under a name
of its own. So every request, a web socket's too, has to name this server as its host, and where
it says from which page it comes, that has to be this one. What is sent in is counted while it
comes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.studio.sources import LARGEST_CONTENT

LARGEST_BODY = LARGEST_CONTENT + 100_000
"""Bytes of a request: the largest content, and what stands around it."""
LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""Names that a browser on this machine knows this machine by."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = "; ".join((
    "default-src 'self'",
    # NiceGUI builds the page with a script in it, and takes calls as text.
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
))  # fmt: skip

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""What every answer says: load nothing from elsewhere, and show it inside of no other page."""


@dataclass(frozen=True)
class Addresses:
    """The names under which this server is asked for.

    Args:
        host: What it listens on.
        port: The port.
    """

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return is_local(self.host)

    def known(self, given: str) -> bool:
        """Tell whether a `Host` is this server.

        A server that listens to others may be asked for by any number, which no foreign name can
        stand for, and by the name that it was told to listen on.
        """
        name, port = split_host(given)
        if port != self.port and not (port is None and self.port == 80):
            return False
        if name in LOCAL or name == self.host.lower():
            return True
        return not self.local and is_number(name)


def is_local(host: str) -> bool:
    """Tell whether a host is this machine alone."""
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare.lower() == "localhost"


def is_number(name: str) -> bool:
    """Tell whether a host is the number of one."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def split_host(given: str) -> tuple[str, int | None]:
    """Return the name and the port of a host as it is asked for; -1 for a port that is none.

    >>> split_host("LocalHost:7283"), split_host("[::1]:80"), split_host("evil.example")
    (('localhost', 7283), ('[::1]', 80), ('evil.example', None))
    """
    name, colon, port = given.strip().lower().rpartition(":")
    if not colon or port.endswith("]"):
        return given.strip().lower(), None
    return name, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1


class PageGuard:
    """An application in front of another: it lets through what comes from its own page.

    Args:
        inner: What answers.
        addresses: The names of this server.
    """

    def __init__(self, inner: Application, addresses: Addresses) -> None:
        self._inner, self._addresses = inner, addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        error = self.refused(scope)
        if error is not None:
            await _refuse(scope, receive, send, 403, error)
            return
        try:
            await self._inner(scope, _counted(receive), _with_headers(send))
        except _TooLarge:
            await _refuse(scope, receive, send, 413, _too_large())

    def refused(self, scope: Mapping[str, Any]) -> ScheduleError | None:
        """Return why a request is not answered, None if it is."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._addresses.known(hosts[0]):
            rule = "is not the name of this page"
            told = shorten(", ".join(hosts)[:200])
            return ScheduleError(f"Host {told}", rule, "open the address that was printed")
        own = {f"{scheme}://{hosts[0].strip().lower()}" for scheme in ("http", "https")}
        if len(origins) > 1 or any(one.strip().lower() not in own for one in origins):
            told = shorten(", ".join(origins)[:200])
            rule = "is another page"
            return ScheduleError(f"Origin {told}", rule, "open the studio by its own address")
        sites, modes = _values(scope, b"sec-fetch-site"), _values(scope, b"sec-fetch-mode")
        if sites == ["cross-site"] and modes != ["navigate"]:
            rule, fix = "asks from another page", "open the studio by its own address"
            return ScheduleError("A request", rule, fix)
        sizes = _values(scope, b"content-length")
        if any(not one.isdigit() or int(one[:20]) > LARGEST_BODY for one in sizes):
            return _too_large()
        return None


def _too_large() -> ScheduleError:
    rule = f"holds more than {LARGEST_CONTENT:,} bytes"
    return ScheduleError("What was sent", rule, "give a part of it, or name its file when "
                         "the studio is started")  # fmt: skip


class _TooLarge(Exception):
    """More was sent than is read."""


def _values(scope: Mapping[str, Any], name: bytes) -> list[str]:
    found = [value for key, value in scope["headers"] if key.lower() == name]
    return [value.decode("latin-1") for value in found]


def _counted(receive: Receive) -> Receive:
    """Return a receiver that stops where a body, which need not say its size, gets too large."""
    size = 0

    async def received() -> dict[str, Any]:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise _TooLarge
        return message

    return received


def _with_headers(send: Send) -> Send:
    async def sent(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            told = {key.lower() for key, _ in message.get("headers", ())}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items()
                    if name.encode() not in told]  # fmt: skip
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return sent


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, error: ScheduleError
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.rule[:100]})
        return
    body = f"error: {error}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"),
               (b"content-length", str(len(body)).encode())]  # fmt: skip
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
