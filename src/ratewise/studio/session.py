"""One page that is open: its state, what lies beside it, and what is told of every change.

Plain Python without a page: the panels call its methods, and it calls back whoever shows things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratewise._extras import MissingExtra
from ratewise.audit.result import Audit
from ratewise.predict import Fit
from ratewise.schedule import ScheduleError
from ratewise.studio.figure import Beside, figure
from ratewise.studio.forecast import Predicted, fitted, predicted
from ratewise.studio.link import to_link
from ratewise.studio.plateau import Simulated, simulated
from ratewise.studio.sources import Config, Log, fitting, held_against
from ratewise.studio.state import StudioState, added, changed

REMEMBERED = 100
"""Changes that can be taken back."""
MOST_LOGS = 12
REFUSED = (ScheduleError, MissingExtra)
"""What is told to the user, and changes nothing."""


@dataclass
class Session:
    """One open page.

    Args:
        state: What it shows of schedules.
        journals: Journals that it may follow, by path.
    """

    state: StudioState = field(default_factory=StudioState)
    journals: tuple[str, ...] = ()
    logs: list[Log] = field(default_factory=list[Log])
    law: Fit | None = None
    told: dict[Any, tuple[Predicted, ...]] = field(default_factory=dict[Any, Any])
    run: Simulated | None = None
    last_handle: int | None = None
    error: str = ""
    notes: tuple[str, ...] = ()
    heard: list[Callable[[], Any]] = field(default_factory=list[Callable[[], Any]])
    before: list[StudioState] = field(default_factory=list[StudioState])

    # Changing ----------------------------------------------------------------------------------

    def change(self, make: Callable[[StudioState], StudioState], *, keep: bool = True) -> str:
        """Change the state; return what is wrong, "" if nothing is.

        Args:
            make: Returns the new state.
            keep: Whether the change can be taken back by itself.
        """
        try:
            new = make(self.state)
        except REFUSED as error:
            self.error = str(error)
            self.tell()
            return self.error
        self.error = ""
        if new != self.state:
            if keep:
                self.last_handle = None
                self.before = [*self.before[-REMEMBERED:], self.state]
            self.state = new
            if self.run is not None and self.run.of != new.at.value:
                self.run = None
        self.tell()
        return ""

    def undo(self) -> None:
        """Take the last change back."""
        if self.before:
            self.state, self.error = self.before.pop(), ""
            self.tell()

    def tell(self) -> None:
        """Tell whoever shows things that something changed."""
        for one in self.heard:
            one()

    # What is drawn -------------------------------------------------------------------------------

    def figure(self) -> dict[str, Any]:
        """Return what is drawn, with the link to it."""
        return {**figure(self.state, self.beside()), "link": self.link()}

    def link(self) -> str | None:
        """Return the query of the link to what is shown, None if it is too long for one."""
        if self.state == StudioState():
            return ""
        try:
            return to_link(self.state)
        except ScheduleError:
            return None

    def beside(self) -> list[Beside]:
        """Return what is drawn beside the schedules."""
        found = [one for log in self.logs for one in log.drawn()]
        if self.run is not None:
            found.append(self.run.drawn(self.state.active))
        losses = [one.drawn() for one in self.predictions()]
        return [*found, *(one for one in losses if one is not None)]

    def predictions(self) -> tuple[Predicted, ...]:
        """Return what the fitted law says of the schedules, if there is one."""
        if self.law is None:
            return ()
        state = self.state
        known = state.drawings, state.total, state.lr, tuple(state.units.values()), id(self.law)
        if known not in self.told:
            self.told = {known: predicted(state, self.law)}
        return self.told[known]

    # What is brought -----------------------------------------------------------------------------

    def take(self, found: Config | Log, told: dict[str, Any] | None = None) -> str:
        """Show a config or a log that was read; return what became of it, in words.

        Args:
            found: What was read.
            told: What it says of the run, if that is known already: see `fitting`.

        Raises:
            ScheduleError: there is no room for it, or its lengths cannot be drawn.
        """
        told = fitting(self.state, found) if told is None else told
        if isinstance(found, Config):
            name = "" if found.format.startswith("a ratewise") else found.name
            self._apply(lambda state: changed(added(state, found.plan, name), **told))
            self.notes = found.notes
            self.tell()
            return f"{found.name}: read as {found.format}."
        if len(self.logs) >= MOST_LOGS:
            raise ScheduleError("The page", f"holds {MOST_LOGS} logs", "remove one first")
        self.logs = [*self.logs, found]
        self.law, self.notes = None, found.notes
        self._apply(lambda state: changed(state, **told))
        self.tell()
        rows = 0 if found.recorded is None else len(found.recorded.steps)
        curves = f"{len(found.curves)} loss curve{'s' * (len(found.curves) != 1)}"
        return f"{found.name}: a log with {rows:,} rates and {curves}."

    def _apply(self, make: Callable[[StudioState], StudioState]) -> None:
        new = make(self.state)
        self.before = [*self.before[-REMEMBERED:], self.state]
        self.state, self.error = new, ""

    def forget(self, place: int) -> None:
        """Remove a log, and what was made of it."""
        self.logs = [*self.logs[:place], *self.logs[place + 1 :]]
        self.law, self.run = None, None
        self.tell()

    # What is worked out --------------------------------------------------------------------------

    def audits(self) -> tuple[tuple[str, Audit | None, str], ...]:
        """Return each log against what is worked on: its name, the audit, or what is wrong."""
        return tuple((log.name, *_audited(self.state, log)) for log in self.logs)

    def simulate(self, place: int, metric: str) -> Simulated:
        """Show what is worked on a recorded metric, and draw what it would have done.

        Raises:
            ScheduleError: it listens to none, or there is no such metric.
        """
        if not 0 <= place < len(self.logs):
            raise ScheduleError("The page", "has no log", "drop one with a metric")
        self.run = simulated(self.state, self.logs[place], metric)
        self.tell()
        return self.run

    def fit(self, logs: Sequence[Log] | None = None) -> Fit:
        """Fit a law to the logs; their losses and the predicted ones are drawn from then on.

        Raises:
            ScheduleError: they hold no curve.
            MissingExtra: scipy is not there.
        """
        self.law = fitted(self.logs if logs is None else logs)
        return self.law


def _audited(state: StudioState, log: Log) -> tuple[Audit | None, str]:
    try:
        return held_against(state, log), ""
    except ScheduleError as error:
        return None, str(error)
