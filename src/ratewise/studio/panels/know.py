"""What is known and where it goes: advice with its sources, and the schedule as code."""

from __future__ import annotations

from typing import Any

from ratewise.advise.format import format_plan
from ratewise.schedule import Plan, ScheduleError
from ratewise.studio.advice import Card, FactForm, advised, fact_forms
from ratewise.studio.code import code_or_error, targets
from ratewise.studio.session import Session
from ratewise.studio.state import added
from ratewise.studio.widgets import Copy, Field, Push, Said, box

FIRST = ("task", "method", "optimizer", "kind")
"""Facts that are asked for at once; the others wait behind a line."""


class AdvicePanel:
    """The rules that fit what is told of a training."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._facts: dict[str, Any] = {}
        Said("Advice", "h2")
        Said("Tell what you train; every rule that fits is a card, with who says so.", "p",
              "studio-quiet")  # fmt: skip
        forms = fact_forms()
        with box("studio-fields"):
            for one in forms:
                if one.name in FIRST:
                    self._field(one)
        with box("", "details"):
            Said("more facts", "summary")
            with box("studio-fields"):
                for one in forms:
                    if one.name not in FIRST:
                        self._field(one)
        self._error = Said("", "p", "studio-error")
        self._cards = box("studio-cards")
        self._ask()

    def _field(self, one: FactForm) -> None:
        kind = "several" if one.several else "choice" if one.choices else "number"
        value: Any = [] if one.several else one.value
        choices = one.choices if one.several or one.value else ("", *one.choices)

        def told(given: Any) -> None:
            self._facts[one.name] = given
            self._ask()

        Field(one.name.replace("_", " "), told, kind=kind, value=value, choices=choices)

    def _ask(self) -> None:
        try:
            found = advised(self._facts)
        except ScheduleError as error:
            self._error.say(str(error))
            return
        self._error.say("")
        self._cards.clear()
        with self._cards:
            for plan, origin in found.plans:
                with box("studio-advice plan", "article"):
                    Said(format_plan(plan), "code")
                    Said(f"from {origin}", "p", "studio-quiet")
                    Push("Draw it", self._drawer(plan), f"Draw {format_plan(plan)}")
            for card in found.cards:
                with box("studio-advice", "article"):
                    _show(card)

    def _drawer(self, plan: Plan) -> Any:
        return lambda: self._session.change(lambda state: added(state, plan))

    def show(self) -> None:
        """Advice depends on facts alone."""


def _show(card: Card) -> None:
    with box("studio-row"):
        Said(card.title, "h3")
        Said(card.strength, "span", f"studio-tag {card.strength}")
    Said(card.then, "p")
    if card.numbers:
        Said(f"Numbers: {card.numbers}", "p")
    Said(f"Fits: {card.why}", "p", "studio-quiet")
    Said(f"Source: {card.source}", "p", "studio-quiet")
    if card.against:
        Said(f"Disagrees with: {', '.join(card.against)}", "p", "studio-quiet")


class CodePanel:
    """What is worked on as code for each framework."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._target = targets()[0]
        Said("Copy as code", "h2")
        self._pick = Field("Framework", self._picked, kind="choice", value=self._target,
                           choices=targets())  # fmt: skip
        self._error = Said("", "p", "studio-error")
        self._code = Copy("", "Copy the code")
        self._told: Any = None

    def _picked(self, target: str) -> None:
        self._target = str(target)
        self.show()

    def show(self) -> None:
        """Show the code of what is worked on."""
        state = self._session.state
        told = state.at.value, state.total, state.lr, tuple(state.units.values()), self._target
        if told == self._told:
            return
        self._told = told
        text, error = code_or_error(state, self._target)
        self._error.say(error)
        self._code.say(text)
        self._code.set_visibility(not error)
