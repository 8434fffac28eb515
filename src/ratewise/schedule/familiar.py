"""Names that people know, where a run is made: `"cosine"` with `warmup="3%"` is a schedule.

They are those of `foreign.NAMES`, the table that suggestions come from. A name is taken where it
means one thing; where it does not, it is refused, with what to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ratewise.schedule import foreign
from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import Call, Fix, ScheduleError, nearest, shorten
from ratewise.schedule.foreign_calls import Foreign, Instead, spell
from ratewise.schedule.given import read_given
from ratewise.schedule.plan import Plan
from ratewise.schedule.text import constructors

SAYING = ("Transformers", "other trainers")
"""Whose names say a schedule over a whole run; others are classes, which count their own calls."""

NAMES = tuple(
    name
    for name, one in foreign.NAMES.items()
    if one.library in SAYING and "name" not in one.names  # of `get_scheduler`, which takes one
)
"""The names that may be taken."""

_SHORT = [name for name in NAMES if not name.startswith("get_")]


def read_named(
    who: str, given: Any, fix: str, options: Mapping[str, Any]
) -> tuple[Schedule | Plan, dict[str, Any]]:
    """Return the schedule that is meant by a name, or that is given as a value or text.

    Args:
        who: Who needs it, for the error.
        given: A name, or what `read_given` reads.
        fix: What to write in place of anything else.
        options: What was given beside it; of those that are None nothing is made.

    Returns:
        The schedule, and the options that it does not know.

    Raises:
        ScheduleError: a name that means several things, or none; `warmup` beside what is no name.

    >>> read_named("attach", "cosine", "", {"warmup": "3%"})
    (Warmup("3%") >> Cosine(to=0), {})
    """
    options = {key: value for key, value in options.items() if value is not None}
    name = _name(given)
    if name is not None:
        return _meant(who, name, options)
    value = read_given(who, given, fix)
    if "warmup" in options:
        length = shorten(options["warmup"])
        written = f"Warmup({length}) >> {shorten(value, 200)}"
        rule = "is for a name such as 'cosine'; here the schedule says it"
        raise ScheduleError(Call(who, "warmup", options["warmup"]), rule, f"write {written}")
    return value, options


def _name(given: Any) -> str | None:
    """Return the name that a word is, as the table has it; None for a text of moves, or a value.

    Raises:
        ScheduleError: a word that is neither a name nor one of ours.
    """
    given = getattr(given, "value", given)  # of an enumeration, as Transformers has one
    if not isinstance(given, str) or len(given) > 100 or given in constructors():
        return None
    word = re.sub(r"[\s-]+", "_", given.strip())
    for name in (word, word.lower()):
        if foreign.namesakes(name):
            return name
    ours = {name.lower() for name in constructors()}
    if word.isidentifier() and word.lower() not in ours:
        raise ScheduleError(repr(given), "is no name of a schedule", nearest(word, _SHORT))
    return None


def _meant(who: str, name: str, options: dict[str, Any]) -> tuple[Schedule | Plan, dict[str, Any]]:
    called = Call(who, value=name)
    if name not in NAMES:
        library, told = foreign.call(name, options)
        raise ScheduleError(called, f"is a name of {library}, with lengths of its own", told)
    known = foreign.NAMES[name]
    mine = {_theirs(known, key): value for key, value in options.items() if _takes(known, key)}
    rest = {key: value for key, value in options.items() if not _takes(known, key)}
    _check_once(called, known, options)
    told = known.advice(mine)
    _check_warmup(called, known, told, options)
    asked = [key for key in known.asks.split() if _theirs(known, key) not in mine]
    if asked:
        rule = f"means several things without {' and '.join(asked)}"
        needs = " and ".join(f"{{{key}}}" for key in asked)
        instead = str(replace(told, exact="")).replace("{", "{{").replace("}", "}}")
        fix = Fix(f"give {needs}, or {instead}", **dict.fromkeys(asked, "…"))
        raise ScheduleError(called, rule, fix)
    return _read(called, told), rest


def _check_once(called: Call, known: Foreign, options: dict[str, Any]) -> None:
    """Refuse our word for an argument beside theirs, and two ways to say how long it warms up."""
    said: dict[str, str] = {}
    for key in options:
        name = _theirs(known, key)
        name = "warmup" if name in foreign.WARMUPS else name
        if name in said and _takes(known, key):
            raise ScheduleError(called, f"got {said[name]} and {key}", "give one of them")
        said[name] = key


def _check_warmup(called: Call, known: Foreign, told: Instead, options: dict[str, Any]) -> None:
    """Refuse a warm-up that a name would not make, as those that never have one."""
    if not options.get("warmup"):
        return
    front = f"Warmup({spell(options['warmup'])}) >> "
    others = {k: v for k, v in options.items() if k != "warmup" and _takes(known, k)}
    if told.write == known.advice(others).write:
        rule = f"has no warm-up, and was given warmup={shorten(options['warmup'])}"
        whole = told.write.startswith("OneCycle")  # a plan, whose climb is its own
        fix = "leave it out" if whole else f"write {front}{told.write}"
        raise ScheduleError(called, rule, fix)


def _takes(known: Foreign, key: str) -> bool:
    return _theirs(known, key) in known.names and key not in foreign.RUN


_OURS = {
    "warmup": foreign.WARMUPS,
    "to": ("min_lr_rate", "min_lr_ratio"),
    "decay": ("num_decay_steps",),
}
"""What some of our arguments are called there."""


def _theirs(known: Foreign, key: str) -> str:
    """Return what a name calls one of our arguments."""
    return next((name for name in (key, *_OURS.get(key, ())) if name in known.names), key)


def _read(called: Call, told: Instead) -> Schedule | Plan:
    """Return the schedule that the advice writes, if it leaves nothing open."""
    if told.rates or "…" in told.write:
        raise ScheduleError(called, "means several things with this", str(told))
    return read_given(called, told.write, str(told))
