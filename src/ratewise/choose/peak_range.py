"""Where to look: a range test that costs little beside the runs, and the ladder it gives."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from ratewise.choose.space import ladder
from ratewise.range_test import RangeTestResult
from ratewise.range_test.api import Progress, find
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.result import conclude
from ratewise.runs.journal import found_once
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.tasks.calls import peak_of

SHARE = 0.05
"""Share of the budget that a range test may take; it takes no more than one run either."""

FEWEST, MOST = 24, 80
"""Rungs of the range test."""

DECADES = 1e3
"""How far the range test goes below and above the rate of the task's optimizer."""

EVENLY = 3, 3
"""Peaks below and above the rate of the task's optimizer, where no range test says more."""

SEEDS = (0, 1)
"""Seeds of its sweeps, if there is room for both."""


def where_to_look(
    task: Any,
    total: int,
    budget: int,
    journal: str | os.PathLike[str],
    progress: Progress | None = None,
) -> tuple[list[float], RangeTestResult | None, list[str]]:
    """Return the peaks to try, the range test, and what there is to say about them.

    Raises:
        ScheduleError: neither a range test nor the task says where to look.
    """
    own = peak_of(task)
    room = min(total, int(SHARE * budget))
    found = None
    if room >= FEWEST:
        seeds = SEEDS if room >= 2 * FEWEST else SEEDS[:1]
        low, high = (own / DECADES, own * DECADES) if own else (1e-7, 10.0)
        rungs = min(MOST, room // len(seeds))
        steps = Ladder(low, high, rungs, max(1, room // (len(seeds) * rungs)))
        found = _found(task, steps, seeds, journal, progress)
        if found.rate is not None:
            return ladder(found.rate), found, []
    why = "the budget has no room for a range test"
    if found is not None:
        why = f"the range test has no answer, because {found.reason}"
    if not own:
        rule = f"does not know where to look: {why}"
        fix = Fix("give {peaks}", peaks="[3e-4, 1e-3, 3e-3]")
        raise ScheduleError(Call("choose"), rule, fix)
    return ladder(float(own), *EVENLY), found, [f"Peaks are around the task's own {own:g}: {why}."]


def _found(
    task: Any, steps: Ladder, seeds: tuple[int, ...], journal: Any, progress: Progress | None
) -> RangeTestResult:
    """Return a range test, from the journal if it was made before."""

    def make() -> list[list[float]]:
        found = find(task, **asdict(steps), seeds=seeds, progress=progress)
        return [sweep.losses for sweep in found.sweeps]

    def fits(told: Any) -> bool:
        return (
            isinstance(told, list)
            and len(told) == len(seeds)  # pyright: ignore[reportUnknownArgumentType]
            and all(_is_sweep(steps, losses) for losses in told)  # pyright: ignore
        )

    told = found_once(journal, task, f"find {steps} {seeds}", make, fits)
    sweeps = tuple(Sweep(steps, seed) for seed in seeds)
    for sweep, losses in zip(sweeps, told, strict=True):
        for loss in losses:
            sweep.tell(loss)
    return conclude(steps, sweeps)


def _is_sweep(steps: Ladder, losses: Any) -> bool:
    """Tell whether these are the losses of a sweep, which is over with the last of them."""
    if not isinstance(losses, list) or not all(type(loss) is float for loss in losses):  # pyright: ignore
        return False
    sweep = Sweep(steps, 0)
    over = [sweep.tell(loss) for loss in losses[: len(steps.all_rates) + 1]]  # pyright: ignore
    return over.count(True) == 1 and over[-1] and len(over) == len(losses)  # pyright: ignore
