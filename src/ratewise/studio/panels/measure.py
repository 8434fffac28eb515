"""With logs: a plateau simulated on a recorded metric, and losses predicted by a fitted law."""

from __future__ import annotations

from typing import Any

from nicegui import run

from ratewise.studio.fields import example
from ratewise.studio.plateau import listening
from ratewise.studio.session import REFUSED, Session
from ratewise.studio.state import with_new_move
from ratewise.studio.widgets import Field, Push, Said, box


class PlateauPanel:
    """What a schedule that listens would have done to a metric that was recorded."""

    def __init__(self, session: Session) -> None:
        self._session = session
        Said("Simulate on a recorded metric", "h2")
        Said("A schedule that listens, such as Plateau, is shown a metric of a log, observation "
              "by observation; what it decides is drawn dashed.", "p", "studio-quiet")  # fmt: skip
        self._metric = Field("Metric", lambda _: None, kind="choice", choices=("",))
        self._chosen = ""
        self._metric.on("commit", self._choose)
        with box("studio-row"):
            Push("Simulate", self._simulate, classes="studio-main")
            self._add = Push("Add a Plateau", self._add_plateau, "Let the schedule listen")
        self._lines = box("studio-notes", "ul", aria_label="What was decided")
        self._error = Said("", "p", "studio-error")

    def _choose(self, event: Any) -> None:
        self._chosen = str(event.args["value"])

    def _add_plateau(self) -> None:
        self._session.change(lambda state: with_new_move(state, example("Plateau")))

    def _simulate(self) -> None:
        place, _, metric = (self._chosen or _first(self._session)).partition(": ")
        try:
            self._session.simulate(int(place or 1) - 1, metric)
            self._error.say("")
        except REFUSED as error:
            self._error.say(str(error))

    def show(self) -> None:
        """Show which metrics there are, and what was decided."""
        known = _known(self._session)
        self._metric.show(choices=known or [""])
        if self._chosen not in known:
            self._chosen = _first(self._session)
            self._metric.show(value=self._chosen)
        self._add.set_visibility(not listening(self._session.state.at.value))
        self._lines.clear()
        made = self._session.run
        with self._lines:
            for line in () if made is None else made.lines:
                Said(line, "li")


def _known(session: Session) -> list[str]:
    """Return the metrics of all logs, each behind the number of its log."""
    return [f"{place}: {name}" for place, log in enumerate(session.logs, 1) for name in log.names]


def _first(session: Session) -> str:
    """Return the metric to begin with: a validation loss, or any loss, or whatever there is."""
    known = _known(session)
    ranked = sorted(
        known, key=lambda one: ("loss" not in one, "val" not in one and "eval" not in one)
    )
    return ranked[0] if ranked else ""


class PredictPanel:
    """What a law, fitted to the logs, says of the schedules that are drawn."""

    def __init__(self, session: Session) -> None:
        self._session = session
        Said("Predict losses", "h2")
        Said("A loss-curve law is fitted to all logs on the page, and says what the schedules "
              "that are drawn would end on.", "p", "studio-quiet")  # fmt: skip
        self._fit = Push("Fit a law", self._fitted, classes="studio-main")
        self._state = Said("", "p")
        self._state.props["role"] = "status"
        self._table = box("studio-table", "table", aria_label="Predicted losses")
        self._told: Any = None

    async def _fitted(self) -> None:
        self._state.say("fitting …")
        try:
            law = await run.io_bound(self._session.fit)
        except REFUSED as error:
            self._state.say(str(error))
            return
        self._state.say(str(law))
        self._session.tell()

    def show(self) -> None:
        """Show the predictions, the lowest loss first."""
        told = self._session.predictions()
        shown = [(one.name, str(one.prediction), one.error) for one in told]
        if shown == self._told:
            return
        self._told = shown
        if self._session.law is None:
            self._state.say("")
        self._table.clear()
        with self._table:
            if told:
                with box("", "thead"), box("", "tr"):
                    for name in ("schedule", "peak", "loss", "9 of 10 between"):
                        Said(name, "th").props["scope"] = "col"
            with box("", "tbody"):
                for one in told:
                    with box("", "tr"):
                        _row(one)


def _row(one: Any) -> None:
    told = one.prediction
    with box("", "th", scope="row"):
        Said(one.name, "span")
        for note in () if told is None else told.notes:
            Said(note, "p", "studio-quiet")
    if told is None:
        Said(one.error, "td").props["colspan"] = "3"
        return
    for text in (f"{told.peak:g}", f"{told.loss:.4f}", f"{told.low:.4f} – {told.high:.4f}"):
        Said(text, "td")
