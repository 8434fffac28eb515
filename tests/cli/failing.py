"""Tasks that fail, as a user's file: each in one method, at once or behind some updates."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


class Run:
    """Descent on a parabola."""

    def __init__(self) -> None:
        self.w, self.made = 1.0, 0

    def train(self, rates: Any) -> Any:
        losses = []
        for rate in rates:
            losses.append(self.w**2)
            self.w -= rate * self.w
            self.made += 1
        return np.array(losses)

    def measure(self) -> Any:
        return {"loss": self.w**2, "more": 1.0}

    def save(self) -> Any:
        return self.w, self.made

    def restore(self, state: Any) -> None:
        self.w, self.made = state


class Fine:
    """A task with which nothing is wrong."""

    peak: Any = 0.1
    run: type = Run

    def open(self, seed: int) -> Any:
        return self.run()


def fails(*_: Any) -> Any:
    raise ZeroDivisionError("this fails\nand says it in two lines")


def leaves(*_: Any) -> Any:
    sys.exit(0)


def stops(*_: Any) -> Any:
    raise KeyboardInterrupt


def late(run: Run) -> Any:
    """Measures well before anything is trained, and fails behind that."""
    return fails() if run.made else {"loss": 1.0}


def one(**methods: Any) -> Any:
    """Return a task whose runs have some methods of their own."""
    task = Fine()
    task.run = type("Broken", (Run,), methods)
    return task


def gives(value: Any) -> Any:
    return lambda *_: value


class Shut(Fine):
    def open(self, seed: int) -> Any:
        fails()


class Nothing(Fine):
    def open(self, seed: int) -> Any:
        return None


class Peakless(Fine):
    @property
    def peak(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return {}["no such rate"]


def make() -> Any:
    return fails()


def needs(what: Any) -> Any:
    return what


fine, shut, nothing, peakless, number = Fine(), Shut(), Nothing(), Peakless(), 5
train, measure, save, restore = (one(**{n: fails}) for n in ("train", "measure", "save", "restore"))
left, stopped, later = one(train=leaves), one(train=stops), one(measure=late)
nan, inf = one(measure=gives({"loss": np.nan})), one(measure=gives({"loss": np.inf}))
text, pair = one(measure=gives({"loss": "good"})), one(measure=gives({"loss": np.ones(2)}))
none, complex_ = one(measure=gives({"loss": None})), one(measure=gives({"loss": 1j}))
unnamed, empty = one(measure=gives({3: 1.0})), one(measure=gives({}))
plain, gone = (
    one(measure=gives(0.5)),
    one(measure=lambda run: {"more" if run.made else "loss": 1.0}),
)
losses_none, losses_few = one(train=gives(None)), one(train=gives([1.0]))
losses_text = one(train=lambda run, rates: ["good"] * len(rates))
losses_complex = one(train=lambda run, rates: 1j * rates)
unsaved = one(save=lambda run: (run.w, lambda: 0))
