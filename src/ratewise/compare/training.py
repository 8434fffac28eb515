"""Train lists of runs, each in a comparison of its own, and drop candidates between them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from ratewise.compare.comparison import Comparison, Interrupted
from ratewise.compare.halving import Halving, halve
from ratewise.runs.engines.config import Crew, EngineConfig
from ratewise.runs.execution import Work
from ratewise.runs.journal import Journal
from ratewise.runs.specs import RunSpec
from ratewise.runs.tensorboard import Board
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, nearest
from ratewise.tasks.protocols import Task

Progress = Callable[[int, int, str], Any]
"""Called with the updates done, the updates planned (fewer as runs end early), and what is on."""


class Training:
    """Trains lists of runs of one task, one list after the other."""

    def __init__(
        self,
        task: Task,
        others: Mapping[str, Task],
        metric: str | None,
        journal: str | os.PathLike[str] | None,
        checkpoints: str | os.PathLike[str] | None,
        hiring: EngineConfig | Crew,
        every: float,
        tensorboard: str | os.PathLike[str] | None = None,
    ) -> None:
        self._board = None if tensorboard is None else Board(tensorboard)
        self._task, self._others, self._asked_metric = task, others, metric
        self._journal, self._checkpoints = journal, checkpoints
        self._hiring, self._every = hiring, every

    def pruned(
        self,
        asked: Sequence[RunSpec],
        halving: Halving | None,
        disk: int,
        progress: Progress | None,
    ) -> Comparison:
        """Train runs, and drop candidates on the way if that is asked for."""
        if halving is None:
            return self.train(asked, disk, progress)
        before = 0

        def train(some: Sequence[RunSpec]) -> Comparison:
            nonlocal before
            done = self.train(some, sys.maxsize, shifted(progress, before))
            before += done.trained
            return done

        left, dropped, trained = halve(asked, halving, train)
        result = self.train(left, disk, shifted(progress, trained))
        notes = tuple(note for note in result.notes if "updates of runs were taken" not in note)
        counts: dict[str, Any] = {"trained": result.trained + trained}
        counts["asked"] = sum(len(one.rates) for one in asked)
        return replace(result, notes=notes, pruned=dropped, **counts)

    def train(self, asked: Sequence[RunSpec], disk: int, progress: Progress | None) -> Comparison:
        """Train runs to their ends."""
        book = None
        if self._journal is not None:
            book = Journal(self._journal, disk, self._checkpoints)
        work = None
        try:
            options = self._hiring, self._every, self._board
            work = Work(self._task, self._others, asked, book, *options)
            better = _better(self._task, work.names)
            chosen = _metric(self._asked_metric, work.names)
            if isinstance(progress, Watcher):
                progress.planned(work)
            try:
                for done, planned, what in work.steps():
                    if progress is not None:
                        progress(done, planned, what)
            except KeyboardInterrupt as stop:
                raise Interrupted(work.result(chosen, chosen in better)) from stop
            return work.result(chosen, chosen in better)
        finally:
            if work is not None:
                work.close()
            if book is not None:
                book.close()


@runtime_checkable
class Watcher(Protocol):
    """Progress that also looks at the tree."""

    def planned(self, work: Work) -> None:
        """Take note of what is about to be trained."""
        ...

    def __call__(self, done: int, planned: int, what: str) -> Any:
        """Take note of how far it is."""
        ...


class _Shifted:
    """A watcher that counts on behind what was trained before."""

    def __init__(self, watcher: Watcher, before: int) -> None:
        self._watcher, self._before = watcher, before

    def planned(self, work: Work) -> None:
        self._watcher.planned(work)

    def __call__(self, done: int, planned: int, what: str) -> None:
        self._watcher(self._before + done, self._before + planned, what)


def shifted(progress: Progress | None, before: int) -> Progress | None:
    """Return progress that counts on behind what was trained before."""
    if progress is None:
        return None
    if isinstance(progress, Watcher):
        return _Shifted(progress, before)
    return lambda done, planned, what: progress(before + done, before + planned, what)


def _metric(metric: str | None, names: Collection[str]) -> str:
    if not names:
        raise ScheduleError(Call("compare"), "got no metric from the task", "return at least one")
    if metric is None:
        return next(iter(names))
    if metric not in names:
        rule = f"is not measured; the task measures {', '.join(names)}"
        raise ScheduleError(Call("compare", "metric", metric), rule, nearest(metric, names))
    return metric


def _better(task: Task, names: Collection[str]) -> frozenset[str]:
    """Return the names of the metrics of which more is better."""
    better = frozenset[str](getattr(task, "higher_is_better", ()))
    for name in sorted(better - set(names)):
        who, rule = f"{type(task).__name__}(higher_is_better=({name!r},))", "is not measured"
        raise ScheduleError(
            who, f"{rule}; the task measures {', '.join(names)}", "name one of them"
        )
    return better
