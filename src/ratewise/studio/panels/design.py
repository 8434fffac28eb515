"""Designing: which schedules are drawn, and the chain of the one that is worked on."""

from __future__ import annotations

import dataclasses
from typing import Any

from ratewise.schedule import Schedule, ScheduleError, parse
from ratewise.studio.fields import FieldForm, example, forms, kinds, summary, with_field
from ratewise.studio.session import Session
from ratewise.studio.state import (
    Drawing,
    StudioState,
    added,
    changed,
    removed,
    with_drawing,
    with_move,
    with_move_shifted,
    with_new_move,
    with_value,
    without_move,
)
from ratewise.studio.widgets import Field, Push, Said, box

USUAL = ("over", "to", "level", "factor", "metric", "every", "rate", "at", "points")
"""Fields that are shown at once, where a move has them; the others wait behind a line."""

MOST_CARDS = 30
"""Moves that have a form; of a longer chain the rest is edited as text."""


class DesignPanel:
    """The schedules, and the moves of the one that is worked on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        Said("Schedules", "h2")
        self._list = box("studio-list", "ul", aria_label="Schedules")
        self._text = Field("Text of the schedule", self._typed, kind="long")
        self._name = Field("Name", self._named, placeholder="its own text")
        with box("studio-row"):
            Push("Add one", self._add, "Draw one more schedule over the others")
            Push("Undo", session.undo, "Take the last change back")
        Said("Its moves, one after the other", "h2")
        self._chain = box("studio-chain", "ol", aria_label="Moves")
        self._pick = Field("Add a move", self._picked, kind="choice", choices=("", *kinds()))
        self._about = Said("", "p", "studio-quiet")
        self._drawings: Any = None
        self._shape: Any = None
        self._moves: list[dict[str, Field]] = []

    # Schedules ---------------------------------------------------------------------------------

    def _typed(self, text: str) -> None:
        error = self._session.change(lambda state: with_value(state, parse(text)))
        self._text.show(error=error)

    def _named(self, text: str) -> None:
        error = self._session.change(
            lambda state: with_drawing(state, dataclasses.replace(state.at, name=text))
        )
        self._name.show(error=error)

    def _add(self) -> None:
        self._session.change(lambda state: added(state, state.at.value))

    def _show_list(self) -> None:
        state = self._session.state
        self._list.clear()
        with self._list:
            for place, one in enumerate(state.drawings):
                with box("studio-row" + (" active" if place == state.active else ""), "li"):
                    box("studio-mark", "span").style(f"--colour: var(--c{place % 7})")
                    pick = Push(
                        one.title, self._picker(place), f"Work on {one.title}", "studio-pick"
                    )
                    pick.props["aria-pressed"] = str(place == state.active).lower()
                    word = "Hide" if one.shown else "Show"
                    Push(word, self._shower(place, one), f"{word} {one.title}")
                    Push("×", self._remover(place), f"Remove {one.title}", "studio-small")

    def _picker(self, place: int) -> Any:
        return lambda: self._session.change(lambda state: changed(state, active=place), keep=False)

    def _shower(self, place: int, one: Drawing) -> Any:
        other = dataclasses.replace(one, shown=not one.shown)
        return lambda: self._session.change(lambda state: with_drawing(state, other, place))

    def _remover(self, place: int) -> Any:
        return lambda: self._session.change(lambda state: removed(state, place))

    # Moves -------------------------------------------------------------------------------------

    def _picked(self, name: str) -> None:
        if not name:
            return
        state = self._session.state
        last = state.moves[-1] if state.moves else None

        def make(state: StudioState) -> StudioState:
            return with_new_move(state, example(name))

        def around(state: StudioState) -> StudioState:
            assert last is not None
            made = example(name, last)
            assert isinstance(made, Schedule)
            return with_move(state, len(state.moves) - 1, made)

        wraps = last is not None and "schedule" in _parameters(name)
        self._about.say(summary(kinds()[name]))
        self._pick.show(value=name, error=self._session.change(around if wraps else make))
        self._pick.show(value="")

    def _show_chain(self) -> None:
        state = self._session.state
        self._chain.clear()
        self._moves = []
        with self._chain:
            for place, move in enumerate(state.moves[:MOST_CARDS]):
                with box("studio-move", "li"):
                    self._moves.append(self._card(place, move, len(state.moves)))
            if len(state.moves) > MOST_CARDS:
                Said(f"and {len(state.moves) - MOST_CARDS:,} more, which the text holds", "li")

    def _card(self, place: int, move: Schedule, count: int) -> dict[str, Field]:
        name = type(move).__name__
        with box("studio-row"):
            Said(name, "h3").props["title"] = summary(type(move))
            if place:
                Push("↑", self._shifter(place, -1), f"{name} earlier", "studio-small")
            if place < count - 1:
                Push("↓", self._shifter(place, 1), f"{name} later", "studio-small")
            Push("×", self._dropper(place), f"Remove {name}", "studio-small")
        fields = forms(move)
        usual = [one for one in fields if one.name in USUAL][:4] or list(fields)[:4]
        made: dict[str, Field] = {}
        with box("studio-fields"):
            for one in usual:
                made[one.name] = self._field(place, one)
        rest = [one for one in fields if one not in usual]
        if rest:
            with box("", "details"):
                Said("more", "summary")
                with box("studio-fields"):
                    for one in rest:
                        made[one.name] = self._field(place, one)
        return made

    def _field(self, place: int, one: FieldForm) -> Field:
        kind = "choice" if one.choices else "text"
        waits = "the rest" if one.rest else "–"
        return Field(one.name, self._setter(place, one.name), kind=kind, value=one.text,
                     hint=one.hint, choices=one.choices, placeholder=waits)  # fmt: skip

    def _setter(self, place: int, name: str) -> Any:
        def typed(text: str) -> None:
            def make(state: StudioState) -> StudioState:
                if place >= len(state.moves):
                    raise ScheduleError("The move", "is gone", "look at the chain again")
                return with_move(state, place, with_field(state.moves[place], name, str(text)))

            error = self._session.change(make)
            if place < len(self._moves) and name in self._moves[place]:
                self._moves[place][name].show(error=error)

        return typed

    def _shifter(self, place: int, by: int) -> Any:
        return lambda: self._session.change(lambda state: with_move_shifted(state, place, by))

    def _dropper(self, place: int) -> Any:
        return lambda: self._session.change(lambda state: without_move(state, place))

    def show(self) -> None:
        """Show what the session holds; what is being typed into is not built anew."""
        state = self._session.state
        told = [(one.title, one.shown) for one in state.drawings], state.active
        if told != self._drawings:
            self._drawings = told
            self._show_list()
        error = self._session.error
        self._text.show(value=repr(state.at.value), **({} if error else {"error": ""}))
        self._name.show(value=state.at.name, **({} if error else {"error": ""}))
        shape = state.active, [type(move).__name__ for move in state.moves]
        if shape != self._shape:
            self._shape = shape
            self._show_chain()
        for move, fields in zip(state.moves[:MOST_CARDS], self._moves, strict=True):
            for one in forms(move):
                clean = {} if error else {"error": ""}
                fields[one.name].show(value=one.text, **clean)


def _parameters(name: str) -> tuple[str, ...]:
    """Return the fields of a shape that can be picked."""
    shape: Any = kinds()[name]
    known = dataclasses.is_dataclass(shape)
    return tuple(f.name for f in dataclasses.fields(shape)) if known else ()
