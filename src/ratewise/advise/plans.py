"""From rules that fit to schedules: a shape, a warm-up and a peak, each from a rule."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from ratewise.advise.facts import Facts
from ratewise.advise.rules import Rule
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.plan import Plan
from ratewise.schedule.text import parse

USUAL_BETA2 = 0.999
MOST = 4


class PlanPart(NamedTuple):
    """A part of a plan: its value, the rules it comes from, and a note on it."""

    value: str
    rules: tuple[str, ...]
    note: str


def plans(facts: Facts, fitting: list[Rule]) -> list[tuple[Plan, tuple[str, ...]]]:
    """Return candidate plans, the most specific shape first, and the rules of each.

    Plans that are equal are one, from the rules of both.
    """
    found: list[tuple[Plan, tuple[str, ...]]] = []
    for shape in [rule for rule in fitting if rule.shape is not None]:
        made = _plan(facts, fitting, shape)
        if made is None:
            continue
        same = [i for i, (plan, _) in enumerate(found) if plan == made[0]]
        if same:
            found[same[0]] = _joined(found[same[0]], made)
        elif len(found) < MOST:
            found.append(made)
    return found


def _plan(facts: Facts, fitting: list[Rule], shape: Rule) -> tuple[Plan, tuple[str, ...]] | None:
    climb, peak = _warmup(facts, fitting, shape), _peak(facts, fitting, shape)
    text = f"{climb.value}{shape.shape}"
    notes = (f"{shape.id}: shape {shape.shape}", climb.note, peak.note)
    plan = Plan(
        lr=parse(text),  # pyright: ignore[reportArgumentType]
        peak={"lr": float(peak.value)} if peak.value else {},
        notes=tuple(note for note in notes if note),
    )
    if not _can_run(plan, facts):
        return None
    return plan, tuple(dict.fromkeys((shape.id, *climb.rules, *peak.rules)))


def _can_run(plan: Plan, facts: Facts) -> bool:
    """Whether a plan knows what it needs: without a horizon, it must not need the total."""
    try:
        if facts.horizon == "open":
            plan.resolve()
        elif facts.total is not None:
            plan.resolve(facts.total)
    except ScheduleError:
        return False
    return True


def _warmup(facts: Facts, fitting: list[Rule], shape: Rule) -> PlanPart:
    """Return the warm-up: of a remedy, of the shape's own rule, or of the best that fits."""
    remedies = [rule for rule in fitting if rule.warmup is not None and "seen" in rule.when]
    own = [shape] if shape.warmup is not None else []
    others = [rule for rule in fitting if rule.warmup is not None and rule.shape is None]
    for rule in [*remedies, *own, *others]:
        part = _climb(facts, rule)
        if part is not None:
            return part
    return PlanPart("", (), "no warm-up: a share of a run needs its total; write Warmup(n)")


def _climb(facts: Facts, rule: Rule) -> PlanPart | None:
    if rule.warmup == 0:
        return PlanPart("", (rule.id,), f"{rule.id}: no warm-up")
    if rule.warmup == "beta2":
        return _untuned(facts, rule)
    share = str(rule.warmup)
    if facts.horizon == "open":
        if facts.total is None:
            return None
        count = max(1, round(facts.total * float(share.rstrip("%")) / 100))
        return PlanPart(f"Warmup({count}) >> ", (rule.id,), f"{rule.id}: warm-up {share} of total")
    return PlanPart(f'Warmup("{share}") >> ', (rule.id,), f"{rule.id}: warm-up {share}")


def _untuned(facts: Facts, rule: Rule) -> PlanPart | None:
    """Return a warm-up of 2/(1 - beta2) updates; beyond a tenth of the run another rule counts."""
    if facts.beta2 is None and facts.horizon == "known":
        return None
    beta = USUAL_BETA2 if facts.beta2 is None else facts.beta2
    count = round(2 / (1 - beta))
    if facts.total is not None and count > facts.total / 10:
        return None
    usual = ", AdamW's default" if facts.beta2 is None else ""
    note = f"{rule.id}: warm-up 2/(1 - {beta:g}) updates{usual}"
    return PlanPart(f"Warmup({count}) >> ", (rule.id,), note)


def _peak(facts: Facts, fitting: list[Rule], shape: Rule) -> PlanPart:
    """Return the peak: the one in use, scaled with the batch, or what a rule says."""
    scale = next((rule for rule in fitting if rule.scale is not None), None)
    if facts.peak is not None and facts.growth is not None and scale is not None:
        peak = facts.peak * factor(facts.growth, scale)
        note = f"{scale.id}: peak {facts.peak:g} becomes {peak:.3g} with the batch"
        return PlanPart(f"{peak:.3g}", (scale.id,), note)
    named = next((rule for rule in fitting if rule.peak is not None), None)
    if shape.peak is not None and (named is None or named.weight <= shape.weight):
        named = shape
    if named is not None:
        return PlanPart(f"{named.peak!r}", (named.id,), f"{named.id}: peak {named.peak:g}")
    if facts.peak is not None:
        return PlanPart(f"{facts.peak!r}", (), f"the peak in use: {facts.peak:g}")
    return PlanPart("", (), "no rule gives a peak: look for one with ratewise find")


def factor(growth: float, rule: Rule) -> float:
    """Return what multiplies the peak when the batch is multiplied by `growth`."""
    return math.sqrt(growth) if rule.scale == "sqrt" else growth


def _joined(
    one: tuple[Plan, tuple[str, ...]], other: tuple[Plan, tuple[str, ...]]
) -> tuple[Plan, tuple[str, ...]]:
    notes = tuple(dict.fromkeys((*one[0].notes, *other[0].notes)))
    ids = tuple(dict.fromkeys((*one[1], *other[1])))
    return dataclasses.replace(one[0], notes=notes), ids
