"""Damaged JSON of plans and schedules, as text and as values: read as what it says, or refused."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

import ratewise as rw
from tests.fuzz.tool import TOKENS, Tally, cases, damaged

PLANS = [
    rw.Plan(lr=rw.Warmup(5) >> rw.Cosine(to=0.1), peak={"lr": 3e-4}, notes=["a note"]),
    rw.Plan(
        lr=rw.Warmup("5%") >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
        momentum=rw.Hold(0.5),
        groups={"head": rw.Hold(0.1), "body": rw.Plan(lr=rw.Linear(to=0), keys={"eps": rw.Hold()})},
    ),
    rw.Plan(lr=rw.Warmup(500) >> rw.Plateau(metric="val_loss", patience=3, factor=0.5)),
    rw.Plan(lr=rw.Repeat(rw.Cosine(to=0), every="2 epochs", grow=2).clip(0.1, 0.9)),
    rw.Plan(lr=rw.Piecewise({0: 1, 100: 0.5, 200: 0.1}) * (rw.Hold(0.5) * 0.25)),
]
FORMS = [plan.to_dict() for plan in PLANS]
JSON = [json.dumps(form) for form in FORMS] + [rw.Cosine(to=0.5).to_json()]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**62, 2**63, 10**400, 1e-300, 1e308, 0.5, -0.0, "", "5%"),
    *(math.nan, math.inf, -math.inf, [], {}, [[]], {"type": "Hold"}, [1, 2], {"a": {"b": 1}}, b"x"),
    *(1j, object, {1: 2}, "Hold()", "3 epochs", "1e999999999 tokens", "9" * 5000 + " epochs"),
]


def check(made: Any) -> None:
    again = rw.from_json(made.to_json())
    assert again == made or again.to_json() == made.to_json()


def test_damaged_json() -> None:
    """What is read has a JSON form that is read as the same."""
    tally = Tally("JSON")
    for source in cases("JSON"):
        text = damaged(source.choice(JSON), source, JSON)
        tally.attack(text, lambda text=text: check(rw.from_json(text)))
    tally.close()


def test_damaged_values() -> None:
    """The same of dicts and lists with values of every kind in the wrong places."""
    tally = Tally("dict forms")
    for source in cases("values", 2):
        form = mutated(copy.deepcopy(source.choice(FORMS)), source)
        tally.attack(form, lambda form=form: check(rw.from_dict(form)))
    tally.close()


def mutated(form: Any, source: random.Random) -> Any:
    """A form in which some value, somewhere, is another, or some key is missing or new."""
    for _ in range(source.choice((1, 1, 2, 3))):
        part, owner, key = form, None, None
        while isinstance(part, dict | list) and part and source.random() < 0.8:
            places: Any = list(part) if isinstance(part, dict) else range(len(part))
            owner, key = part, source.choice(places)
            part = owner[key]
        value = copy.deepcopy(source.choice([*VALUES, *FORMS, source.choice(TOKENS)]))
        if owner is None:
            return value
        how = source.randrange(4)
        if how == 0:
            del owner[key]
        elif how == 1 and isinstance(owner, dict):
            owner[source.choice([*TOKENS, "type", "over", "notes", 3, None])] = value
        else:
            owner[key] = value
    return form
