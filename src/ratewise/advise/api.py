"""Advice: the rules that fit the facts, where they disagree, and schedules to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratewise.advise.facts import Facts
from ratewise.advise.plans import factor, plans
from ratewise.advise.rules import Fitting, Rule, rules
from ratewise.schedule.errors import ScheduleError, shorten
from ratewise.schedule.plan import Plan
from ratewise.schedule.strict import strict


@dataclass(frozen=True)
class Advice:
    """What the rules say about some facts; `str()` is a text for the terminal.

    Args:
        facts: The facts.
        rules: The rules that fit, the most specific first, each with why.
        conflicts: Pairs of ids of rules that fit and disagree.
        plans: Schedules to try, the most specific first, with a peak where a rule gives one;
            their notes say which rule gave which part.
        origins: For each plan, the ids of the rules it comes from.
    """

    facts: Facts
    rules: tuple[Fitting, ...]
    conflicts: tuple[tuple[str, str], ...]
    plans: tuple[Plan, ...]
    origins: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        from ratewise.advise.format import format_advice

        known = self.facts.given()
        return format_advice(known, self.rules, self.conflicts, self.plans, self.origins)

    def _repr_html_(self) -> str:
        from ratewise.advise.notebook import notebook

        known = self.facts.given()
        return notebook(known, self.rules, self.conflicts, self.plans, self.origins)


@strict
def advise(facts: Facts | None = None, **known: Any) -> Advice:
    """Return the rules that fit some facts, where they disagree, and schedules to try.

    Args:
        facts: What is known; or give the arguments of `Facts` one by one.
        **known: Arguments of `Facts`.

    Raises:
        ScheduleError: both are given, or `facts` are none, or a fact is not what it should be.

    >>> advice = advise(task="fine-tuning", kind="language model", method="lora")
    >>> advice.plans[0].lr, advice.plans[0].peak["lr"]
    (Warmup("5%") >> Cosine(to=0), 0.0002)
    """
    if facts is not None and (known or not isinstance(facts, Facts)):
        who = f"advise({shorten(facts)}{', …' if known else ''})"
        raise ScheduleError(
            who, "takes facts, or their arguments", 'write advise(task="fine-tuning")'
        )
    facts = Facts(**known) if facts is None else facts
    fitting = _fitting(facts)
    ids = {fit.rule.id for fit in fitting}
    made = plans(facts, [fit.rule for fit in fitting])
    return Advice(
        facts=facts,
        rules=tuple(fitting),
        conflicts=tuple(
            (fit.rule.id, other)
            for fit in fitting
            for other in fit.rule.conflicts
            if other in ids and fit.rule.id < other
        ),
        plans=tuple(plan for plan, _ in made),
        origins=tuple(origin for _, origin in made),
    )


def _fitting(facts: Facts) -> list[Fitting]:
    found: list[Fitting] = []
    for rule in sorted(rules().values(), key=lambda rule: rule.rank):
        why = rule.why(facts)
        if why is not None:
            found.append(Fitting(rule, why + _scaled(facts, rule)))
    return found


def _scaled(facts: Facts, rule: Rule) -> str:
    """Return what a rule of scaling comes to for these batches."""
    if rule.scale is None or facts.growth is None:
        return ""
    said = f"; batch × {facts.growth:.3g}, so peak × {factor(facts.growth, rule):.3g}"
    beta = None if facts.beta2 is None else 1 - facts.growth * (1 - facts.beta2)
    if rule.scale == "linear" or beta is None:
        return said
    if beta <= 0:
        return f"{said}; beta2 would fall below 0, so the batch has grown too far for this rule"
    return f"{said}, beta2 {beta:.5g}"
