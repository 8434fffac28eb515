"""The chart, the cursor on it, and the run that it is drawn for."""

from __future__ import annotations

import math
from typing import Any

from ratewise.schedule.errors import ScheduleError, shorten
from ratewise.studio.figure import thinned_of
from ratewise.studio.handles import moved
from ratewise.studio.readings import cursor, depends_on_total
from ratewise.studio.session import Session
from ratewise.studio.state import changed
from ratewise.studio.widgets import ChartElement, Field, Said, box

WIDEST = 4.0
"""How many times as long, or as short, the other run may be."""
MIDDLE = 100
"""Place of the slider at which it is as long as this one."""


class ChartPanel:
    """The curves, and what they say at the cursor."""

    def __init__(self, session: Session) -> None:
        self._session = session
        with box("studio-card studio-picture", "section", aria_label="Curves"):
            self._error = Said("", "p", "studio-error")
            self._error.props["role"] = "alert"
            self._chart = ChartElement(self._moved, self._clicked)
            self._legend = box("studio-legend", "ul", aria_label="What is drawn")
            self._cursor = Field("Cursor at update", self._typed, kind="range", value=0)
            self._readings = box("studio-table", "table", aria_label="At the cursor")
        self._told: Any = None
        self._listed: Any = None
        self._drawn: Any = None
        self._known: set[str] = set()

    def _moved(self, told: Any) -> None:
        place, x, level = int(told["place"]), told.get("x"), told.get("level")
        self._session.change(
            lambda state: moved(state, place, _number(x), _number(level)),
            keep=self._session.last_handle != place,
        )
        self._session.last_handle = place

    def _clicked(self, told: Any) -> None:
        self._typed(told.get("x"))

    def _typed(self, value: Any) -> None:
        at = max(round(_number(value)), 0)
        self._session.change(lambda state: changed(state, cursor=at), keep=False)

    def show(self) -> None:
        """Show what the session holds."""
        session = self._session
        state = session.state
        self._error.say(session.error or self._of_drawings())
        self._error.set_visibility(bool(self._error.text))
        figure = session.figure()
        if figure != self._drawn:
            self._drawn = figure
            self._chart.draw(thinned_of(figure, self._known))
            self._known = {trace["key"] for trace in figure["data"]}
        at = min(state.cursor, state.updates - 1)
        step = max(state.updates // 1000, 1)
        self._cursor.show(value=at, max=state.updates - 1, step=step, hint=f"{at:,}")
        told = cursor(state)
        if told != self._told:
            self._told = told
            self._show_readings(told)
        listed = [trace for trace in figure["data"] if not trace["meta"].get("unlisted")]
        names = [(trace["name"], trace["meta"]) for trace in listed]
        if names != self._listed:
            self._listed = names
            self._show_legend(listed)

    def _of_drawings(self) -> str:
        from ratewise.studio.state import drawn

        return next((one.error for one in drawn(self._session.state) if one.error), "")

    def _show_legend(self, data: list[dict[str, Any]]) -> None:
        self._legend.clear()
        with self._legend:
            for trace in data:
                with box("", "li"):
                    slot = trace["meta"]["slot"]
                    mark = box(
                        "studio-mark dots" if trace["mode"] == "markers" else "studio-mark", "span"
                    )
                    colour = f"var(--c{slot % 7})" if slot >= 0 else "var(--quiet)"
                    mark.style(f"--colour: {colour}")
                    Said(unescaped(trace["name"]), "span")

    def _show_readings(self, told: Any) -> None:
        self._readings.clear()
        with self._readings:
            with box("", "thead"), box("", "tr"):
                for name in ("schedule", "update", "level", "rate"):
                    Said(name, "th").props["scope"] = "col"
            with box("", "tbody"):
                for one in told:
                    with box("", "tr"):
                        Said(one.name, "th").props["scope"] = "row"
                        for text in (f"{one.update:,}", f"{one.level:.6g}", one.text):
                            Said(text, "td")


def unescaped(text: str) -> str:
    """Return a name as it was before it was made safe for plotly, which reads tags."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class RunPanel:
    """The run: how long it is, what its units come to, and what if it were longer."""

    FIELDS = (
        ("total", "Total", "10000, or 3 epochs"),
        ("lr", "Peak rate", "none: levels"),
        ("epoch", "Updates/epoch", "–"),
        ("samples", "Samples/update", "–"),
        ("tokens", "Tokens/update", "–"),
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self._fields: dict[str, Field] = {}
        with box("studio-card", "section", aria_label="The run"):
            Said("The run", "h2")
            with box("studio-fields"):
                for name, label, placeholder in self.FIELDS:
                    self._fields[name] = Field(label, self._setter(name), kind="number",
                                               placeholder=placeholder)  # fmt: skip
            self._log = Field("Logarithmic axis", self._logarithmic, kind="check", value=False)
            self._what_if = Field("What if it were", self._other, kind="range",
                                  value=MIDDLE, high=2 * MIDDLE)  # fmt: skip
            self._depends = box("studio-depends", "ul", aria_label="What depends on the total")
        self._told: Any = None

    def _setter(self, name: str) -> Any:
        def typed(text: str) -> None:
            error = self._session.change(
                lambda state: changed(state, **{name: _setting(name, text)})
            )
            self._fields[name].show(error=error)

        return typed

    def _logarithmic(self, value: Any) -> None:
        self._session.change(lambda state: changed(state, log=bool(value)))

    def _other(self, value: Any) -> None:
        updates = what_if(self._session.state.updates, _number(value))
        self._session.change(lambda state: changed(state, what_if=updates), keep=False)

    def show(self) -> None:
        """Show what the session holds."""
        state = self._session.state
        for name, field in self._fields.items():
            value = getattr(state, name)
            shown = "" if value is None else value if isinstance(value, str) else f"{value:.12g}"
            error = "" if not self._session.error else field.props["error"]
            field.show(value=shown, error=error)
        self._log.show(value=state.log)
        self._what_if.show(value=place_of(state.updates, state.what_if), hint=self._hint())
        told = [(one.title, depends_on_total(one.value, state)) for one in state.drawings]
        if told != self._told:
            self._told = told
            self._depends.clear()
            with self._depends:
                for title, depends in told:
                    Said(_sentence(title, depends), "li")

    def _hint(self) -> str:
        state = self._session.state
        if state.what_if is None or state.what_if == state.updates:
            return f"{state.updates:,} updates, as it is"
        return f"{state.what_if:,} updates ({state.what_if / state.updates:.2f}×)"


def _sentence(title: str, depends: bool | None) -> str:
    if depends is None:
        return f"{title} cannot be drawn for every total"
    told = "depends on the total" if depends else "is the same whatever the total"
    return f"{title} {told}"


def _setting(name: str, text: str) -> Any:
    """Return what was typed as a setting of the run: a number, a length, or nothing."""
    text = str(text).strip().replace(",", "")
    if name == "total":
        if not text:
            raise ScheduleError("The run", "has no total", "type its updates, such as 10000")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else length(text)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ScheduleError(
            shorten(text), "is no number", "type one such as 3e-4, or leave it empty"
        ) from None


def length(text: str) -> str:
    """Return a total such as 10k, which is one of updates."""
    return (
        f"{text} updates" if text[-1] in "kKMBGT" and text[:-1].replace(".", "").isdigit() else text
    )


def what_if(updates: int, place: float) -> int | None:
    """Return the updates at a place of the slider, None in its middle.

    >>> what_if(10_000, 200), what_if(10_000, 0), what_if(10_000, 100)
    (40000, 2500, None)
    """
    if place == MIDDLE:
        return None
    return max(round(updates * WIDEST ** ((place - MIDDLE) / MIDDLE)), 1)


def place_of(updates: int, other: int | None) -> int:
    """Return the place of the slider at which a run is so long."""
    if other is None:
        return MIDDLE
    return round(MIDDLE * (1 + math.log(other / updates) / math.log(WIDEST)))


def _number(value: Any) -> float:
    """Return what the browser sent as a number; NaN if it is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e15 else math.nan
