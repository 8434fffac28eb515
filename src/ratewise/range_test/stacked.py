"""Sweeps of several seeds climbed together, in one call of the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.range_test.ladder import Sweep
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, whole
from ratewise.tasks.protocols import Losses
from ratewise.tasks.stack_plan import StackPlan

ENGINES = ("serial", "stacked")


def check_engine(engine: str | None, stack: int | None, alone: bool) -> None:
    """Refuse engines that are none for a range test.

    Args:
        engine: The engine, or None.
        stack: Sweeps in a stack, or None.
        alone: Whether what is trained is no task, but there already.

    Raises:
        ScheduleError: it is none, or there is nothing to be stacked.
    """
    who = Call("find", "engine", engine)
    if engine is not None and engine not in ENGINES:
        rule = f"is no engine of a range test; those are {', '.join(ENGINES)}"
        raise ScheduleError(who, rule, nearest(engine, ENGINES))
    if engine == "stacked" and alone:
        rule = "needs a task, of which several runs can be opened"
        raise ScheduleError(who, rule, "give a TorchTask, or leave engine out")
    if stack is not None:
        who = Call("find", "stack", stack)
        whole(who, "the sweeps in a stack", stack, low=1)
        if engine != "stacked":
            fix = Fix("give {engine} with it", engine='"stacked"')
            raise ScheduleError(who, "is for sweeps that are stacked", fix)


def climb_together(task: Any, sweeps: Sequence[Sweep], size: int | None) -> str:
    """Train the runs of all sweeps together, if that works and pays; return why not, or "".

    Args:
        task: The task.
        sweeps: The sweeps, none of which has begun.
        size: How many are in one call at most; None for all that fit, if that pays.
    """
    if len(sweeps) < 2:
        return "there is one sweep"
    try:
        from ratewise.tasks.torch.stacked_parts import why_not
        from ratewise.tasks.torch.stacked_trial import PAYS, try_stack
    except ImportError:
        return "PyTorch is not installed"
    try:
        trial = try_stack(task, sweeps[0].seed)
    except Exception as error:  # the task's own is told by the sweep that it raises in
        return why_not(error)
    if size is None and trial.gain < PAYS:
        return f"it does not pay: {trial.gain:.2f} times as many updates a second"
    return climb_stacked(task, sweeps, StackPlan(trial.stacking, size or trial.room))


def climb_stacked(task: Any, sweeps: Sequence[Sweep], plan: StackPlan) -> str:
    """Train the runs of all sweeps together, until each is over; return why not, or ""."""
    from ratewise.tasks.torch.stacked_parts import why_not

    try:
        for first in range(0, len(sweeps), plan.size):
            _climb(task, sweeps[first : first + plan.size], plan.stacking)
    except Exception as error:  # the task's own is told by the sweep that it raises in
        for sweep in sweeps:
            sweep.forget()
        return why_not(error)
    return ""


def _climb(task: Any, sweeps: Sequence[Sweep], stacking: Any) -> None:
    from ratewise.tasks.torch.stacked_roots import StackRoots

    roots = StackRoots(task)
    states = [roots.first(sweep.seed) for sweep in sweeps]
    left = list(sweeps)
    rates, k = sweeps[0].ladder.all_rates, sweeps[0].ladder.updates
    stack = None
    for first in range(0, len(rates), k):
        if stack is None:
            stack = roots.stack(states, [sweep.seed for sweep in left], stacking)
        losses = stack.train(np.tile(rates[first : first + k], (len(left), 1)))
        over = [any(map(s.tell, row.tolist())) for s, row in zip(left, losses, strict=True)]
        if all(over):
            return
        if any(over):
            stay = [place for place, done in enumerate(over) if not done]
            states, left = [stack.state(i) for i in stay], [left[i] for i in stay]
            stack = None


def train_together(
    task: Any, seeds: Sequence[int], rates: Floats, plan: StackPlan
) -> Iterator[tuple[Losses, Any]]:
    """Yield the losses of runs that are trained in stacks, and the state that each ends with.

    Where memory is short a stack is halved, and begins again.

    Args:
        task: The task.
        seeds: The seed of each.
        rates: float64[runs, updates].
        plan: How they are stacked.
    """
    from ratewise.tasks.torch.stacked_parts import is_out_of_memory
    from ratewise.tasks.torch.stacked_roots import StackRoots

    roots, first, size = StackRoots(task), 0, plan.size
    while first < len(seeds):
        some = seeds[first : first + size]
        try:
            stack = roots.stack([roots.first(seed) for seed in some], some, plan.stacking)
            losses = stack.train(rates[first : first + size])
        except Exception as error:
            if len(some) < 2 or not is_out_of_memory(error):
                raise
            size = len(some) // 2
            continue
        for place in range(len(some)):
            yield losses[place], stack.state(place)
        first += len(some)
