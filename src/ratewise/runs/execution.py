"""How runs are trained: by whom, what a journal knows of them, what comes of each."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ratewise.runs.driver import TreeDriver
from ratewise.runs.engines import Engine
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.engines.serial import Memory, Serial
from ratewise.runs.engines.stacking import MARK, Stacks
from ratewise.runs.engines.worker import States, Worker
from ratewise.runs.journal import Journal
from ratewise.runs.keys import identity
from ratewise.runs.optimizers import Tasks
from ratewise.runs.records import Outcome, Record, Results, Stopped
from ratewise.runs.specs import RunSpec
from ratewise.runs.tensorboard import Board
from ratewise.runs.tree import PrefixTree
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest
from ratewise.tasks.protocols import Losses, Task
from ratewise.tasks.stack_plan import StackPlan

NOTED = 1.0
"""Seconds between two notes of what is being trained, for whoever looks on."""

KEEP_ALL = sys.maxsize
"""Bytes of checkpoints for a list whose every state the next one may go on from."""

Progress = Callable[[int, int, str], Any]
"""Called with the updates done, the updates planned (fewer as runs end early), and what is on."""


Found = tuple[Outcome, Losses]
"""What came of a run, and all of its losses."""


@runtime_checkable
class Watcher(Protocol):
    """Progress that also looks at the tree."""

    def planned(self, driver: TreeDriver) -> None:
        """Take note of what is about to be trained."""
        ...

    def __call__(self, done: int, planned: int, what: str) -> Any:
        """Take note of how far it is."""
        ...


@dataclass(frozen=True)
class Execution:
    """Who trains, and what is kept.

    Args:
        journal: SQLite file that keeps what is trained, or None.
        disk: Bytes of checkpoints that are kept for comparisons to come.
        checkpoints: Folder or address of the checkpoints; beside the journal if None.
        every: Seconds after which a state is saved on a long way.
        engine: Who trains; others than this process need a journal.
        tensorboard: Folder to which runs are written as they end, or None.
        trust: Whether checkpoints are read that take code to read, whoever has written them.
    """

    journal: str | os.PathLike[str] | None = None
    disk: int = 0
    checkpoints: str | os.PathLike[str] | None = None
    every: float = 600.0
    engine: EngineConfig = field(default_factory=EngineConfig)
    tensorboard: str | os.PathLike[str] | None = None
    trust: bool = False

    @contextmanager
    def open(
        self, tasks: Tasks, metric: str | None = None, *, sharing: bool = False
    ) -> Generator[Executor]:
        """Yield what trains lists of runs, one after the other, with the same workers.

        Args:
            tasks: The task, with the optimizers that runs bring.
            metric: Name of the metric that decides; None for the first that the task measures.
            sharing: Whether lists go on from what those before them have trained. That needs a
                journal; where the user wants none, it is one that ends with the execution.
        """
        path, kept = self.journal, sharing or not self.engine.alone
        if path is None and not kept and self.checkpoints is not None:
            who = Call("compare", "checkpoints", str(self.checkpoints))
            fix = Fix("give {journal} too", journal="'runs.db'")
            raise ScheduleError(who, "is a place for what a journal knows of", fix)
        with ExitStack() as stack:
            if path is None and kept:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ratewise-"))
                path = os.path.join(folder, "runs.db")
            executor = Executor(replace(self, journal=path), tasks, metric)
            stack.callback(executor.close)
            yield executor


class Executor:
    """Trains lists of runs of one task.

    Args:
        execution: Who trains, and what is kept.
        tasks: The task, with the optimizers that runs bring.
        metric: Name of the metric that decides, or None.
    """

    def __init__(self, execution: Execution, tasks: Tasks, metric: str | None) -> None:
        self._execution, self._tasks, self._metric = execution, tasks, metric
        folder = execution.tensorboard
        self._board = None if folder is None else Board(folder)
        self._workers: Engine | None = None
        self._sent: dict[str | None, Task] = {}
        self._stacking = False
        wanted = execution.engine.engine == "stacked"
        self._stacks = Stacks(execution.engine.stack, execution.journal) if wanted else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know of how runs were trained, each a sentence."""
        return () if self._stacks is None else tuple(dict.fromkeys(self._stacks.notes))

    @property
    def journal(self) -> str | os.PathLike[str] | None:
        """The journal, which may end with the execution; None if there is none."""
        return self._execution.journal

    def stack_plan(self, seed: int) -> StackPlan | None:
        """Return how runs of the task are stacked, or None if they are trained one by one."""
        return None if self._stacks is None else self._stacks.plan(self._tasks.task, seed)

    def close(self) -> None:
        """End the workers, whatever they do."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def train(
        self,
        specs: Sequence[RunSpec],
        before: int = 0,
        *,
        disk: int | None = None,
        progress: Progress | None = None,
        stage: str = "",
        cuts: Sequence[Sequence[int]] | None = None,
        exact: bool = False,
    ) -> Results:
        """Train runs to their ends; what a journal knows of them is not trained again.

        Args:
            specs: The runs.
            before: Updates trained before them, from which progress counts on.
            disk: Bytes of checkpoints that are kept, if not as the execution says.
            progress: Who is told how far it is.
            stage: What the runs are for, told before what is being trained.
            cuts: Updates of each run behind which its state is saved, for lists that come later.
            exact: Whether each run is trained alone, to the last bit, though others are stacked.

        Raises:
            ScheduleError: the task does not measure the metric, or the journal cannot be written.
            Stopped: Ctrl-C; its `.results` hold the runs as far as they came.
        """
        tasks: dict[str | None, Task] = {s.optimizer: self._tasks.of(s.maker) for s in specs}
        stacks = None if exact or not specs else self._stacks
        if stacks is not None and not stacks.decide(tasks, specs[0].seed):
            stacks = None
        with self._opened(disk) as journal:
            mark = "" if stacks is None else MARK
            names = () if journal is None else _begin(journal, self._tasks.task, mark)
            known = (
                {} if journal is None else _known(journal, specs, self._metric or [*names, ""][0])
            )
            left = [spec for place, spec in enumerate(specs) if place not in known]
            engine, metric = self._engine(tasks, left, journal, names, stacks)
            every = self._execution.every
            load = Workload(
                specs, known, engine, metric, journal, every, stage, cuts=cuts, stacks=stacks
            )
            if isinstance(progress, Watcher):
                progress.planned(load.driver)
            try:
                for done, planned, what in load.steps(self._board):
                    if progress is not None:
                        progress(before + done, before + planned, what)
            except KeyboardInterrupt as stop:
                raise Stopped(self._told(load)) from stop
            return self._told(load)

    def _told(self, load: Workload) -> Results:
        return replace(load.results(), notes=self.notes)

    def _opened(self, disk: int | None) -> AbstractContextManager[Journal | None]:
        own = self._execution
        if own.journal is None:
            return nullcontext()
        budget = own.disk if disk is None else disk
        return closing(Journal(own.journal, budget, own.checkpoints, trust=own.trust))

    def _engine(
        self,
        own: Mapping[str | None, Task],
        left: Sequence[RunSpec],
        journal: Journal | None,
        names: Collection[str],
        stacks: Stacks | None,
    ) -> tuple[Engine, Metric]:
        """Return who trains what is left, once the task has shown that it can be trained."""
        tasks: dict[str | None, Task] = {None: self._tasks.task, **own}
        store = None if journal is None else journal.store
        memory = Memory(store)
        worker = Worker(tasks, memory)
        if left:
            names = worker.rehearse(left[0].seed, left[0].optimizer)
        metric = _metric(self._tasks.task, self._metric, names)
        if left and stacks is not None and (store is None or self._execution.engine.alone):
            return stacks.open(own, memory, worker), metric
        if not left or store is None or self._execution.engine.alone:
            return Serial(worker), metric
        del worker  # and with it the run that was rehearsed
        return self._hired(tasks, store, stacks), metric

    def _hired(
        self, tasks: Mapping[str | None, Task], states: States, stacks: Stacks | None
    ) -> Engine:
        """Return the workers, anew where runs bring optimizers that these do not have."""
        known = tasks.keys() <= self._sent.keys() and self._stacking == (stacks is not None)
        if self._workers is None or not known:
            self.close()
            self._sent |= tasks
            self._stacking = stacks is not None
            config = self._execution.engine
            given = self._sent, states
            self._workers = config.open(*given) if stacks is None else stacks.hire(*given, config)
        return self._workers


class Workload:
    """The runs of one list, on their way to their ends.

    Args:
        specs: The runs.
        known: What came of those that were trained before, and their losses, by place.
        engine: Who trains the others.
        metric: The metric that decides.
        journal: The journal, or None.
        every: Seconds after which a state is saved on a long way.
        stage: What the runs are for, or "".
        cuts: Updates of each run behind which its state is saved, or None.
        stacks: Which of the runs are stacked, or None if none is.

    Attributes:
        driver: What hands the tree of what is left to the engine.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        known: Mapping[int, Found],
        engine: Engine,
        metric: Metric,
        journal: Journal | None,
        every: float,
        stage: str = "",
        cuts: Sequence[Sequence[int]] | None = None,
        stacks: Stacks | None = None,
    ) -> None:
        self._stage, self._stacks = f"{stage}: " if stage else "", stacks
        self._specs, self._known, self._metric, self._journal = specs, known, metric, journal
        self._places = [place for place in range(len(specs)) if place not in known]
        self._left = [specs[place] for place in self._places]
        runs = ((spec.seed, spec.rates) for spec in self._left)
        kept = None if cuts is None else [cuts[place] for place in self._places]
        self._tree = PrefixTree.of(runs, [spec.optimizer for spec in self._left], kept)
        self._ends = {
            self._places[run]: (index, run)
            for index, segment in enumerate(self._tree.segments)
            for run in segment.ends
        }
        self._asked = sum(len(spec.rates) for spec in specs)
        self.driver = TreeDriver(engine, self._tree, self._left, journal, every, metric.measured)
        if journal is not None:
            journal.plan(self._asked, self._tree.planned, len(specs), len(known))

    def steps(self, board: Board | None) -> Generator[tuple[int, int, str]]:
        """Train what is left; yield the updates done, those planned, and what is on."""
        noted, shown = -float("inf"), 0
        for index in self.driver.steps():
            what = self._described(index)
            if self._journal is not None and time.monotonic() - noted >= NOTED:
                self._journal.doing(what)
                noted = time.monotonic()
            shown = self._show(board, shown)
            yield self.driver.trained, self._tree.planned - self.driver.dropped, what
        self._show(board, shown)
        if self._journal is not None:
            self._journal.end(self.driver.left)

    def _show(self, board: Board | None, shown: int) -> int:
        """Show the runs that have ended since the last time; return how many segments have."""
        if board is not None:
            for index in list(self.driver.outcomes)[shown:]:
                for run in self._tree.segments[index].ends:
                    board.show(self._record(self._places[run]))
        return len(self.driver.outcomes)

    def _described(self, index: int) -> str:
        runs = self._tree.segments[index].runs
        first = self._left[runs[0]]
        others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        return f"{self._stage}{first.name} at {first.peak:g}, seed {first.seed}{others}"

    def results(self) -> Results:
        """Return what came of all runs, as far as they are trained."""
        records = tuple(map(self._record, range(len(self._specs))))
        metric, better = self._metric.name, self._metric.higher_is_better
        results = Results(records, metric, better, self.driver.trained, self._asked)
        if self._journal is None:
            return results
        reused, damaged = self._journal.reused, self._journal.damaged
        return replace(results, reused=reused, damaged=damaged, journal=self._journal.path.name)

    def _record(self, place: int) -> Record:
        """Return what came of a run, put together from the segments on its way."""
        spec = self._specs[place]
        if place in self._known:
            outcome, losses = self._known[place]
        else:
            end, run = self._ends[place]
            outcome, losses = self.driver.outcomes.get(end), self.driver.losses(end, run)
        nothing = dict.fromkeys(self._metric.measured, float("nan"))
        return Record(
            name=spec.name,
            schedule=spec.schedule,
            peak=spec.peak,
            seed=spec.seed,
            metrics=nothing | dict(outcome.metrics if outcome else {}),
            losses=losses,
            rates=spec.rates,
            diverged=outcome.diverged if outcome else None,
            error=outcome.error if outcome else None,
            optimizer=spec.optimizer,
            failure=outcome.failure if outcome else None,
            stacked=self._stacks is not None and self._stacks.stacked(spec.optimizer),
        )


class Metric(NamedTuple):
    """The metric that decides, whether more of it is better, and all that are measured."""

    name: str
    higher_is_better: bool
    measured: tuple[str, ...]


def _begin(journal: Journal, task: Task, mark: str) -> tuple[str, ...]:
    """Tell a journal which task it is; return the names of what that measures.

    What is trained in a stack has names of its own there, so that nobody takes it for the same run
    trained alone.
    """
    key, names = identity(task)
    journal.begin(f"{key}{mark}", f"{type(task).__name__}{mark}", names)
    return names


def _known(journal: Journal, specs: Sequence[RunSpec], metric: str) -> dict[int, Found]:
    """Return what came of the runs that were trained before, by their places."""
    found = {place: journal.finished(spec, metric) for place, spec in enumerate(specs)}
    return {place: one for place, one in found.items() if one is not None}


def _metric(task: Task, given: str | None, measured: Collection[str]) -> Metric:
    """Return the metric that decides: the one given, or the first.

    Raises:
        ScheduleError: the task does not measure it, or what it says is better if higher.
    """
    listed = f"the task measures {', '.join(measured)}"
    better = frozenset[str](getattr(task, "higher_is_better", ()))
    for name in sorted(better - set(measured)):
        who = f"{type(task).__name__}(higher_is_better=({name!r},))"
        raise ScheduleError(who, f"is not measured; {listed}", "name one of them")
    if not measured:
        raise ScheduleError(Call("compare"), "got no metric from the task", "return at least one")
    name = next(iter(measured)) if given is None else given
    if name not in measured:
        who = Call("compare", "metric", name)
        raise ScheduleError(who, f"is not measured; {listed}", nearest(name, measured))
    return Metric(name, name in better, tuple(measured))
