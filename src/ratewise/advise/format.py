"""Advice as a text for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ratewise._printable import printable
from ratewise.advise.rules import Fitting
from ratewise.schedule.plan import Plan

WIDTH = 92


def format_advice(
    known: Mapping[str, Any],
    rules: Sequence[Fitting],
    conflicts: Sequence[tuple[str, str]],
    plans: Sequence[Plan],
    origins: Sequence[Sequence[str]],
) -> str:
    """Return advice in four parts: the facts, the schedules, the rules, what conflicts."""
    facts = "; ".join(f"{name.replace('_', ' ')}: {_shown(v)}" for name, v in known.items())
    fitting = "\n".join([f"Rules that fit ({len(rules)})", *map(_rule, rules)])
    parts = [_wrapped(facts, "Facts: ", "  "), _schedules(plans, origins), fitting]
    if conflicts:
        parts.append(_conflicts(rules, conflicts))
    return printable("\n\n".join(parts), keep="\n")


def format_plan(plan: Plan) -> str:
    """Return the schedule of a plan and its peak, without its notes."""
    peak = plan.peak.get("lr")
    return f"{plan.lr!r}" + (f"   peak {peak:g}" if peak is not None else "")


def _schedules(plans: Sequence[Plan], origins: Sequence[Sequence[str]]) -> str:
    if not plans:
        return "No schedule: no rule that fits names a shape that can run on these facts."
    lines = ["Schedules to try, the most specific first"]
    for place, (plan, origin) in enumerate(zip(plans, origins, strict=True), 1):
        lines.append(f"  {place}. {format_plan(plan)}")
        lines.append(_wrapped(", ".join(origin), "     from ", "          "))
        told = [note for note in plan.notes if note.split(":")[0] not in origin]
        lines += [_wrapped(note, "     ", "     ") for note in told]
    return "\n".join(lines)


def _rule(fit: Fitting) -> str:
    rule = fit.rule
    lines = [
        f"  {rule.id}  [{rule.strength}]",
        _wrapped(rule.then, "    ", "    "),
        *([_wrapped(rule.numbers, "    Numbers: ", "      ")] if rule.numbers else []),
        _wrapped(fit.why, "    Fits: ", "      "),
        _wrapped(rule.source, "    Source: ", "      "),
    ]
    return "\n".join(lines)


def _conflicts(rules: Sequence[Fitting], conflicts: Sequence[tuple[str, str]]) -> str:
    by_id = {fit.rule.id: fit.rule for fit in rules}
    lines = ["These disagree; where it matters, compare them on your task"]
    for one, other in conflicts:
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
