"""The guard: who is answered, and who is not."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise._extras import MissingExtra
from ratewise.schedule import ScheduleError
from ratewise.studio.guard import LARGEST_BODY, Addresses, PageGuard, split_host
from ratewise.studio.server import address_of, bind, serve

HERE = Addresses("127.0.0.1", 7283)
GOOD = [("host", "127.0.0.1:7283")]


def ask(headers: list[tuple[str, str]], addresses: Addresses = HERE, kind: str = "http",
        body: tuple[bytes, ...] = ()) -> tuple[list[dict[str, Any]], bool]:  # fmt: skip
    """Send a request through the guard; return what was answered, and whether it went through."""
    reached: list[bool] = []
    sent: list[dict[str, Any]] = []
    parts = list(body)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        reached.append(True)
        while parts:
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "headers": [(n.encode(), v.encode()) for n, v in headers]}
    asyncio.run(PageGuard(inner, addresses)(scope, receive, send))
    return sent, bool(reached)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("host", "evil.example")],
        [("host", "evil.example:7283")],
        [("host", "127.0.0.1.evil.example:7283")],
        [("host", "127.0.0.1:80")],
        [("host", "127.0.0.1:7283@evil.example")],
        [("host", "192.168.1.7:7283")],
        [("host", "0.0.0.0:7283")],
        [("host", "127.0.0.1:7283"), ("host", "evil.example")],
        [*GOOD, ("origin", "http://evil.example")],
        [*GOOD, ("origin", "null")],
        [*GOOD, ("origin", "http://127.0.0.1:9999")],
        [*GOOD, ("origin", "http://localhost:7283")],
        [*GOOD, ("origin", "http://127.0.0.1:7283.evil.example")],
        [*GOOD, ("origin", "http://127.0.0.1:7283"), ("origin", "http://evil.example")],
        [*GOOD, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
    ],
)
def test_foreign_pages_are_refused(kind: str, headers: list[tuple[str, str]]) -> None:
    """A foreign host, as of DNS rebinding, and a foreign origin reach nothing, sockets included."""
    sent, reached = ask(headers, kind=kind)
    assert not reached
    if kind == "websocket":
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": sent[0]["reason"]}]
    else:
        assert sent[0]["status"] == 403
        assert sent[1]["body"].startswith(b"error: ")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        [("host", "localhost:7283")],
        [("host", "LOCALHOST:7283")],
        [("host", "[::1]:7283")],
        [*GOOD, ("origin", "http://127.0.0.1:7283")],
        [("host", "localhost:7283"), ("origin", "http://localhost:7283")],
        [*GOOD, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        [*GOOD, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
    ],
)
def test_the_page_itself_is_answered(kind: str, headers: list[tuple[str, str]]) -> None:
    """Under each of its own names, with or without an origin, and by a link from elsewhere."""
    _, reached = ask(headers, kind=kind)
    assert reached


@given(st.text(max_size=40))
def test_no_other_name_is_known(host: str) -> None:
    """Whatever a host says, it is known only if its name and its port are those of this machine."""
    name, port = split_host(host)
    local = name in ("127.0.0.1", "localhost", "[::1]") and port == 7283
    assert HERE.known(host) is local


def test_a_server_for_others_is_asked_by_number() -> None:
    """Told to listen to others it answers to numbers, which DNS rebinding cannot have."""
    wide = Addresses("0.0.0.0", 7283)
    assert wide.known("192.168.1.7:7283")
    assert not wide.known("evil.example:7283")
    named = Addresses("box.local", 7283)
    assert named.known("BOX.local:7283")
    assert not named.known("evil.local:7283")


def test_what_is_sent_is_counted() -> None:
    """More than is read is refused by its size, and by its bytes where it says none or lies."""
    large = str(LARGEST_BODY + 1)
    sent, reached = ask([*GOOD, ("content-length", large)])
    assert (sent[0]["status"], reached) == (403, False)
    pieces = (b"x" * 1_000_000,) * 7
    sent, _ = ask([*GOOD, ("transfer-encoding", "chunked")], body=pieces)
    assert sent[0]["status"] == 413
    assert b"5,000,000 bytes" in sent[1]["body"]
    assert ask([*GOOD, ("content-length", "-5")])[1] is False
    assert ask([*GOOD, ("content-length", "5")], body=(b"small",))[1]


def test_every_answer_keeps_the_page_to_itself() -> None:
    """Nothing is loaded from elsewhere, and no other page shows this one inside of itself."""
    for headers in (GOOD, [("host", "evil.example")]):
        told = dict(ask(headers)[0][0]["headers"])
        assert b"frame-ancestors 'none'" in told[b"content-security-policy"]
        assert b"default-src 'self'" in told[b"content-security-policy"]
        assert told[b"x-content-type-options"] == b"nosniff"


def test_a_taken_port_is_said() -> None:
    """A port that was asked for and is taken is an error; without one, another is found."""
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ScheduleError, match="cannot be listened on at port"):
            bind("127.0.0.1", port)
    with bind("127.0.0.1", None) as one, bind("127.0.0.1", None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]
    assert address_of("0.0.0.0", 5) == "http://127.0.0.1:5/"
    with pytest.raises(ScheduleError, match="cannot be listened on"):
        bind("no host", 0)


@pytest.mark.parametrize("module", ["nicegui", "plotly"])
def test_a_missing_extra_says_how_to_install_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what draws the page nothing is bound or opened, and the command is told."""
    monkeypatch.setitem(sys.modules, module, None)
    told: list[str] = []
    with pytest.raises(MissingExtra, match=r"pip install 'ratewise\[studio\]'"):
        serve(said=told.append, browser=False)
    assert told == []
