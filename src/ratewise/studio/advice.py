"""Advice as cards: what to do, how well that is known, who says so, and what can be drawn of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.advise import advise
from ratewise.advise.facts import CHOICES, SEEN, Facts
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten


@dataclass(frozen=True)
class FactForm:
    """One fact that can be told.

    Attributes:
        name: Its name.
        choices: The words that it takes; () for a number.
        several: Whether several of them may hold.
        value: What it is if nothing is told.
    """

    name: str
    choices: tuple[str, ...]
    several: bool
    value: str


@dataclass(frozen=True)
class Card:
    """One rule that fits.

    Attributes:
        title: Its name.
        then: What to do.
        numbers: The numbers behind it, or "".
        why: Which facts made it fit.
        source: Who says so.
        strength: How well it is known: "measured", "theory", "convention" or "default".
        against: Names of rules that fit and say otherwise.
    """

    title: str
    then: str
    numbers: str
    why: str
    source: str
    strength: str
    against: tuple[str, ...]


@dataclass(frozen=True)
class Advised:
    """What the rules say of some facts.

    Attributes:
        plans: Schedules to try, with the names of the rules that each comes from.
        cards: The rules, the most specific first.
    """

    plans: tuple[tuple[Plan, str], ...]
    cards: tuple[Card, ...]


def fact_forms() -> tuple[FactForm, ...]:
    """Return the facts that can be told, from the fields of `Facts`."""
    found: list[FactForm] = []
    for field in dataclasses.fields(Facts):
        several = field.name == "seen"
        choices = SEEN if several else CHOICES.get(field.name, ())
        default = "" if several or field.default is None else str(field.default)
        found.append(FactForm(field.name, tuple(choices), several, default))
    return tuple(found)


def advised(told: Mapping[str, Any]) -> Advised:
    """Return advice on what was typed of a training; what is empty is not known.

    Raises:
        ScheduleError: a fact is not what it should be.

    >>> advised({"task": "fine-tuning", "method": "lora"}).cards[0].strength in "measured theory"
    True
    """
    advice = advise(
        **{name: _fact(name, one) for name, one in told.items() if one not in ("", [], None)}
    )
    against: dict[str, list[str]] = {}
    for one, other in advice.conflicts:
        against.setdefault(one, []).append(other)
        against.setdefault(other, []).append(one)
    cards = tuple(
        Card(fit.rule.id.replace("_", " ").replace("-", " "), fit.rule.then, fit.rule.numbers,
             fit.why, fit.rule.source, fit.rule.strength, tuple(against.get(fit.rule.id, ())))
        for fit in advice.rules
    )  # fmt: skip
    pairs = zip(advice.plans, advice.origins, strict=True)
    return Advised(tuple((plan, ", ".join(origin)) for plan, origin in pairs), cards)


def _fact(name: str, typed: Any) -> Any:
    """Return what was typed as a fact: a word, several, or a number."""
    if name in CHOICES or not isinstance(typed, str):
        return typed
    for number in (int, float):
        try:
            return number(typed)
        except ValueError:
            continue
    raise ScheduleError(f"{name} {shorten(typed)}", "is no number", "type one, or leave it empty")
