"""How far a whole choice is: its stages by name, against the budget, with the best so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ratewise.runs.execution import Progress, Watcher

FINDING = "range test"

STAGES = {"own": "your own settings", "probe": "probes", "search": "search", "prove": "proof"}
"""What stages are called where somebody looks on."""


EXACT = ("own", "prove")
"""Stages whose runs are each trained alone, whatever trains the others."""


class SearchSoFar(Protocol):
    """What a search says of itself while it goes on."""

    stage: str
    metric: str

    @property
    def best(self) -> float | None:
        """The best metric so far, or None."""
        ...


class Stages:
    """Stands between those who train one list after the other, and whoever looks on.

    Args:
        watch: Who looks on, or None.
        budget: Updates that may be trained in all.

    Attributes:
        search: The search, once there is one.
    """

    def __init__(self, watch: Progress | None, budget: int) -> None:
        self._watch, self._budget = watch, budget
        self.search: SearchSoFar | None = None

    @property
    def name(self) -> str:
        """What is on."""
        return FINDING if self.search is None else STAGES[self.search.stage]

    @property
    def exact(self) -> bool:
        """Whether what is on is trained to the last bit."""
        return self.search is not None and self.search.stage in EXACT

    def planned(self, driver: Any) -> None:
        """Take note of a list of runs that is about to be trained."""
        if isinstance(self._watch, Watcher):
            self._watch.planned(driver)

    def __call__(self, done: int, planned: int, what: str) -> None:
        if self._watch is None:
            return
        best = None if self.search is None else self.search.best
        told = "" if best is None or self.search is None else (
            f"; best {self.search.metric} {best:.4g}")  # fmt: skip
        self._watch(done, max(self._budget, done), f"{what}{told}")

    @property
    def finding(self) -> Callable[[int, int, str], None]:
        """Who is told how far the range test is, against the same budget."""
        return lambda done, planned, what: self(done, planned, f"{FINDING}: {what}")
