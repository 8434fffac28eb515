"""One server and one browser, which the tests of the page share."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratewise.compare import compare
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MISSING = [name for name in ("playwright", "axe_playwright_python", "nicegui")
           if importlib.util.find_spec(name) is None]  # fmt: skip
if not Path(CHROMIUM).exists():
    MISSING.append(CHROMIUM)
LONG = 120_000
"""Milliseconds that a busy machine may take."""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a comparison that has ended; the tests go on with it."""
    path = tmp_path_factory.mktemp("studio") / "runs.db"
    compare(Bowl(), {"cosine": SCHEDULES["cosine"]}, **ASKED, journal=path)
    return path


@pytest.fixture(scope="module")
def address(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the one server is."""
    command = [sys.executable, "-m", "ratewise", "studio", "--no-browser", "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}", "PYTHONUNBUFFERED": "1"}
    folder = tmp_path_factory.mktemp("started")
    with subprocess.Popen([*command, str(journal)], stdout=subprocess.PIPE, text=True, env=environ,
                          stderr=subprocess.STDOUT, cwd=folder) as server:  # fmt: skip
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r"http://[\w.:]+/", line)
        assert found, line + server.stdout.read()
        yield found[0]
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
        server.wait(60)
    assert "Traceback" not in rest, rest
    assert list(folder.iterdir()) == [], "the studio leaves nothing behind where it was started"


@pytest.fixture(scope="module")
def context(address: str) -> Iterator[Any]:
    """The one browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        made = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        made.grant_permissions(["clipboard-read", "clipboard-write"], origin=address[:-1])
        made.set_default_timeout(LONG)
        yield made
        browser.close()


@pytest.fixture
def page(context: Any, address: str) -> Iterator[Any]:
    """A page of its own, of which nothing may have gone wrong, and from which nothing has left."""
    made = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    made.on(
        "console", lambda one: wrong.append(one.text) if one.type in ("error", "warning") else None
    )
    made.on("pageerror", lambda one: wrong.append(str(one)))
    made.on("request", lambda one: asked.append(one.url))
    made.on("websocket", lambda one: asked.append(one.url.replace("ws:", "http:")))
    yield made
    made.close()
    assert wrong == []
    left = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert left == []
