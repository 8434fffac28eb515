"""The engine without workers: one segment after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ratewise.runs.engines.jobs import Done, Event, Fatal, Job, SavedState, StateMissing
from ratewise.runs.engines.worker import States, Worker


class Serial:
    """Trains one job at a time; the driver waits for each piece of it."""

    ordered = True

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._events: Iterator[Event] | None = None

    def free(self) -> int:
        return int(self._events is None)

    def start(self, job: Job) -> None:
        self._events = self._worker.work(job)

    def wait(self) -> Iterator[Event]:
        assert self._events is not None
        event = next(self._events, None)
        if event is None or isinstance(event, Done | StateMissing | Fatal):
            self._events = None
        if event is not None:
            yield event

    def close(self) -> None:
        self._events = None


class Memory:
    """States in memory, and in a store behind it, if there is one."""

    def __init__(self, behind: States | None = None) -> None:
        self._held: dict[str, Any] = {}
        self._behind = behind

    def write(self, name: str, state: Any) -> SavedState:
        kept = (0, "") if self._behind is None else self._behind.write(name, state)
        self._held[name] = state
        return kept

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        if name in self._held:
            return True, self._held[name]
        return (False, None) if self._behind is None else self._behind.read(name, digest)

    def let_go(self, name: str) -> None:
        self._held.pop(name, None)
