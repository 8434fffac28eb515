"""Compare schedules on a task: every shared prefix is trained once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ratewise.compare.comparison import Comparison, interruptible
from ratewise.compare.halving import Halving, halve, read_halving
from ratewise.compare.peaks import Search, search_peaks
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.execution import KEEP_ALL, Execution, Progress
from ratewise.runs.journal import read_size
from ratewise.runs.optimizers import Tasks
from ratewise.runs.specs import Candidate, Peaks, read_candidates
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Context, Fix, number, speaking
from ratewise.schedule.strict import strict
from ratewise.tasks.calls import peak_of
from ratewise.tasks.protocols import Task
from ratewise.view.progress import shows_progress


@shows_progress
@speaking(Context(called="compare"))
@strict
def compare(
    task: Task,
    candidates: Mapping[str, Candidate],
    *,
    total: int | str | None = None,
    peaks: Peaks | Search | str = None,
    prune: Halving | str | None = None,
    seeds: int | Iterable[int] = 1,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    metric: str | None = None,
    journal: str | os.PathLike[str] | None = None,
    disk: int | str = 0,
    checkpoints: str | os.PathLike[str] | None = None,
    checkpoint_every: float = 600.0,
    engine: str | None = None,
    workers: int | str = 0,
    address: str | None = None,
    stack: int | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
    trust: bool = False,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Train every candidate at every peak with every seed, and say which is best, or that none is.

    Runs with the same seed share every update up to the first at which their rates differ: it is
    trained once, and the results are to the last bit those of training each run alone.

    Each candidate is judged at its own best peak by its final metric; the seeds are blocks, and
    the verdict is Tukey's at 90 % (see `Comparison.verdict`). A run whose loss is no longer finite
    ends there, with NaN as metrics; so does one whose code raises, with the traceback in its
    record's `error`. The others go on. Ctrl-C raises a `KeyboardInterrupt` whose `.comparison`
    holds the runs finished so far.

    With a journal nothing is lost: every segment is committed when it is trained, with a
    checkpoint where runs fork. The same comparison, begun again after it was stopped or killed,
    goes on from there; with more candidates, peaks, seeds or a longer total it trains only what is
    new. One process at a time writes a journal.

    With workers, or on a cluster of Ray, segments that do not wait for each other are trained at
    once, and the results are the same bits. The task is sent there: it has to be made of functions
    and classes at the top of a module. Whoever dies is replaced, and the segment tried again.

    Args:
        task: What to train: a `TorchTask`, `TrainerTask`, `LightningTask` or `KerasTask`, or a
            `Task` of your own.
        candidates: Schedules by name: a schedule, a plan of a learning rate, the text of one, or
            a pair of any of these and its own total. An optimizer may stand before it, as in
            `(optimizer, schedule)` or `(optimizer, schedule, total)`: a function of the model, in
            place of the task's. Runs share updates only if it is the same function.
        total: Updates in a run, at least 1, or a length such as "3 epochs"; without it every
            candidate has to know its own.
        peaks: Peak learning rates, each in (0, inf), for all candidates or for some by name;
            without them a plan's own peak is used, or the one of the task's optimizer. "auto"
            looks for the best peak of each candidate, between a tenth and ten times the task's;
            a `Search` says between which, and how long.
        prune: "halving", or a `Halving`, drops candidates on the way: whoever is not among the
            best once cooled. All are trained to their ends without it.
        seeds: How many seeds (0, 1, …), or which.
        epoch: Updates in an epoch, in (0, inf), for lengths in epochs.
        samples: Samples in an update, in (0, inf), for lengths in samples.
        tokens: Tokens in an update, in (0, inf), for lengths in tokens.
        metric: Name of the metric that decides; without it the first that the task measures.
        journal: SQLite file that keeps what is trained; made if it is not there.
        disk: What checkpoints may take beyond those that are needed to go on, for comparisons to
            come: bytes, or a text such as "2GB".
        checkpoints: Where they are: a folder, or an address that fsspec knows, such as
            "s3://bucket/runs"; beside the journal if not given. Whoever trains writes there.
        checkpoint_every: Seconds after which a run that does not fork is saved all the same.
        engine: "serial", "processes" or "ray"; without it processes if there are workers. Or
            "stacked": many runs of a `TorchTask` or a `TrainerTask` in one call of the model, which
            is not to the last bit what each would be alone, as the records and the notes say.
        workers: Worker processes; "auto" for one per device, or per core where there is none. With
            "stacked" there is a stack in each.
        address: Address of a cluster of Ray, as `ray.init` takes it.
        stack: Runs in a stack at most; without it as many as the memory has room for, and none
            where a short trial finds that it does not pay.
        tensorboard: Folder for TensorBoard: of every run its rates and losses, as it ends.
        trust: Whether to go on from checkpoints that take code to read and that were not written
            by you on this machine. Those of the ready tasks take none.
        progress: True shows a bar, or lines where there is no terminal. Or what is called after
            every piece of training with the updates done, the updates planned and the name of what
            is being trained.

    Raises:
        ScheduleError: a candidate, a peak, a seed or a metric cannot be as given, or the task
            raises when it is first opened, saved and measured, with that as `__cause__`; nothing
            has been trained then.
    """
    tasks, halving = Tasks(task), read_halving(prune)
    every = number(Call("compare"), "checkpoint_every", checkpoint_every, low=0.0)
    config = EngineConfig(engine, workers, address, stack)
    execution = Execution(journal, read_size(disk), checkpoints, every, config, tensorboard, trust)
    if halving is not None and isinstance(peaks, Search | str):
        rule = "cannot be together with a search for peaks"
        fix = Fix("give {peaks} to prune among", peaks="[3e-4, 1e-3, 3e-3]")
        raise ScheduleError(Call("compare", "prune"), rule, fix)
    listed = seeds if isinstance(seeds, int) else list(seeds)
    units = {"epoch": epoch, "samples": samples, "tokens": tokens}
    read = partial(read_candidates, seeds=listed, default_peak=tasks.peak, total=total, **units)
    sharing = halving is not None
    with interruptible(), execution.open(tasks, metric, sharing=sharing) as executor:
        watch = None if isinstance(progress, bool) else progress
        train = partial(executor.train, progress=watch)
        if isinstance(peaks, Search | str):
            search = _read_search(tasks.task, peaks)
            results, grown = search_peaks(
                lambda asked: read({name: candidates[name] for name in asked}, peaks=asked),
                train,
                list(candidates),
                search,
            )
            return Comparison.of(results, grown)
        specs = read(candidates, peaks=peaks)
        if halving is None:
            return Comparison.of(train(specs, 0))
        results, dropped = halve(specs, halving, train, partial(train, disk=KEEP_ALL))
        return Comparison.of(results, pruned=dropped)


def _read_search(task: Any, peaks: Search | str) -> Search:
    if isinstance(peaks, Search):
        return peaks
    who = Call("compare", "peaks", peaks)
    if peaks != "auto":
        fix = Fix("give learning rates, or {peaks}", peaks='"auto"')
        raise ScheduleError(who, "is no list of peaks", fix)
    peak = peak_of(task)
    if not peak:
        rule = "does not know where to look, as the task has no learning rate"
        raise ScheduleError(who, rule, Fix("give {peaks}", peaks="[3e-4, 1e-3, 3e-3]"))
    return Search.around(float(peak))
