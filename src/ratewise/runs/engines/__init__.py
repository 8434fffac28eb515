"""Who trains the segments: this process, workers beside it, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ratewise.runs.engines.jobs import Event, Job

__all__ = ["Engine"]


class Engine(Protocol):
    """Trains jobs, several at once if it can.

    Attributes:
        ordered: Whether it trains one at a time, so that the order decides what is held.
    """

    ordered: bool

    def free(self) -> int:
        """Return how many jobs can be begun now."""
        ...

    def start(self, job: Job) -> None:
        """Begin a job."""
        ...

    def wait(self) -> Iterator[Event]:
        """Wait a while, and yield what happened to jobs."""
        ...

    def close(self) -> None:
        """End everything that is still on."""
        ...
