"""Following a comparison or a choice while it trains, by its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nicegui import run, ui

from ratewise.schedule import ScheduleError
from ratewise.studio.follow import Following, follow
from ratewise.studio.session import Session
from ratewise.studio.widgets import Field, Push, Said, box

EVERY = 2.0
"""Seconds between two looks at a journal."""


class FollowPanel:
    """How far a journal is, and its best runs so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._path = session.journals[0] if session.journals else ""
        self._more: bool | None = None
        Said("Follow a journal", "h2")
        if not session.journals:
            Said("Start the studio with the journal of a comparison or a choice, as in "
                  "ratewise studio runs.db, and it is followed here.", "p")  # fmt: skip
            return
        names = {Path(one).name: one for one in session.journals}
        Field("Journal", lambda name: self._picked(names.get(str(name), "")), kind="choice",
              value=Path(self._path).name, choices=tuple(names))  # fmt: skip
        Field("Best is", self._ranked, kind="choice", value="as its name says",
              choices=("as its name says", "the lowest", "the highest"))  # fmt: skip
        self._bar = box("studio-bar", "progress", aria_label="Share of the updates", max="1")
        self._lines = box("studio-notes", "ul", aria_label="How far it is", aria_live="polite")
        self._table = box("studio-table", "table", aria_label="Best runs so far")
        self._said: Following | str | None = None
        Push("Look now", self._look, "Look at the journal now")
        ui.timer(EVERY, self._look)

    def _picked(self, path: str) -> None:
        self._path, self._said = path, None

    def _ranked(self, given: str) -> None:
        self._more = {"the lowest": False, "the highest": True}.get(str(given))
        self._said = None

    async def _look(self) -> None:
        try:
            now: Any = await run.io_bound(follow, self._path, self._more)
        except ScheduleError as error:
            now = str(error)
        if now != self._said:
            self._said = now
            self._tell(now)

    def _tell(self, now: Following | str) -> None:
        lines = (now,) if isinstance(now, str) else now.lines
        self._lines.clear()
        with self._lines:
            for line in lines:
                Said(line, "li")
        self._table.clear()
        if isinstance(now, str):
            return
        self._bar.props["value"] = f"{now.share:.4f}"
        self._bar.update()
        with self._table:
            if now.best:
                with box("", "thead"), box("", "tr"):
                    for name in ("schedule", "peak", "seed", now.best[0].metric):
                        Said(name, "th").props["scope"] = "col"
            with box("", "tbody"):
                for one in now.best:
                    with box("", "tr"):
                        Said(one.name, "th").props["scope"] = "row"
                        for text in (f"{one.peak:g}", f"{one.seed}", f"{one.value:.5g}"):
                            Said(text, "td")

    def show(self) -> None:
        """What is followed does not depend on what is drawn."""
