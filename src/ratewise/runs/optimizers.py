"""Optimizers that candidates bring: their names, and the task with each of them."""

from __future__ import annotations

from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, shorten
from ratewise.tasks.calls import peak_of
from ratewise.tasks.failures import name_of, users_code
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
    """A task, with its own optimizer (None) and with those that candidates bring.

    Raises:
        ScheduleError: it is no task.

    Attributes:
        task: The task, with its own.
    """

    def __init__(self, task: Any) -> None:
        if not isinstance(task, Task):
            rule = "needs a task with open(seed)"
            fix = "give a TorchTask, or write the Task protocol"
            raise ScheduleError(Call("compare"), rule, fix, given=task)
        self.task = task
        self._others: list[tuple[Any, Task]] = []

    def of(self, optimizer: Any) -> Task:
        """Return the task with an optimizer.

        Raises:
            ScheduleError: the task cannot take another optimizer.
        """
        if optimizer is None:
            return self.task
        for known, task in self._others:
            if known is optimizer:
                return task
        with_optimizer = getattr(self.task, "with_optimizer", None)
        if not callable(with_optimizer):
            rule = f"cannot give another optimizer to {shorten(self.task)}"
            fix = "give schedules alone, or write with_optimizer(optimizer)"
            raise ScheduleError(Call("compare"), rule, fix)
        with users_code(name_of(self.task)):
            task: Any = with_optimizer(optimizer)
        self._others.append((optimizer, task))
        return task

    def peak(self, optimizer: Any) -> float | None:
        """Return the learning rate that the task has with an optimizer, or None."""
        return peak_of(self.of(optimizer))
