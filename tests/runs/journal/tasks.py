"""A task of a few numbers that writes down every update it makes, and can be killed in one."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

import ratewise as rw

TOTAL = 120
SCHEDULES = {
    "constant": rw.Warmup(10) >> rw.Hold(),
    "late": rw.Warmup(10) >> rw.Hold() >> rw.Linear(to=0, over="20%"),
    "later": rw.Warmup(10) >> rw.Hold() >> rw.Linear(to=0, over="10%"),
    "step": rw.Warmup(10) >> rw.Step(0.1, at=("50%", "80%")),
    "cosine": rw.Warmup(10) >> rw.Cosine(to=0),
}

ASKED: Any = {"total": TOTAL, "peaks": [0.05, 0.2], "seeds": 2}


def records(result):
    """All that a comparison says of its runs, to the bit, with NaN equal to itself."""
    return json.dumps([{**run.to_dict(), "rates": run.rates.tolist()} for run in result.runs])


def stop_after(updates):
    """Progress that stops by hand behind so many updates."""

    def progress(done, planned, what):
        if done >= updates:
            raise KeyboardInterrupt

    return progress


class Run:
    """Descent on a bowl of eight numbers, with noisy gradients."""

    def __init__(self, seed: int, note: Any) -> None:
        self.random = np.random.default_rng(seed)
        self.w = self.random.normal(size=8)
        self.t, self.note = 0, note

    def train(self, rates: Any) -> Any:
        losses = []
        for rate in rates:
            self.note(self.t, float(rate))
            losses.append(float(self.w @ self.w / 2) if rate < 3 else math.nan)
            self.w = self.w - rate * (self.w + 0.5 * self.random.normal(size=8))
            self.t += 1
        return np.array(losses)

    def measure(self) -> dict[str, float]:
        return {"loss": float(self.w @ self.w / 2)}

    def save(self) -> Any:
        return {"w": self.w.copy(), "random": self.random.bit_generator.state, "t": self.t}

    def restore(self, state: Any) -> None:
        self.w, self.t = state["w"].copy(), state["t"]
        self.random.bit_generator.state = state["random"]


class Bowl:
    """The task.

    Args:
        notes: File to which each update appends the seed, its place and its rate.
        kill: Updates of this process behind which it is killed, or None.
        once: File that is made when it is killed, and saves it from being killed again.
    """

    peak = 0.1

    def __init__(
        self, notes: Path | None = None, kill: int | None = None, once: Path | None = None
    ) -> None:
        self.notes, self.kill, self.once, self.made = notes, kill, once, 0

    def open(self, seed: int) -> Run:
        def note(t: int, rate: float) -> None:
            self.made += 1
            if self.notes is not None:
                with self.notes.open("a") as file:
                    file.write(json.dumps([seed, t, rate]) + "\n")
            if self.made == self.kill and (self.once is None or not self.once.exists()):
                if self.once is not None:
                    self.once.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return Run(seed, note)
