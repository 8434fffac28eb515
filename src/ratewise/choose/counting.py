"""What was really trained, also by a choice that was stopped and goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from ratewise.compare.comparison import Comparison
from ratewise.runs.journal import found_once
from ratewise.runs.specs import RunSpec


class Counter:
    """Counts the updates of lists of runs, and keeps the counts in the journal.

    A list is counted as it was trained, with whatever had to be trained again on the way to a fork.
    Begun again, nothing of it is trained, and the count is that of the first time: the same budget
    then comes to the same end.

    Args:
        journal: The journal.
        task: What is trained.
        stacked: Whether stacks train it, which is another training than alone.
    """

    def __init__(self, journal: str | os.PathLike[str], task: Any, stacked: bool = False) -> None:
        self._journal, self._task, self._mine = journal, task, uuid4().hex
        self._how = "stacked " if stacked else ""

    def counted(
        self, stage: str, specs: Sequence[RunSpec], expected: int, train: Callable[[], Comparison]
    ) -> tuple[Comparison, int]:
        """Train a list; return what comes of it, and the updates that it took the first time.

        Args:
            stage: What the list is for.
            specs: The list.
            expected: What it ought to take; counts if it was begun before and never ended.
            train: Trains it.
        """
        what = f"{self._how}{stage} of {_digest(specs)}"
        fresh = self._once(f"begun: {what}", lambda: self._mine) == self._mine
        result = train()
        told = result.trained if fresh else max(result.trained, expected)
        return result, int(self._once(f"updates: {what}", lambda: told))

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        return found_once(self._journal, self._task, what, make)


def _digest(specs: Sequence[RunSpec]) -> str:
    """Return a name for a list: its seeds and rates, in their order."""
    digest = hashlib.sha256()
    for spec in specs:
        digest.update(f"{spec.seed} {len(spec.rates)} ".encode())
        digest.update(spec.rates.tobytes())
    return digest.hexdigest()
