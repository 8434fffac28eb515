"""The range test: raise the rate until it breaks, and say where to train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ratewise.range_test.ladder import Ladder, Sweep, climb
from ratewise.range_test.result import RangeTestResult, conclude
from ratewise.range_test.sources import Source, choose_source
from ratewise.range_test.stacked import check_engine, climb_together
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, whole
from ratewise.schedule.strict import strict
from ratewise.tasks.failures import name_of, users_code
from ratewise.view.format import format_rate
from ratewise.view.progress import shows_progress

STACKED = "The sweeps were trained in a stack: their losses are those alone within rounding."
ALONE = "The sweeps were trained one by one, and not stacked, as {}."
_SEEDS = Fix("give {seeds}", alone="give seeds=3, or seeds=[0, 1, 2]", seeds="3")


Progress = Callable[[int, int, str], Any]
"""Called with the updates done, those planned (fewer as sweeps end early), and what is on."""


@shows_progress
@strict
def find(
    task: Any = None,
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    rungs: int = 100,
    updates: int = 2,
    seeds: int | Iterable[int] = 3,
    step: Callable[[Any], Any] | None = None,
    model: Any = None,
    optimizer: Any = None,
    batches: Any = None,
    trainer: Any = None,
    also: Iterable[Any] = (),
    engine: str | None = None,
    stack: int | None = None,
    progress: Progress | bool | None = None,
) -> RangeTestResult:
    """Raise the learning rate until training breaks, and say where it learns and where it breaks.

    The rate climbs from `lowest` to `highest` in equal ratios, by committed updates; with several
    seeds it does so several times. A sweep ends where it diverges. Groups keep their ratios: the
    rates are those of the group with the largest.

    Whatever was given is afterwards as it was before, to the bit, also after an exception or
    Ctrl-C: weights, buffers, gradients, modes, the optimizer, the random numbers of the process,
    the generators of a loader, and all that `also` names.

    Args:
        task: A task (see `Task`), a `transformers.Trainer`, a Lightning module or a compiled
            Keras model; left out for a loop of your own.
        lowest: First rate, in (0, highest).
        highest: Last rate, at least ten times the first.
        rungs: Number of rates, at least 8.
        updates: Updates at each rate, at least 1, whose losses are averaged.
        seeds: How many sweeps, or their seeds: those of a task, or of the order of the data and
            of the random numbers. A model that is there already starts with the same weights.
        step: For a loop of your own: what you do with a batch (forward, backward,
            `optimizer.step()`), returning the loss. It may make an update in every n-th call.
        model: The module that `step` trains, or a list of them.
        optimizer: The optimizer that `step` uses.
        batches: What to iterate for batches, again when it ends: a loader, a list. For Lightning
            it may be a data module; for Keras it may be (x, y).
        trainer: For a Lightning module: the trainer whose precision, clipping and accumulation
            count. It is only read.
        also: What else changes in `step`, each with `state_dict` and `load_state_dict`: a
            `GradScaler`, a scheduler, an average of the weights.
        engine: "stacked" climbs with all seeds of a `TorchTask` or a `TrainerTask` in one call of
            the model, if that pays; the losses are those of each alone within rounding. Else
            "serial".
        stack: Sweeps in a stack at most; then it is done whether it pays or not.
        progress: True shows a bar, or lines where there is no terminal. Or what is called after
            every update with the updates done, the most that are left to do with them, and the
            sweep and its rate.

    Raises:
        ScheduleError: an argument is not what it should be, before anything is trained; or what
            was given raises, with that as `__cause__`.

    >>> class Run:
    ...     w = 1.0
    ...     def train(self, rates):
    ...         losses = []
    ...         for rate in rates:
    ...             losses.append(self.w ** 2)
    ...             self.w -= rate * 2 * self.w
    ...         return losses
    ...     def save(self): return self.w
    ...     def restore(self, w): self.w = w
    ...     def measure(self): return {}
    >>> class Parabola:
    ...     def open(self, seed): return Run()
    >>> found = find(Parabola(), lowest=1e-5, seeds=1)
    >>> bool(0.1 < found.rate < 1.1)  # it diverges above 1
    True
    """
    ladder = Ladder(lowest, highest, rungs, updates)
    numbers = read_seeds(seeds)
    source = choose_source(
        task,
        step=step,
        model=model,
        optimizer=optimizer,
        batches=batches,
        trainer=trainer,
        also=tuple(also),
    )
    check_engine(engine, stack, alone=not hasattr(task, "open"))
    together = partial(climb_together, task, size=stack) if engine == "stacked" else None
    told = None if isinstance(progress, bool) else progress
    with users_code(_who(task)):
        return swept(source, ladder, numbers, together, told)


def swept(
    source: Source,
    ladder: Ladder,
    seeds: Sequence[int],
    together: Callable[[Sequence[Sweep]], str] | None,
    progress: Progress | None,
) -> RangeTestResult:
    """Return a range test.

    Args:
        source: What is trained.
        ladder: The rates.
        seeds: The seeds of its sweeps.
        together: Climbs with all of them together, and returns why not, or ""; None for each alone.
        progress: Who is told how far it is.
    """
    sweeps = [Sweep(ladder, seed) for seed in seeds]
    how = ""
    with source as open_run:
        for place, sweep in enumerate(sweeps):
            sweep.heard = None if progress is None else partial(_tell, progress, sweeps, place)
        if together is not None:
            why = together(sweeps)
            how = ALONE.format(why) if why else STACKED
        for sweep in sweeps:
            if not sweep.losses:
                climb(open_run(sweep.seed), sweep)
        for sweep in sweeps:
            sweep.heard = None
    return replace(conclude(ladder, tuple(sweeps)), how=how)


def _tell(progress: Progress, sweeps: list[Sweep], place: int, sweep: Sweep) -> None:
    """Say how far the sweeps are: those that ended early are shorter."""
    each = len(sweep.ladder.all_rates)
    done = sum(len(one.losses) for one in sweeps)
    planned = sum(each if one.broke is None else len(one.losses) for one in sweeps)
    rung = min((len(sweep.losses) - 1) // sweep.ladder.updates, sweep.ladder.rungs - 1)
    rate = format_rate(float(sweep.ladder.rates[rung]), 2)
    progress(done, planned, f"sweep {place + 1} of {len(sweeps)}, at a rate of {rate}")


def _who(task: Any) -> str:
    """Return what to call what is trained, in an error."""
    if task is None:
        return "find(step=…)"
    return name_of(task) if hasattr(task, "open") else type(task).__name__


def read_seeds(seeds: int | Iterable[int]) -> list[int]:
    """Return the seeds that a number or a list of them means."""
    who = Call("find", "seeds", seeds)
    if isinstance(seeds, int):
        return list(range(whole(who, "the number of seeds", seeds, low=1)))
    if not isinstance(seeds, Iterable) or isinstance(seeds, str | bytes):
        rule = "needs a number of seeds or a list of them"
        raise ScheduleError(who, rule, _SEEDS, given=seeds)
    numbers = [whole(who, "every seed", seed) for seed in seeds]
    if not numbers or len(set(numbers)) < len(numbers):
        rule = "needs at least one seed, and each once"
        raise ScheduleError(who, rule, _SEEDS)
    return numbers
