"""Recipes: plans with a name, made by the rules from facts that many runs share."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ratewise.advise.api import advise
from ratewise.advise.facts import Facts
from ratewise.schedule.errors import Call, ScheduleError, nearest
from ratewise.schedule.plan import Plan
from ratewise.schedule.strict import strict


@dataclass(frozen=True)
class Recipe:
    """A plan with a name.

    Args:
        name: What `recipe` finds it by.
        about: What it is for.
        facts: The facts that it is made from.
        plan: The plan; its notes say which rule gave which part.
        origin: Ids of the rules that it comes from.
    """

    name: str
    about: str
    facts: Facts
    plan: Plan
    origin: tuple[str, ...]


@strict
def recipes() -> dict[str, Plan]:
    """Return the plans of all recipes by name.

    >>> recipes()["pretraining"].lr
    Warmup("5%") >> Linear(to=0)
    """
    return {name: known.plan for name, known in cookbook().items()}


@strict
def recipe(name: str) -> Plan:
    """Return the plan of a recipe; its notes name the rules that it was built from.

    Args:
        name: One of the names in `recipes()`.

    Raises:
        ScheduleError: no recipe has the name.

    >>> recipe("lora").peak["lr"]
    0.0002
    """
    return described(name).plan


def described(name: str) -> Recipe:
    """Return a recipe with all that is known of it.

    Raises:
        ScheduleError: no recipe has the name.
    """
    known = cookbook()
    if name not in known:
        who = Call("recipe", value=name)
        raise ScheduleError(who, "is not a recipe", nearest(name, known))
    return known[name]


@cache
def cookbook() -> dict[str, Recipe]:
    """Return all recipes by name."""
    text = (files("ratewise.advise") / "recipes.toml").read_text(encoding="utf-8")
    book: dict[str, Recipe] = {}
    for name, table in tomllib.loads(text).items():
        advice = advise(**table["facts"])
        made = advice.facts, advice.plans[0], advice.origins[0]
        book[name] = Recipe(name, table["about"], *made)
    return book
