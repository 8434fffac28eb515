"""What the tasks of all frameworks share: functions that say what, and one for the optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import OwnSchedule


@dataclass(frozen=True)
class ReadyTask(ABC):
    """A task that is made of functions, which are checked when it is made.

    Args:
        small: Whether two of its runs fit on a device, and one alone leaves it idle: then workers
            are two for each.
    """

    small: bool = field(default=False, kw_only=True, repr=False)

    _functions: ClassVar[tuple[str, ...]]
    """Names of the arguments that are functions; those whose default is None may be None."""
    _refused: ClassVar[tuple[type, ...]] = ()
    """Classes of what can be called and makes nothing, such as a model."""

    def __post_init__(self) -> None:
        for name in self._functions:
            value = getattr(self, name)
            optional = getattr(type(self), name, ...) is None
            wrong = not callable(value) or isinstance(value, self._refused)
            if wrong and not (value is None and optional):
                who = f"{type(self).__name__}({name}=…)"
                fix = f"give one that returns the {name.removeprefix('make_')}"
                raise ScheduleError(who, "is no function", fix, given=value)
        names = getattr(self, "higher_is_better", ())
        if isinstance(names, str):
            who = f"{type(self).__name__}(higher_is_better={names!r})"
            fix = f"write higher_is_better=({names!r},)"
            raise ScheduleError(who, "needs a tuple of names", fix)

    @abstractmethod
    def open(self, seed: int) -> Any:
        """Return a run before its first update."""

    def with_optimizer(self, optimizer: Callable[[Any], Any]) -> Self:
        """Return the same task with another optimizer."""
        return replace(self, optimizer=optimizer)

    def own_schedule(self, total: int) -> OwnSchedule | None:
        """Return what moves the optimizer's rate in a run of so many updates; None if nothing."""
        return None

    @cached_property
    def peak(self) -> float:
        """The optimizer's own learning rate, of the group where it is largest."""
        return self.open(0).peak
