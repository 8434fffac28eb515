"""The engine of one machine: worker processes that are given segments through pipes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ratewise.runs.engines.jobs import Done, Event, Fatal, Job, StateMissing, WorkerDied
from ratewise.runs.engines.threads import threads, use_threads
from ratewise.runs.engines.worker import States, Worker
from ratewise.schedule import ScheduleError
from ratewise.tasks.failures import TaskError, name_of
from ratewise.tasks.protocols import Task

Made = TypeVar("Made")

STILLBORN = 3
"""So many workers in a row that die before they begin are no accident."""


class Processes:
    """Trains as many jobs at once as there are workers.

    A worker is a fresh interpreter. It computes with as many threads as this process, so that
    results do not depend on how many workers there are. One that dies is replaced.

    Args:
        tasks: The task, and with other optimizers by name.
        states: Where states are kept; all workers read and write there.
        workers: How many.
        devices: What each worker sees as CUDA_VISIBLE_DEVICES, in turn; none for whatever is there.

    Raises:
        ScheduleError: the task cannot be sent to another process.
    """

    ordered = False

    def __init__(
        self,
        tasks: Mapping[str | None, Task],
        states: States,
        workers: int,
        devices: Sequence[str] = (),
    ) -> None:
        self._sent = packed(dict(tasks), states)
        self._devices = devices
        self._workers: list[WorkerProcess] = []
        self._most = workers
        self._stillborn = 0

    def free(self) -> int:
        return self._most - sum(worker.job is not None for worker in self._workers)

    def start(self, job: Job) -> None:
        """Begin a job, on the worker that stands where it begins if there is one."""
        name = job.name(job.start)
        idle = [worker for worker in self._workers if worker.job is None]
        chosen = next((worker for worker in idle if worker.at == name), None)
        if chosen is None and len(self._workers) < self._most:
            chosen = self._hire()
        (chosen or idle[0]).give(job)

    def _hire(self) -> WorkerProcess:
        place, device = free_place(self._workers, self._devices)
        worker = WorkerProcess(place, self._sent, device)
        self._workers.append(worker)
        return worker

    def wait(self) -> Iterator[Event]:
        """Yield what happens next; several workers may have something to say."""
        busy = [worker for worker in self._workers if worker.job is not None]
        ready = wait([worker.pipe for worker in busy])
        for worker in busy:
            if worker.pipe in ready:
                event = worker.hear()
                if isinstance(event, WorkerDied):
                    self._workers.remove(worker)
                    event = self._judged(event, worker)
                if event is not None:
                    yield event

    def _judged(self, event: WorkerDied, worker: WorkerProcess) -> Event:
        """Return what to make of a dead worker: several that never began will not begin."""
        self._stillborn = 0 if worker.began else self._stillborn + 1
        return event if self._stillborn < STILLBORN else stillborn(event.index)

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers = []


def free_place(workers: Sequence[WorkerProcess], devices: Sequence[str]) -> tuple[int, str | None]:
    """Return the first place that no worker has, and the device that belongs to it."""
    taken = {worker.place for worker in workers}
    place = next(place for place in range(len(workers) + 1) if place not in taken)
    return place, devices[place % len(devices)] if devices else None


class WorkerProcess:
    """A process, and what it is doing."""

    def __init__(
        self,
        place: int,
        sent: bytes,
        device: str | None,
        target: Callable[[Connection, bytes, int | None, str | None], None] | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.place = place
        self.pipe, far = context.Pipe()
        arguments = (far, sent, threads(), device)
        self._process = context.Process(target=target or serve, args=arguments, daemon=True)
        self._process.start()
        far.close()
        self.began = False
        self.job: Job | None = None
        self.at: str | None = None

    def give(self, job: Job) -> None:
        """Send it a job; that it has died in the meantime is heard later."""
        self.job, self.at = job, None
        with contextlib.suppress(OSError):
            self.pipe.send(job)

    def hear(self) -> Event | None:
        """Return what it says, None if it is ready; `WorkerDied` if it has died."""
        assert self.job is not None
        job = self.job
        try:
            event: Event | TaskError | None = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return WorkerDied(job.index, f"a worker process died ({self.exitcode})")
        self.began = True
        if isinstance(event, TaskError):
            return unready(job.index, event)
        if isinstance(event, Done | StateMissing | Fatal):
            self.job = None
            stands = isinstance(event, Done) and event.outcome.whole and not job.measure
            self.at = job.name(len(job.way.rates)) if stands else None
        return event

    @property
    def exitcode(self) -> int | None:
        """How it ended, or None while it is there."""
        return self._process.exitcode

    def end(self) -> None:
        """End it."""
        self.pipe.close()
        self._process.kill()
        self._process.join()


def stillborn(index: int) -> Fatal:
    """Return what to make of workers that end before they begin."""
    rule = "cannot begin: its workers end as they start, see what they printed"
    return Fatal(index, rule, 'put what the script does under if __name__ == "__main__":')


def packed(
    tasks: Mapping[str | None, Task], *more: Any, dumps: Callable[[Any], bytes] = pickle.dumps
) -> bytes:
    """Return what a worker needs, the tasks and more, as bytes.

    Raises:
        ScheduleError: the task cannot be pickled.
    """
    try:
        return dumps((tasks, *more))
    except Exception as error:
        rule = f"cannot be sent to workers: {error}"
        fix = "make it of functions and classes at the top of a module, or train without workers"
        raise ScheduleError(name_of(tasks[None]), rule, fix) from None


def unready(index: int, error: TaskError) -> Fatal:
    """Return what to make of a worker in which the task cannot even be imported."""
    rule = f"cannot begin: in a worker its task {error.rule}"
    return Fatal(index, rule, error.fix, error.traceback)


def unpacked(sent: bytes, count: int | None) -> Worker:
    """Return a worker with what was packed elsewhere, computing with so many threads."""
    return Worker(*received(sent, count))


def received(sent: bytes, count: int | None) -> Any:
    """Return what was packed elsewhere, where it is computed with so many threads."""
    use_threads(count)
    return pickle.loads(sent)


def begun(pipe: Connection, device: str | None, make: Callable[[], Made]) -> Made | None:
    """Return what is to work in this process; None where it could not be made, which is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends us
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    try:
        made = make()
    except (Exception, SystemExit) as error:
        pipe.send(TaskError.of("Task", error))
        return None
    pipe.send(None)
    return made


def serve(pipe: Connection, sent: bytes, count: int | None, device: str | None) -> None:
    """Train what comes through a pipe, until it is closed."""
    with contextlib.suppress(EOFError, OSError):  # the driver is gone
        worker = begun(pipe, device, lambda: unpacked(sent, count))
        while worker is not None:
            for event in worker.work(pipe.recv()):
                pipe.send(event)
