"""Advice as a text for the terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ratewise.schedule.plan import Plan

if TYPE_CHECKING:
    from ratewise.advise.api import Advice, Fitting

WIDTH = 92


def text(advice: Advice) -> str:
    """Return the advice in four parts: the facts, the schedules, the rules, what conflicts."""
    known = advice.facts.given().items()
    facts = "; ".join(f"{name.replace('_', ' ')}: {_shown(value)}" for name, value in known)
    parts = [_wrapped(facts, "Facts: ", "  "), _schedules(advice), _rules(advice)]
    if advice.conflicts:
        parts.append(_conflicts(advice))
    return "\n\n".join(parts)


def bare(plan: Plan) -> str:
    """Return the schedule of a plan and its peak, without its notes."""
    peak = plan.peak.get("lr")
    return f"{plan.lr!r}" + (f"   peak {peak:g}" if peak is not None else "")


def _schedules(advice: Advice) -> str:
    if not advice.plans:
        return "No schedule: no rule that fits names a shape that can run on these facts."
    lines = ["Schedules to try, the most specific first"]
    for place, (plan, origin) in enumerate(zip(advice.plans, advice.origins, strict=True), 1):
        lines.append(f"  {place}. {bare(plan)}")
        lines.append(_wrapped(", ".join(origin), "     from ", "          "))
        told = [note for note in plan.notes if note.split(":")[0] not in origin]
        lines += [_wrapped(note, "     ", "     ") for note in told]
    return "\n".join(lines)


def _rules(advice: Advice) -> str:
    lines = [f"Rules that fit ({len(advice.rules)})"]
    lines += [_rule(found) for found in advice.rules]
    return "\n".join(lines)


def _rule(found: Fitting) -> str:
    rule = found.rule
    lines = [
        f"  {rule.id}  [{rule.strength}]",
        _wrapped(rule.then, "    ", "    "),
        *([_wrapped(rule.numbers, "    Numbers: ", "      ")] if rule.numbers else []),
        _wrapped(found.why, "    Fits: ", "      "),
        _wrapped(rule.source, "    Source: ", "      "),
    ]
    return "\n".join(lines)


def _conflicts(advice: Advice) -> str:
    by_id = {found.rule.id: found.rule for found in advice.rules}
    lines = ["These disagree; where it matters, compare them on your task"]
    for one, other in advice.conflicts:
        sides = [f"{name} [{by_id[name].strength}]" for name in (one, other)]
        lines.append(f"  {sides[0]}  against  {sides[1]}")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownVariableType]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _wrapped(words: str, first: str, rest: str) -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
