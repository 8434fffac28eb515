"""What a driver hands to an engine, and what comes back from it."""

from __future__ import annotations

from dataclasses import dataclass

from ratewise.runs.keys import Way
from ratewise.runs.records import Outcome
from ratewise.schedule.errors import Fix
from ratewise.tasks.protocols import Losses

SavedState = tuple[int, str]
"""A state that was saved: its bytes and its SHA-256."""


@dataclass(frozen=True, eq=False)
class Job:
    """A segment to train.

    Args:
        index: Index of the segment.
        task: Fingerprint of the task; states are named after it.
        way: Seed, optimizer and absolute rates from the run's first update to the segment's last.
        start: Update to begin with.
        digest: SHA-256 of the state to begin from; "" if it was never written anywhere.
        opens: Whether others begin at update 0 too, so that the first state is worth keeping.
        last: Whether nobody else goes on from the state it begins from.
        save: Whether its end is to be saved.
        measure: Whether a run ends with it.
        every: Seconds after which a state is saved on the way.
        metrics: What was measured before anything was trained, and is to be measured at the end.
    """

    index: int
    task: str
    way: Way
    start: int = 0
    digest: str = ""
    opens: bool = False
    last: bool = False
    save: bool = False
    measure: bool = False
    every: float = float("inf")
    metrics: tuple[str, ...] = ()

    def name(self, updates: int) -> str:
        """Return the name of the run's state behind so many updates."""
        return self.way.until(updates).key(self.task)


@dataclass(frozen=True, eq=False)
class Trained:
    """Some updates of a job were made."""

    index: int
    updates: int


@dataclass(frozen=True, eq=False)
class Checkpointed:
    """The updates of a job until now are safe: a state behind `stop` updates was saved."""

    index: int
    stop: int
    losses: Losses
    kept: SavedState
    seconds: float


@dataclass(frozen=True, eq=False)
class Done:
    """A job has ended.

    Args:
        index: Index of the segment.
        outcome: What came of the updates behind the last part.
        kept: The state that was saved at its end.
        seconds: Time since the last part.
    """

    index: int
    outcome: Outcome
    kept: SavedState | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class StateMissing:
    """The state that a job begins from is damaged, or no longer there."""

    index: int
    state: str


@dataclass(frozen=True, eq=False)
class WorkerDied:
    """Whoever had a job has died."""

    index: int
    why: str


@dataclass(frozen=True, eq=False)
class Fatal:
    """The comparison cannot go on: a disk is full, or workers cannot begin.

    Args:
        index: Index of a segment.
        rule: What is wrong.
        fix: What to do.
        traceback: What somebody's code has raised, as text, or "".
    """

    index: int
    rule: str
    fix: str | Fix
    traceback: str = ""


Event = Trained | Checkpointed | Done | StateMissing | WorkerDied | Fatal
