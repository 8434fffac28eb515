"""What a driver hands to an engine, and what comes back from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratewise.runs.keys import key
from ratewise.tasks.protocols import Losses, Rates

SavedState = tuple[int, str]
"""A state that was saved: its bytes and its SHA-256."""


@dataclass(frozen=True, eq=False)
class Job:
    """A stretch to train.

    Args:
        index: Index of the stretch.
        task: Fingerprint of the task; states are named after it.
        seed: Seed of the run.
        optimizer: Name of the optimizer that the run brings, or None.
        rates: Absolute rates from the run's first update to the last of the stretch.
        start: Update to begin with.
        digest: SHA-256 of the state to begin from; "" if it was never written anywhere.
        opens: Whether others begin at update 0 too, so that the first state is worth keeping.
        last: Whether nobody else goes on from the state it begins from.
        save: Whether its end is to be saved.
        measure: Whether a run ends with it.
        every: Seconds after which a state is saved on the way.
    """

    index: int
    task: str
    seed: int
    optimizer: str | None
    rates: Rates = field(repr=False)
    start: int = 0
    digest: str = ""
    opens: bool = False
    last: bool = False
    save: bool = False
    measure: bool = False
    every: float = float("inf")

    def name(self, updates: int) -> str:
        """Return the name of the run's state behind so many updates."""
        return key(self.task, self.seed, self.optimizer, self.rates[:updates])


@dataclass(frozen=True, eq=False)
class Trained:
    """Some updates of a job were made."""

    index: int
    updates: int


@dataclass(frozen=True, eq=False)
class Part:
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
        index: Index of the stretch.
        losses: Losses of the updates behind the last part, NaN where nothing was trained.
        metrics: What was measured at its end.
        error: Traceback of an exception in the task's code, or None.
        diverged: The first update of the run whose loss was not finite, or None.
        kept: The state that was saved at its end.
        seconds: Time since the last part.
    """

    index: int
    losses: Losses
    metrics: Mapping[str, float]
    error: str | None = None
    diverged: int | None = None
    kept: SavedState | None = None
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether others can go on from its end."""
        return self.diverged is None and (self.error is None or self.kept is not None)


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
    """The comparison cannot go on: a disk is full, or workers cannot begin."""

    index: int
    rule: str
    fix: str


Event = Trained | Part | Done | StateMissing | WorkerDied | Fatal
