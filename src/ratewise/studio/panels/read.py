"""Reading: what is pasted or dropped, and logs held against what is worked on."""

from __future__ import annotations

from typing import Any

from nicegui import background_tasks, run

from ratewise.schedule import ScheduleError, parse
from ratewise.studio.session import Session
from ratewise.studio.sources import LARGEST_CONTENT, seen_in
from ratewise.studio.state import added
from ratewise.studio.widgets import Drop, Push, Said, box


class ReadPanel:
    """Where content comes in, and what became of it."""

    def __init__(self, session: Session, token: str) -> None:
        self._session = session
        Said("Read a config or a log", "h2")
        Drop(token, LARGEST_CONTENT)
        self._notes = box("studio-notes", "ul", aria_label="Notes of what was read")
        self._logs = box("studio-logs", role="group", aria_label="Logs")
        self._told: Any = None
        self._busy = False

    def show(self) -> None:
        """Show the notes at once, and each log with its audit as soon as that is known."""
        session = self._session
        state = session.state
        told = (session.notes, tuple(map(id, session.logs)), state.at.value, state.total, state.lr,
                tuple(state.units.values()))  # fmt: skip
        if told == self._told:
            return
        self._told = told
        self._notes.clear()
        with self._notes:
            for note in session.notes:
                Said(note, "li")
        if not self._busy:
            background_tasks.create(self._audit(), name="audit")

    async def _audit(self) -> None:
        """Hold the logs against what is worked on; what changes meanwhile is seen to at the end."""
        self._busy = True
        try:
            done: Any = None
            found: Any = ()
            while done != self._told:
                done = self._told
                found = await run.io_bound(self._session.audits)
            if not self._logs.is_deleted:
                self._show_logs(found)
        finally:
            self._busy = False

    def _show_logs(self, found: Any) -> None:
        self._logs.clear()
        with self._logs:
            for place, (name, audit, error) in enumerate(found):
                with box("studio-log", "article", aria_label=f"Log {name}"):
                    self._show_log(place, name, audit, error)

    def _show_log(self, place: int, name: str, audit: Any, error: str) -> None:
        with box("studio-row"):
            Said(name, "h3")
            Push("Draw what it did", self._drawer(place), "Draw the schedule that the log shows")
            Push("×", lambda: self._session.forget(place), f"Remove the log {name}", "studio-small")
        if error:
            Said(error, "p", "studio-error")
        elif audit is None:
            Said("It holds no learning rates to hold against the plan.", "p")
        else:
            agrees = {True: "as meant", False: "departs", None: "cannot tell"}[audit.agrees]
            Said(agrees, "strong", f"studio-verdict {agrees.split()[0]}")
            for line in str(audit).splitlines():
                Said(line, "p")

    def _drawer(self, place: int) -> Any:
        async def draw() -> None:
            log = self._session.logs[place]
            seen = await run.io_bound(seen_in, log)
            inferred = None if seen is None else seen.inferred
            self._session.change(
                lambda state: added(state, _value(log.name, inferred), f"what {log.name} did")
            )

        return draw


def _value(name: str, inferred: Any) -> Any:
    if inferred is None:
        fix = "give a log with more rates"
        raise ScheduleError(f"Log {name!r}", "is reproduced by no schedule that is known", fix)
    return parse(inferred.spec)
