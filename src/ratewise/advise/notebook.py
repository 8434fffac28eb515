"""Advice as a notebook shows it: tables of schedules and of rules, each with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ratewise.advise.rules import Fitting
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.plan import Plan
from ratewise.view.blocks import Block, Cell, PageTable, Prose, inline
from ratewise.view.figures import Axis, Chart, ChartSeries, with_corners
from ratewise.view.format import format_rate

DRAWN, UPDATES = 6, 1000
"""Schedules that are drawn, the first; and over how many updates, in ten epochs."""


def notebook(
    known: Mapping[str, Any],
    rules: Sequence[Fitting],
    conflicts: Sequence[tuple[str, str]],
    plans: Sequence[Plan],
    origins: Sequence[Sequence[str]],
) -> str:
    """Return advice as HTML: the facts, the schedules drawn and listed, the rules, what conflicts.

    Arguments are the fields of `Advice`.
    """
    facts = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in known.items())
    schedules = [
        [str(place), str(plan.lr), _peak(plan), ", ".join(origin)]
        for place, (plan, origin) in enumerate(zip(plans, origins, strict=True), 1)
    ]
    told = [
        [one.rule.id, one.rule.strength, one.rule.then, one.why, one.rule.source] for one in rules
    ]
    parts: list[Block] = [Prose([f"Facts: {facts}"])] if facts else []
    if schedules:
        head = ["", "schedule to try", "peak", "from"]
        parts += [*_drawn(plans), PageTable(head, schedules, "Schedules to try")]
    parts.append(PageTable(["rule", "strength", "says", "fits", "source"], told, "Rules that fit"))
    if conflicts:
        against = "; ".join(f"{one} against {other}" for one, other in conflicts)
        parts.append(Prose([f"These disagree, so compare them on your task: {against}."]))
    return inline(parts)


def _peak(plan: Plan) -> Cell:
    peak = plan.peak.get("lr")
    return ("–", float("nan")) if peak is None else (format_rate(peak), peak)


def _drawn(plans: Sequence[Plan]) -> list[Chart]:
    drawn: list[ChartSeries] = []
    for place, plan in enumerate(plans[:DRAWN]):
        if plan.lr is None:
            continue
        try:
            levels = plan.lr.resolve(UPDATES, epoch=UPDATES / 10, samples=32, tokens=1024).values()
        except ScheduleError:  # longer than that, or in a unit of its own
            continue
        x, y = with_corners(np.arange(len(levels)), levels, len(levels))
        drawn.append(ChartSeries(f"{place + 1}. {plan.lr}", x, y, place=place))
    across = Axis("update", low=0, high=UPDATES, form="count")
    note = f"Drawn over {UPDATES:,} updates."
    return [Chart("", across, Axis("level", low=0.0), drawn, (), note, 0.34)] if drawn else []
