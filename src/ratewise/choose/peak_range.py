"""Where to look: a range test that costs little beside the runs, and the ladder it gives."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ratewise.choose.space import ladder
from ratewise.range_test import RangeTestResult
from ratewise.range_test.api import STACKED, Progress, swept
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.result import conclude
from ratewise.range_test.short_runs import (
    LEAST,
    ShortRunsResult,
    read_short_runs,
    short_ladder,
    stack_short_runs,
    train_short_runs,
)
from ratewise.range_test.sources import choose_source
from ratewise.range_test.stacked import climb_stacked
from ratewise.runs.journal import found_once
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.tasks.calls import peak_of
from ratewise.tasks.failures import name_of, users_code
from ratewise.tasks.stack_plan import StackPlan
from ratewise.view.format import format_rate

SHARE = 0.05
"""Share of the budget that a range test may take; it takes no more than one run either."""

SHORT_SHARE = 0.1
"""Share that short runs may take where it has no answer; no more than two runs either."""

FEWEST, MOST = 24, 40
"""Rungs of the range test: rather more updates at each than more of them."""

DECADES = 1e3
"""How far the range test goes below and above the rate of the task's optimizer."""

EVENLY = 3, 3
"""Peaks below and above the rate of the task's optimizer, where no range test says more."""

SEEDS = (0, 1)
"""Seeds of its sweeps, if there is room for both."""

SHORT_RUNS = 8
"""Rates of the short runs, over three decades: neighbours differ by a factor of 2.7."""


def where_to_look(
    task: Any,
    total: int,
    budget: int,
    journal: str | os.PathLike[str],
    metric: str | None = None,
    progress: Progress | None = None,
    plan: StackPlan | None = None,
) -> tuple[list[float], RangeTestResult | None, list[str], int]:
    """Return the peaks to try, the range test, what there is to say about them, and its updates.

    With a plan its runs are trained in stacks, as those of the search are.

    Training losses of single batches may be too noisy to show what a climb learns. Then each of
    some rates is tried in short runs that are cooled and measured.

    Raises:
        ScheduleError: neither a range test nor the task says where to look.
    """
    own = peak_of(task)
    room = min(total, int(SHARE * budget))
    found, spent, end = None, 0, None
    if room >= FEWEST:
        seeds = SEEDS if room >= 2 * FEWEST else SEEDS[:1]
        low, high = (own / DECADES, own * DECADES) if own else (1e-7, 10.0)
        each = room // len(seeds)
        updates = -(-each // MOST)
        steps = Ladder(low, high, each // updates, updates)
        found = _found(task, steps, seeds, journal, progress, plan)
        spent = found.updates
        if found.rate is None:
            room = min(2 * total, int(SHORT_SHARE * budget))
            short = _short_runs(task, found, room, journal, metric, plan)
            spent += 0 if short is None else short.updates
            end = _end(found, short)
            found = short if short is not None and short.rate is not None else found
        if found.rate is not None:
            return ladder(found.rate), found, _told(found), spent
    why = "the budget has no room for a range test"
    if found is not None:
        why = f"the range test has no answer, because {found.reason}"
    if end is not None:
        note = f"Peaks are around {format_rate(end)}, the last rate that was tried: {why}."
        return ladder(end), found, [note], spent
    if not own:
        rule = f"does not know where to look: {why}"
        fix = Fix("give {peaks}", peaks="[3e-4, 1e-3, 3e-3]")
        raise ScheduleError(Call("choose"), rule, fix)
    note = f"Peaks are around the task's own {own:g}: {why}."
    return ladder(float(own), *EVENLY), found, [note, *_told(found)], spent


def _told(found: RangeTestResult | None) -> list[str]:
    """Return how the runs of a range test were trained, if there is something to say."""
    return [] if found is None or not found.how else [found.how]


def _end(climb: RangeTestResult, short: ShortRunsResult | None) -> float | None:
    """Return the end of a ladder at which the answer lies, as far as is known; None if it is not.

    Short runs go further than the climb and measure more, so what they say counts.
    """
    last = climb if short is None else short
    return None if last.refusal is None else last.refusal.end


def _found(
    task: Any,
    steps: Ladder,
    seeds: tuple[int, ...],
    journal: Any,
    progress: Progress | None,
    plan: StackPlan | None,
) -> RangeTestResult:
    """Return a range test, from the journal if it was made before."""

    def make(plan: StackPlan | None) -> tuple[Any, bool]:
        together = None if plan is None else partial(climb_stacked, task, plan=plan)
        with users_code(name_of(task)):
            found = swept(choose_source(task), steps, seeds, together, progress)
        return [sweep.losses for sweep in found.sweeps], found.how == STACKED

    def fits(told: Any) -> bool:
        return (
            isinstance(told, list)
            and len(told) == len(seeds)  # pyright: ignore[reportUnknownArgumentType]
            and all(_is_sweep(steps, losses) for losses in told)  # pyright: ignore
        )

    several = plan if len(seeds) > 1 else None
    told, stacked = _once(journal, task, f"find {steps} {seeds}", make, fits, several)
    sweeps = tuple(Sweep(steps, seed) for seed in seeds)
    for sweep, losses in zip(sweeps, told, strict=True):
        for loss in losses:
            sweep.tell(loss)
    return replace(conclude(steps, sweeps), how=STACKED if stacked else "")


class _TrainedAlone(Exception):
    """Holds what was found one by one, as it could not be in stacks."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


def _once(
    journal: Any,
    task: Any,
    what: str,
    make: Callable[[StackPlan | None], tuple[Any, bool]],
    fits: Callable[[Any], bool],
    plan: StackPlan | None,
) -> tuple[Any, bool]:
    """Return what was found, now or before, and whether in stacks; it has another name then.

    Args:
        journal: The journal.
        task: What is trained.
        what: What is looked for.
        make: Finds it, and tells whether in stacks.
        fits: Tells whether this can have been found.
        plan: How runs are stacked, or None.
    """

    def stacked() -> Any:
        found, together = make(plan)
        if not together:
            raise _TrainedAlone(found)
        return found

    if plan is not None:
        try:
            return found_once(journal, task, f"stacked {what}", stacked, fits), True
        except _TrainedAlone as alone:
            found = alone.found
            return found_once(journal, task, what, lambda: found, fits), False
    return found_once(journal, task, what, lambda: make(None)[0], fits), False


def _short_runs(
    task: Any,
    sweep: RangeTestResult,
    room: int,
    journal: Any,
    metric: str | None,
    plan: StackPlan | None,
) -> ShortRunsResult | None:
    """Return what short runs say, from the journal if they were made before; None without room."""
    updates = room // (SHORT_RUNS * len(SEEDS))
    if updates < LEAST or sweep.reading is None:
        return None
    steps = short_ladder(sweep, peak_of(task), SHORT_RUNS, updates)

    def fits(told: Any) -> bool:
        return (
            isinstance(told, list)
            and len(told) == 2  # pyright: ignore[reportUnknownArgumentType]
            and isinstance(told[0], str)
            and _is_table(steps, told[1])
        )

    def make(plan: StackPlan | None) -> tuple[Any, bool]:
        asked = task, steps, SEEDS, metric
        if plan is not None:
            with contextlib.suppress(Exception):  # what raises is told of the run that it is in
                return stack_short_runs(*asked, plan), True
        return train_short_runs(*asked), False

    what = f"short runs {steps} {SEEDS} {metric}"
    told, stacked = _once(journal, task, what, make, fits, plan)
    name, table = told[0], told[1]
    more = name in getattr(task, "higher_is_better", ())
    read = read_short_runs(steps, SEEDS, name, table, more)
    return replace(read, how=STACKED if stacked else "")


def _is_table(steps: Ladder, told: Any) -> bool:
    """Tell whether this is a row of runs for each seed: the losses and the metric of each."""
    return (
        isinstance(told, list)
        and len(told) == len(SEEDS)  # pyright: ignore[reportUnknownArgumentType]
        and all(isinstance(row, list) and len(row) == steps.rungs for row in told)  # pyright: ignore
        and all(_is_run(steps, run) for row in told for run in row)  # pyright: ignore
    )


def _is_run(steps: Ladder, told: Any) -> bool:
    if not isinstance(told, list | tuple) or len(told) != 2:  # pyright: ignore
        return False
    losses, value = told  # pyright: ignore
    sound = isinstance(losses, list) and len(losses) == steps.updates  # pyright: ignore
    return sound and all(type(one) is float for one in (*losses, value))  # pyright: ignore


def _is_sweep(steps: Ladder, losses: Any) -> bool:
    """Tell whether these are the losses of a sweep, which is over with the last of them."""
    if not isinstance(losses, list) or not all(type(loss) is float for loss in losses):  # pyright: ignore
        return False
    sweep = Sweep(steps, 0)
    over = [sweep.tell(loss) for loss in losses[: len(steps.all_rates) + 1]]  # pyright: ignore
    return over.count(True) == 1 and over[-1] and len(over) == len(losses)  # pyright: ignore
