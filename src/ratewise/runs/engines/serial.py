"""The engine without workers: one segment after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator

from ratewise.runs.engines.jobs import Done, Event, Fatal, Job, StateMissing
from ratewise.runs.engines.worker import Worker


class Serial:
    """Trains one job at a time; the driver waits for each piece of it."""

    ordered = True

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: Iterator[Event] | None = None

    def free(self) -> int:
        """Return how many jobs can be begun now."""
        return int(self._events is None)

    def start(self, job: Job) -> None:
        """Begin a job."""
        self._events = self._worker.work(job)

    def wait(self) -> Iterator[Event]:
        """Yield what happens next."""
        assert self._events is not None
        event = next(self._events, None)
        if event is None or isinstance(event, Done | StateMissing | Fatal):
            self._events = None
        if event is not None:
            yield event

    def close(self) -> None:
        """End."""
        self._events = None
