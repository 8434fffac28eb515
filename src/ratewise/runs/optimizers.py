"""Optimizers that candidates bring: their names, and the task with each of them."""

from __future__ import annotations

from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, shorten
from ratewise.tasks.protocols import Task


def makes_optimizers(given: Any) -> bool:
    """Tell whether this is a function of a model, and not a schedule, which can be called too."""
    return callable(given) and not isinstance(given, Schedule | Plan)


class Names:
    """A name for every function that makes an optimizer, its own where that tells them apart.

    Two candidates share updates only if they bring the very same function.
    """

    def __init__(self) -> None:
        self._named: list[tuple[Any, str]] = []

    def of(self, optimizer: Any, candidate: str) -> str | None:
        """Return the name, made up from the candidate's if the function has none of its own."""
        if optimizer is None:
            return None
        for known, name in self._named:
            if known is optimizer:
                return name
        name = self._free(getattr(optimizer, "__name__", "<none>"), candidate)
        self._named.append((optimizer, name))
        return name

    def _free(self, own: str, candidate: str) -> str:
        taken = {name for _, name in self._named}
        tries = [candidate] if own.startswith("<") else [own, candidate]
        tries += [f"{candidate} {i}" for i in range(2, len(taken) + 3)]
        return next(name for name in tries if name not in taken)


class Tasks:
    """A task, with its own optimizer (None) and with those that candidates bring."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._others: list[tuple[Any, Task]] = []

    def of(self, optimizer: Any) -> Task:
        """Return the task with an optimizer.

        Raises:
            ScheduleError: the task cannot take another optimizer.
        """
        if optimizer is None:
            return self._task
        for known, task in self._others:
            if known is optimizer:
                return task
        if not callable(getattr(self._task, "with_optimizer", None)):
            rule = f"cannot give another optimizer to {shorten(self._task)}"
            raise ScheduleError(
                Call("compare"), rule, "give schedules alone, or write with_optimizer(optimizer)"
            )
        self._others.append((optimizer, self._task.with_optimizer(optimizer)))
        return self._others[-1][1]

    def peak(self, optimizer: Any) -> float | None:
        """Return the learning rate that the task has with an optimizer, or None."""
        return getattr(self.of(optimizer), "peak", None)
