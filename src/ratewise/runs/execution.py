"""The runs of a comparison: what is known of them, what is left to train, what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence

from ratewise.compare.comparison import Comparison
from ratewise.runs.driver import TreeDriver
from ratewise.runs.engines import Engine
from ratewise.runs.engines.config import Crew, EngineConfig
from ratewise.runs.engines.serial import Serial
from ratewise.runs.engines.states import Memory
from ratewise.runs.engines.worker import Worker
from ratewise.runs.journal import Journal
from ratewise.runs.keys import fingerprint
from ratewise.runs.records import Outcome, Record
from ratewise.runs.specs import RunSpec
from ratewise.runs.tensorboard import Board
from ratewise.runs.tree import PrefixTree
from ratewise.tasks.protocols import Losses, Task

ALONE = EngineConfig()

EVERY = 1.0
"""Seconds between two notes of what is being trained, for whoever looks on."""


class Work:
    """Trains the runs that a journal does not know, and puts together the records of all.

    Args:
        task: The task; it is opened, saved, measured and restored once.
        others: The task with other optimizers, by name.
        asked: The runs.
        book: The journal, or None.
        hiring: Who trains; others than this process need a journal.
        every: Seconds after which a state is saved on a long way.
        board: Where the losses of runs are shown as they end.

    Attributes:
        names: Names of the metrics.
        tree: What is left to train.
    """

    def __init__(
        self,
        task: Task,
        others: Mapping[str, Task],
        asked: Sequence[RunSpec],
        book: Journal | None,
        hiring: EngineConfig | Crew = ALONE,
        every: float = math.inf,
        board: Board | None = None,
    ) -> None:
        self._board, self._shown = board, 0
        self._asked, self._book = asked, book
        self._known: dict[int, tuple[Outcome, Losses]] = {}
        self.names: tuple[str, ...] = ()
        if book is not None:
            self._look_up(task, book)
        self._left = [i for i in range(len(asked)) if i not in self._known]
        left = [asked[i] for i in self._left]
        runs = ((one.seed, one.rates) for one in left)
        self.tree = PrefixTree.of(runs, [one.optimizer for one in left])
        self._ends = {
            self._left[place]: (index, place)
            for index, stretch in enumerate(self.tree.stretches)
            for place in stretch.ends
        }
        tasks: dict[str | None, Task] = {None: task, **others}
        bench = Worker(tasks, Memory(None if book is None else book.store))
        if left:
            self.names = tuple(bench.rehearse(left[0].seed, left[0].optimizer))
        self._engine: Engine = Serial(bench)
        if left and book is not None and not hiring.alone:
            del bench  # and with it the run that was rehearsed
            self._engine = hiring.open(tasks, book.store)
        self._walk = TreeDriver(self._engine, self.tree, left, book, every)
        if book is not None:
            book.plan(self.asked, self.tree.planned, len(asked), len(self._known))

    def close(self) -> None:
        """End whoever still trains."""
        self._engine.close()

    @property
    def asked(self) -> int:
        """Updates that all runs would take, each trained alone."""
        return sum(len(one.rates) for one in self._asked)

    @property
    def outcomes(self) -> Mapping[int, Outcome]:
        """What came of the stretches of the tree that are done."""
        return self._walk.outcomes

    @property
    def going(self) -> Mapping[int, int]:
        """The stretches that are being trained, and how many updates of each were made."""
        return self._walk.going

    def _look_up(self, task: Task, book: Journal) -> None:
        """Find the runs that were trained before."""
        run = task.open(0)
        state, measured = run.save(), dict(run.measure())
        self.names = tuple(measured)
        book.begin(fingerprint(task, state, measured), type(task).__name__, self.names)
        for index, one in enumerate(self._asked):
            found = book.finished(one)
            if found is not None:
                self._known[index] = found

    def steps(self) -> Iterator[tuple[int, int, str]]:
        """Train what is left; yield the updates done, those planned, and what is on."""
        said = -math.inf
        for index in self._walk.steps():
            what = self._described(self.tree.stretches[index].runs)
            if self._book is not None and time.monotonic() - said >= EVERY:
                self._book.doing(what)
                said = time.monotonic()
            self._show()
            yield self._walk.trained, self.tree.planned - self._walk.dropped, what
        self._show()
        if self._book is not None:
            self._book.end()

    def _show(self) -> None:
        """Show the runs that have ended on the board."""
        if self._board is None:
            return
        for index in list(self._walk.outcomes)[self._shown :]:
            self._shown += 1
            for place in self.tree.stretches[index].ends:
                self._board.show(self._record(self._left[place]))

    def _described(self, runs: tuple[int, ...]) -> str:
        first = self._asked[self._left[runs[0]]]
        others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        return f"{first.name} at {first.peak:g}, seed {first.seed}{others}"

    def result(self, metric: str, higher_is_better: bool) -> Comparison:
        """Return what came of all runs, as far as they are trained."""
        records = tuple(map(self._record, range(len(self._asked))))
        return Comparison(
            records, metric, higher_is_better, self._walk.trained, self.asked, self._notes()
        )

    def _notes(self) -> tuple[str, ...]:
        if self._book is None or not (self._book.reused or self._book.damaged):
            return ()
        notes = [f"{self._book.reused:,} updates of runs were taken from {self._book.path.name}."]
        if self._book.damaged:
            notes.append(
                f"{self._book.damaged} checkpoints were damaged or gone, "
                "and were trained again from the ones before."
            )
        return tuple(notes)

    def _record(self, index: int) -> Record:
        """Return what came of a run, put together from the stretches on its way."""
        one = self._asked[index]
        if index in self._known:
            outcome, losses = self._known[index]
        else:
            end, place = self._ends[index]
            outcome, losses = self._walk.outcomes.get(end), self._walk.losses(end, place)
        nothing = {name: float("nan") for name in self.names}
        return Record(
            name=one.name,
            schedule=one.schedule,
            peak=one.peak,
            seed=one.seed,
            metrics=nothing | dict(outcome.metrics if outcome else {}),
            losses=losses,
            rates=one.rates,
            diverged=outcome.diverged if outcome else None,
            error=outcome.error if outcome else None,
            optimizer=one.optimizer,
        )
