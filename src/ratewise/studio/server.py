"""The server: one address, one page, and nobody else's requests."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import Any

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.studio.guard import Addresses, PageGuard, is_local
from ratewise.studio.opening import OpenPages, StartedWith, look_at
from ratewise.studio.session import REFUSED
from ratewise.studio.sources import fitting, read

PORT = 7283
"""Where the studio is if nobody says otherwise and the place is free."""
HISTORY = 50
"""Messages that are sent again to a page whose connection was lost; behind that it loads anew."""


def bind(host: str, port: int | None) -> socket.socket:
    """Return a socket to listen on; without a port, the usual one or else any that is free.

    Raises:
        ScheduleError: the port is taken, or there is no such host.
    """
    who = Call("studio", "host", host)
    if not host.strip():
        raise ScheduleError(who, "is empty", "give an address, or leave it out")
    tried = [port] if port is not None else [PORT, 0]
    for place, one in enumerate(tried):
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host.strip("[]"), one))
            made.listen()
        except OSError as error:
            made.close()
            if place == len(tried) - 1:
                rule = f"cannot be listened on at port {one} ({error.strerror or error})"
                fix = Fix("give another {port}, or another {host}", port="…", host="…")
                raise ScheduleError(who, rule, fix) from None
        else:
            return made
    raise AssertionError("the last place is bound or refused")


def address_of(host: str, port: int) -> str:
    """Return what is typed into a browser."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def serve(
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    said: Callable[[str], Any] = print,
) -> None:
    """Serve the studio until it is stopped.

    Args:
        files: Configs, logs and journals to begin with.
        host: What to listen on; this machine alone, unless told otherwise.
        port: The port; left out, the usual one, or any other where that is taken.
        browser: Whether to open a browser.
        said: Called with each line that is told.

    Raises:
        ScheduleError: a file cannot be read, or the port is taken.
        MissingExtra: nicegui or plotly is not installed.
    """
    for module in ("nicegui", "plotly"):
        require(module, extra="studio")
    given = look_at(files)
    listening = bind(host, port)
    with listening, tempfile.TemporaryDirectory(prefix="ratewise-studio-") as folder:
        # NiceGUI keeps what pages store beside the process; ours store nothing.
        os.environ["NICEGUI_STORAGE_PATH"] = folder
        import uvicorn

        number = listening.getsockname()[1]
        address = address_of(host, number)
        guarded = PageGuard(application(given), Addresses(host, number))
        said(f"The studio is at {address}  (Ctrl-C ends it)")
        if not is_local(host):
            said(f"Whoever reaches {host} can use it: it asks for no password.")
        if browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        config = uvicorn.Config(guarded, log_level="warning", access_log=False, ws_max_size=2**20,
                                server_header=False, timeout_graceful_shutdown=2)  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])


def application(given: StartedWith) -> Any:
    """Return the application: the page, and the one address that content is sent to."""
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse
    from nicegui import app as pages
    from nicegui import ui

    from ratewise.studio.page import build

    open_pages = OpenPages()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def content(request: Request) -> JSONResponse:
        """Take what was pasted or dropped on one page; the answer is what to say of it."""
        session = open_pages.sessions.get(request.query_params.get("token", ""))
        if session is None:
            error = ScheduleError("This page", "is not open", "load it again")
            return JSONResponse({"said": str(error), "wrong": True}, 403)
        body = await request.body()
        try:
            found = await asyncio.to_thread(read, request.query_params.get("name", ""), body)
            told = await asyncio.to_thread(fitting, session.state, found)
            return JSONResponse({"said": session.take(found, told), "wrong": False})
        except REFUSED as refused:
            return JSONResponse({"said": str(refused), "wrong": True})

    app.add_route("/studio/content", content, methods=["POST"])
    build(open_pages, given)
    pages.config.quasar_config["loadingBar"]["skipHijack"] = True  # it has no name for readers
    ui.run_with(app, title="ratewise studio", dark=None, language="en-US", tailwind=False,
                reconnect_timeout=30.0, show_welcome_message=False, favicon=FAVICON,
                binding_refresh_interval=None, message_history_length=HISTORY)  # fmt: skip
    return app


FAVICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><path d='M3 28 9 5h7"
    "c6 0 5 20 13 22' fill='none' stroke='#0072B2' stroke-width='3.5'/></svg>"
)
