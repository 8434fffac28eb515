"""Pages in a real browser: what they ask for, and what they say in its console."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"


def find_chromium() -> str:
    """Return the browser, or skip aloud where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium here: pages are not tried in a browser")
    return CHROMIUM


@contextmanager
def browser() -> Iterator[Any]:
    """Yield Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_chromium()
    with api.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


class Visit:
    """A page that was opened, all that it asked for, and all that went wrong on it."""

    def __init__(self, context: Any, path: Path) -> None:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = path.resolve().as_uri()
        self.page.goto(self.address)
        self.page.wait_for_selector("html[data-ready=yes]", state="attached")
        self.page.wait_for_selector(".rw-live")

    @property
    def strangers(self) -> list[str]:
        """What was asked for beside the page itself."""
        return [url for url in self.asked if url != self.address and not url.startswith("data:")]
