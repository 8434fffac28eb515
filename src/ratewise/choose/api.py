"""The whole way: from a task to a schedule, its peak, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ratewise.advise import Facts, advise
from ratewise.advise.from_task import infer
from ratewise.choose.counting import Counter
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.orders import Order
from ratewise.choose.own import own_settings
from ratewise.choose.peak_range import where_to_look
from ratewise.choose.progress import Stages
from ratewise.choose.provenance import Provenance
from ratewise.choose.result import Choice, ChoiceInterrupted
from ratewise.choose.search import ScheduleSearch
from ratewise.choose.space import read_schedules, span, standard
from ratewise.choose.summary import conclude
from ratewise.choose.untrained import look_at
from ratewise.compare.comparison import Comparison, interruptible
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.execution import Execution, Executor, Progress
from ratewise.runs.journal import read_size
from ratewise.runs.optimizers import Tasks
from ratewise.runs.specs import Candidate, read_candidates
from ratewise.schedule import Hold, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, Context, number, speaking, whole
from ratewise.schedule.strict import strict
from ratewise.tasks.failures import name_of, users_code
from ratewise.tasks.protocols import Task
from ratewise.view.progress import shows_progress

USUAL = 24
"""Runs that the budget pays for if none is given: 20, and what the task's own settings take."""

ON_RAY, MOST_AT_ONCE = 4, 8
"""Runs that are asked for together: on a cluster, and at most."""


@shows_progress
@speaking(Context(called="choose"))
@strict
def choose(
    task: Task,
    candidates: Mapping[str, Candidate] | Iterable[Schedule | Plan | str] | None = None,
    *,
    total: int | str,
    budget: int | None = None,
    peaks: Iterable[float] | None = None,
    seeds: int | Iterable[int] = 3,
    finalists: int = 3,
    own: Schedule | Plan | str | None = None,
    facts: Facts | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    metric: str | None = None,
    journal: str | os.PathLike[str] | None = None,
    disk: int | str = "10GB",
    checkpoints: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 600.0,
    engine: str | None = None,
    workers: int | str = 0,
    address: str | None = None,
    stack: int | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
    trust: bool = False,
    progress: Progress | bool | None = None,
) -> Choice:
    """Find out which schedule at which peak suits a task, and how sure that is.

    What it finds has to be better than the task's own settings: its optimizer and its schedule as
    they stand, which are trained with every seed, too. The verdict begins with the gain over them.

    1. Advice gives the candidates and their order; a range test gives a ladder of peaks. Nothing
       is trained before the untrained model is measured with every seed.
    2. Search, with one seed: it begins at the peak that the range test suggests, with what was best
       on other tasks. What was seen there, as far as the finished runs allow, and a Gaussian
       process on the rest say how any other run would end. Next comes the run with the highest
       expected improvement per update that it still costs: from where others branch off a finished
       run, its state is kept. The search ends when none promises more than retrain noise.
    3. Proof: the best few schedules, each at its own best peak, and the own settings are repeated
       with the other seeds, until it is told who is ahead; the verdict is that of `compare`, at
       95 % over all seeds after which it is looked at (see `Looks`).

    Where no run is better than the untrained model or than a constant answer, all end alike, or the
    best peak is the last of the ladder, `.refusal` says so, and nothing is recommended.

    With a journal, a choice that was stopped goes on where it was, to the same end; with a larger
    budget it goes further.

    Args:
        task: What to train, a `Task`.
        candidates: Schedules by name, or a list of them; without them eight usual shapes behind
            two warm-ups, and what `advise` says.
        total: Updates in a run, or a length such as "3 epochs".
        budget: Updates that may be trained in all, range test and repeats included; twenty-four
            runs if not given.
        peaks: Peak learning rates to choose from; without them a ladder about what the range test
            finds, which grows where the best peak is its last.
        seeds: How many seeds (0, 1, …), or which; the first is that of the search.
        finalists: How many schedules are repeated with the other seeds, at least 1, beside the
            task's own settings.
        own: The schedule that the task has of its own, with its peak if that is no other than the
            optimizer's: for a task that cannot be asked. Without it what the trainer's arguments,
            the module or the compiled model say, else a constant rate.
        facts: What is known of the training, for advice; without it what the task shows.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        metric: Name of the metric that decides; without it the first that the task measures.
        journal: SQLite file that keeps what is trained, as for `compare`.
        disk: What checkpoints may take that later runs may branch from.
        checkpoints: Where they are; beside the journal if not given.
        checkpoint_every: Seconds after which a run that does not fork is saved all the same.
        engine: "serial", "processes" or "ray"; or "stacked": range test, probes and search train
            many runs in one call of the model if that pays, and the proof trains each alone, to the
            last bit.
        workers: Worker processes, or "auto"; so many runs are asked for at once, at most eight, and
            four on Ray.
        address: Address of a cluster of Ray.
        stack: Runs in a stack at most, as for `compare`.
        tensorboard: Folder for TensorBoard.
        trust: Whether to believe checkpoints of others, as for `compare`.
        progress: True shows a bar, or lines where there is no terminal. Or what is called, as by
            `compare`, with the updates done, the budget, and what is on: the stage (range test,
            your own settings, probes, search, proof), the run, and the best metric so far.

    Raises:
        ScheduleError: an argument is not what it should be, before anything is trained; or no run
            got to its end, as the task raised (that is the `__cause__`), its metric was no number,
            or every rate was too high (`NothingFinished`).
        ChoiceInterrupted: Ctrl-C; its `.choice` holds what is known so far.
    """
    made = Provenance.begin(name_of(task), total=total, budget=budget, seeds=seeds, metric=metric)
    tasks = Tasks(task)
    units: dict[str, Any] = {"epoch": epoch, "samples": samples, "tokens": tokens}
    length = Hold().resolve(total, **units).length
    with users_code(name_of(task)):
        known = Facts(**infer(task)[0]) if facts is None else facts
    optimizer = TaskOptimizer.of(task)
    advice = advise(replace(known, total=known.total or length))
    schedules = read_schedules(candidates) if candidates is not None else standard(advice, length)
    asked = read_candidates(schedules, seeds=seeds, peaks=[1.0], total=total, **units)
    numbers = list(dict.fromkeys(run.seed for run in asked))
    longest = max(len(run.rates) for run in asked)
    given = None if peaks is None else _peaks(peaks)
    limit = _budget(budget, longest)
    whole(Call("choose", "finalists", finalists), "finalists", finalists, low=1)
    every = number(Call("choose"), "checkpoint_every", checkpoint_every, low=0.0)
    config = EngineConfig(engine, workers, address, stack)
    execution = Execution(journal, read_size(disk), checkpoints, every, config, tensorboard, trust)
    with execution.open(tasks, metric, sharing=True) as executor:
        assert executor.journal is not None
        found, notes, rates, sought = None, list[str](), given, 0
        stages = Stages(None if isinstance(progress, bool) else progress, limit)
        if rates is None:
            asked_for = task, longest, limit, executor.journal, metric
            plan = executor.stack_plan(numbers[0])
            looked = where_to_look(*asked_for, progress=stages.finding, plan=plan)
            rates, found, notes, sought = looked
        begun = look_at(task, numbers, executor.journal)
        mine, note = own_settings(task, longest, optimizer, own, names=schedules, **units)
        notes += [note] if note else []
        grows = partial(span, schedules, seed=numbers[0], total=total, units=units)
        search = ScheduleSearch(
            space=grows(rates),
            train=partial(
                _train, executor, stages, Counter(executor.journal, task, engine == "stacked")
            ),
            start=None if found is None else found.rate,
            budget=limit,
            seeds=numbers,
            finalists=finalists,
            grows=grows if given is None else None,
            at_once=_at_once(engine, workers, stack),
            proof_alone=engine == "stacked",
            spent={"find": sought} if found is not None else {},
            notes=notes,
            own=None if mine is None else mine.run(longest, numbers[0]),
        )
        stages.search = search
        told = search, advice, found, optimizer, mine, begun, made
        try:
            search.run()
        except KeyboardInterrupt as stop:  # while it trained, or while it thought
            raise ChoiceInterrupted(conclude(*told, interrupted=True)) from stop
        notes += executor.notes
        return conclude(*told)


def _train(
    executor: Executor, stages: Stages, counter: Counter, order: Order
) -> tuple[Comparison, int]:
    told: Any = {"progress": stages, "stage": stages.name, "cuts": order.cuts}
    told["exact"] = stages.exact

    def train() -> Comparison:
        with interruptible():
            return Comparison.of(executor.train(order.runs, order.before, **told))

    return counter.counted(stages.name, order.runs, order.expected, train)


def _at_once(engine: str | None, workers: int | str, stack: int | None) -> int:
    """Return how many runs are asked for together: more would be asked without knowing enough."""
    if engine == "ray":
        return ON_RAY
    if engine == "stacked":
        return min(stack or MOST_AT_ONCE, MOST_AT_ONCE)
    return min(max(1, workers if isinstance(workers, int) else 2), MOST_AT_ONCE)


def _peaks(peaks: Iterable[float]) -> list[float]:
    """Return the peaks that were given, in order."""
    each = [(Call("choose", "peaks", peak), peak) for peak in peaks]
    return sorted({number(who, "peaks", peak, above=True) for who, peak in each})


def _budget(budget: int | None, longest: int) -> int:
    if budget is None:
        return USUAL * longest
    limit = whole(Call("choose", "budget", budget), "budget", budget, low=1)
    if limit < 2 * longest:
        rule = f"pays for less than two runs of {longest:,} updates"
        fix = f"give {2 * longest:,} or more; {USUAL * longest:,} is usual"
        raise ScheduleError(Call("choose", "budget", budget), rule, fix)
    return limit
