"""What all drivers share: the task, what is asked of a run, and what a run says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

LR = 3e-2
UPDATES = 4
"""Updates in an epoch."""


@dataclass(frozen=True)
class Setup:
    """What is asked of a run.

    Args:
        folder: Where it saves, behind every epoch.
        epochs: Its length.
        accumulation: Micro-batches in an update.
        short: Micro-batches by which the last window of an epoch is short.
        resume: Whether it goes on from what is in the folder.
        stop: Epoch before which it ends early; None, it does not.
        listen: Whether it is to be evaluated behind every epoch.
        after: Called behind every update with the updates made and the rate used.
        given: Whether a loop of the user's own says how long the run is.
        policy: What to do with a checkpoint that differs from the code, where there is a choice.
    """

    folder: Path
    epochs: int = 5
    accumulation: int = 1
    short: int = 0
    resume: bool = False
    stop: int | None = None
    listen: bool = False
    after: Callable[[int, float], Any] = lambda t, rate: None
    given: bool = True
    policy: str | None = None

    @property
    def total(self) -> int:
        """Updates in the run."""
        return self.epochs * UPDATES

    @property
    def told(self) -> int | None:
        """What a loop of the user's own says of its length."""
        return self.total if self.given else None

    @property
    def batches(self) -> int:
        """Micro-batches in an epoch."""
        return UPDATES * self.accumulation - self.short


@dataclass
class Ran:
    """What a run says.

    Attributes:
        used: The rate of every update, read from the optimizer when it was made.
        logged: The rates that the framework itself wrote down, one for each update or epoch.
        heard: Updates made, and loss, at every evaluation.
        replay: The open-loop plan that it followed, if it listened.
    """

    used: list[float] = field(default_factory=list)
    logged: list[float] = field(default_factory=list)
    heard: list[tuple[int, float]] = field(default_factory=list)
    replay: Any = None


def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Points near a line: inputs and targets, float32[n, 1]."""
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 1)).astype(np.float32)
    return x, (2 * x + random.normal(size=(n, 1))).astype(np.float32)


HELD_OUT = rows(16)
