"""Whole configs of classes: the scheduler in them, its optimizer, and how often it is stepped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from ratewise.convert.configs import _torch_classes as torch
from ratewise.convert.configs._instance_plans import Interval, plan_of_instance, refuse
from ratewise.convert.configs._instances import (
    Instance,
    check_keys,
    children,
    instance,
    instances,
    is_optimizers,
)
from ratewise.convert.formats import Evidence, RunFacts, dig
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, as_number, section
from ratewise.convert.pieces.moves import stay
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import Fix, number

FACTS = {"total": "trainer.max_steps", "epochs": "trainer.max_epochs"}


def evidence(source: Any, key: str) -> Evidence:
    """Return what speaks for a config whose classes are named by this key."""
    found = [each for each in instances(source) if each.is_scheduler] if _names(source, key) else []
    if not found:
        return Evidence()
    return Evidence(5, tuple(f"{each.path}.{key}".lstrip(".") for each in found))


def _names(source: Any, key: str) -> bool:
    """Tell whether a key lies anywhere in a config."""
    return any(name == key or _names(each, key) for name, _, each in children(source))


def read_config(
    who: str,
    source: Any,
    ctx: RunFacts,
    default: Callable[[Instance], Interval],
    *,
    constant: bool = False,
) -> Plan:
    """Return the plan of the scheduler that a config names.

    Args:
        who: What messages call the config.
        source: The config.
        ctx: What is known of the run.
        default: How often a scheduler is stepped where nothing beside it says so.
        constant: Whether the rate stays where there is no scheduler.
    """
    source = section(who, source)
    found = _scheduler(who, source)
    at, known = (None, set[str]()) if found is None else _interval(source, found, default(found))
    if found is None or found.path:
        check_keys(who, source, found, known)
    notes = _left_out(source, found)
    ctx = _lasting(source, ctx, notes)
    if found is None or at is None:
        if not constant:
            raise ScheduleError(who, "names no scheduler", "read the live object")
        return _constant(who, source, ctx, notes)
    rate = None if found.family[1] in torch.OWN_RATES else _rate(who, source, ctx, notes)
    plan = plan_of_instance(found, ctx, rate, at)
    return replace(plan, notes=(*notes, *plan.notes))


def _left_out(source: Mapping[str, Any], found: Instance | None) -> list[str]:
    """Return a note of the sections in which nothing was found."""
    if found is not None and not found.path:
        return []
    paths = [path for path, _ in _rates(source)] + ([found.path] if found else [])
    read = {"trainer", *(path.partition(".")[0] for path in paths)}
    left = [str(key) for key, value in source.items() if key not in read and value is not None]
    return [f"Not read: {', '.join(left)}."] if left else []


def _scheduler(who: str, source: Any) -> Instance | None:
    """Return the one scheduler of a config, if it has one."""
    found = [each for each in instances(source) if each.is_scheduler]
    unknown = [each for each in found if not each.family[0]]
    if unknown:
        refuse(unknown[0])
    if len(found) < 2:
        return next(iter(found), None)
    places = " and ".join(each.path for each in found)
    first = found[0].path.rpartition(".")[0]
    fix = (
        Fix("say which: {section}", section=repr(first))
        if first
        else ("give that of one of them alone")
    )
    raise ScheduleError(who, f"has schedulers at {places}", fix)


# The optimizer ------------------------------------------------------------------------------


def _rates(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Return the rates of the optimizers in a config, with their places."""
    for key, inner, each in children(value, path):
        found = instance(inner, each)
        if found is not None and found.is_scheduler:
            continue
        given = each if found is None else found.given
        rate = given.get("lr") if isinstance(given, Mapping) else None
        if is_optimizers(key, found) and rate not in (None, "???"):
            if any(_has_rate(each) for _, _, each in children(given)):
                rule = "has groups with rates of their own"
                raise ScheduleError(inner, rule, "read the live object")
            yield inner, number(inner, "lr", as_number(rate), above=True)
        else:
            yield from _rates(each, inner)


def _has_rate(value: Any) -> bool:
    return any(key == "lr" or _has_rate(each) for key, _, each in children(value))


def _rate(who: str, source: Any, ctx: RunFacts, notes: list[str]) -> float | None:
    """Return the rate that was told, or else that of the optimizer; None if nothing says it."""
    stated = dict(_rates(source))
    told = ctx.more.get("lr")
    if told is not None:
        rate = number(who, "lr", told, above=True)
        notes += [
            f"lr={rate:g} was given; the config says {path}.lr={other:g}."
            for path, other in stated.items()
            if other != rate
        ]
        return rate
    if len({*stated.values()}) > 1:
        places = " and ".join(f"{path}.lr={rate:g}" for path, rate in stated.items())
        raise ScheduleError(who, f"has {places}", "read the section of one of them")
    return next(iter(stated.values()), None)


def _constant(who: str, source: Any, ctx: RunFacts, notes: list[str]) -> Plan:
    """Return the plan of an optimizer without a scheduler."""
    notes.append("There is no scheduler: the rate stays.")
    rate = _rate(who, source, ctx, notes)
    if rate is None:
        raise ScheduleError(who, "names no scheduler and no rate", "read the live object")
    return Case(Keys(who, source), ctx, rate, notes).plan(stay(1.0))


# The clock ----------------------------------------------------------------------------------


_WORDS = ("interval", "frequency", "monitor")
_OTHERS = ("name", "reduce_on_plateau", "strict")
"""What else Lightning is told of a scheduler."""


def _interval(source: Any, found: Instance, default: Interval) -> tuple[Interval, set[str]]:
    """Return how often a scheduler is stepped, and the keys beside it that say so."""
    place = found.path.rpartition(".")[0]
    around = dig(source, place) if place else source
    around = around if isinstance(around, Mapping) else {}
    Keys(found.path, found.beside).only(*_WORDS, *_OTHERS)
    for key, value in around.items():
        near = get_close_matches(str(key), _WORDS, n=1, cutoff=0.8)
        if near and key not in _WORDS and isinstance(value, str | int):
            raise ScheduleError(found.path, f"has {key} beside it", f"did you mean {near[0]}")
    known: set[str] = set()

    def look(word: str) -> Any:
        if found.beside.get(word) is not None:
            return found.beside[word]
        for key in (f"{found.key}_{word}", word, f"scheduler_{word}", f"lr_scheduler_{word}"):
            if around.get(key) is not None:
                known.add(f"{place}.{key}".lstrip("."))
                return around[key]
        return None

    word, every, metric = (look(each) for each in _WORDS)
    often = Keys(found.path, {"frequency": every}).whole("frequency", 1, low=1)
    note = default.note if word is None else ""
    return Interval(default.word if word is None else word, often, metric, note), known


def _lasting(source: Any, ctx: RunFacts, notes: list[str]) -> RunFacts:
    """Return the facts of a run that ends at the first of `max_steps` and `max_epochs`."""
    if ctx.total is not None:
        return ctx
    trainer = Keys("trainer", section("trainer", dig(source, "trainer") or {}))
    steps, most = (int(trainer.number(key, -1, low=-1)) for key in ("max_steps", "max_epochs"))
    if steps <= 0:
        return ctx
    epoch = ctx.horizon.epoch
    end = math.ceil(Fraction(most) * epoch) if most > 0 and epoch is not None else steps
    if end < steps:
        notes.append(f"The run ends with its {most} epochs, at update {end}.")
    return ctx.lasting(min(steps, end))
