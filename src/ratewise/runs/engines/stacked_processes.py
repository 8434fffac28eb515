"""The engine of several stacks: worker processes, each of which trains many runs in one call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from ratewise.runs.engines.jobs import Done, Event, Fatal, Job, StateMissing, WorkerDied
from ratewise.runs.engines.processes import (
    STILLBORN,
    WorkerProcess,
    begun,
    free_place,
    packed,
    received,
    stillborn,
    unready,
)
from ratewise.runs.engines.worker import States, Worker
from ratewise.tasks.failures import TaskError
from ratewise.tasks.protocols import Task

if TYPE_CHECKING:
    from ratewise.runs.engines.stacked import Stacked
    from ratewise.tasks.torch.stacked import Stacking

ENDS = Done | StateMissing | Fatal
"""Behind these nobody has the job any more."""

TOGETHER = 0.05
"""Seconds that a worker waits for more jobs where it begins, or where one has ended."""


class StackedProcesses:
    """Trains stacks in worker processes, which are given jobs in turn.

    A job goes to whoever has the fewest, so that all of them work. One that dies is replaced, and
    its jobs begin again.

    Args:
        tasks: The task, and with other optimizers by name.
        stackings: How runs with each optimizer are stacked; those that are not here are not.
        states: Where states are kept; all workers read and write there.
        size: Runs in a stack at most.
        workers: How many.
        devices: What each worker sees as CUDA_VISIBLE_DEVICES, in turn; none for whatever is there.

    Attributes:
        notes: What there is to know, each a sentence.

    Raises:
        ScheduleError: the task cannot be sent to another process.
    """

    ordered = False

    def __init__(
        self,
        tasks: Mapping[str | None, Task],
        stackings: Mapping[str | None, Stacking],
        states: States,
        size: int,
        workers: int,
        devices: Sequence[str] = (),
    ) -> None:
        self._sent = packed(dict(tasks), dict(stackings), states, size)
        self._size, self._most, self._devices = size, workers, devices
        self._workers: list[StackWorker] = []
        self._stillborn = 0
        self.notes: list[str] = []

    def free(self) -> int:
        return self._most * self._size - sum(len(worker.jobs) for worker in self._workers)

    def start(self, job: Job) -> None:
        few = min(self._workers, key=lambda worker: len(worker.jobs), default=None)
        if (few is None or few.jobs) and len(self._workers) < self._most:
            few = self._hire()
        assert few is not None
        few.give(job)

    def _hire(self) -> StackWorker:
        place, device = free_place(self._workers, self._devices)
        worker = StackWorker(place, self._sent, device)
        self._workers.append(worker)
        return worker

    def wait(self) -> Iterator[Event]:
        """Yield what happens next; several workers may have something to say."""
        busy = [worker for worker in self._workers if worker.jobs]
        ready = wait([worker.pipe for worker in busy])
        for worker in busy:
            if worker.pipe in ready:
                for said in worker.said():
                    if isinstance(said, str):
                        self.notes.append(said)
                    else:
                        yield self._judged(said, worker) if isinstance(said, WorkerDied) else said

    def _judged(self, event: WorkerDied, worker: StackWorker) -> Event:
        """Return what to make of a dead worker: several that never began will not begin."""
        if worker in self._workers:
            self._workers.remove(worker)
            self._stillborn = 0 if worker.began else self._stillborn + 1
        return event if self._stillborn < STILLBORN else stillborn(event.index)

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []


class StackWorker(WorkerProcess):
    """A process with a stack in it, and the jobs that it has, by their indices."""

    def __init__(self, place: int, sent: bytes, device: str | None) -> None:
        super().__init__(place, sent, device, serve_stacks)
        self.jobs: dict[int, Job] = {}

    def give(self, job: Job) -> None:
        """Send it a job; that it has died in the meantime is heard later."""
        self.jobs[job.index] = job
        with contextlib.suppress(OSError):
            self.pipe.send(job)

    def said(self) -> Iterator[Event | str]:
        """Yield what it says: events, or a note; `WorkerDied` of each job if it has died."""
        try:
            event: Event | TaskError | str | None = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            for index in list(self.jobs):
                yield WorkerDied(index, f"a worker process died ({self.exitcode})")
            self.jobs.clear()
            return
        self.began = True
        if isinstance(event, TaskError):
            yield unready(next(iter(self.jobs)), event)
        elif event is not None:
            if isinstance(event, ENDS):
                del self.jobs[event.index]
            yield event


def serve_stacks(pipe: Connection, sent: bytes, count: int | None, device: str | None) -> None:
    """Train what comes through a pipe in stacks, until it is closed."""
    with contextlib.suppress(EOFError, OSError):  # the driver is gone
        engine = begun(pipe, device, lambda: _engine(sent, count))
        patience = TOGETHER
        while engine is not None:
            while engine.free() == engine.size or pipe.poll(patience):
                engine.start(pipe.recv())
            known, patience = len(engine.notes), 0.0
            for event in engine.wait():
                patience = TOGETHER if isinstance(event, ENDS) else patience
                pipe.send(event)
            for note in engine.notes[known:]:
                pipe.send(note)


def _engine(sent: bytes, count: int | None) -> Stacked:
    """Return the engine of one process, computing with so many threads."""
    from ratewise.runs.engines.stacked import Stacked

    tasks, stackings, states, size = received(sent, count)
    return Stacked(tasks, stackings, states, Worker(tasks, states), size)
