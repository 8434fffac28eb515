"""What is asked of the arguments of every task, and of what its functions return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.schedule import ScheduleError


def check_functions(
    task: Any,
    returns: Mapping[str, str],
    optional: tuple[str, ...] = (),
    refused: tuple[type, ...] = (),
) -> None:
    """Refuse arguments of a task that are no functions.

    Args:
        task: The task.
        returns: What each argument returns, by its name.
        optional: Names of those that may be None.
        refused: Classes of what can be called and makes nothing, such as a model.
    """
    for name, what in returns.items():
        value = getattr(task, name)
        wrong = not callable(value) or isinstance(value, refused)
        if wrong and not (value is None and name in optional):
            who = f"{type(task).__name__}({name}=…)"
            fix = f"give one that returns the {what}"
            raise ScheduleError(who, "is no function", fix, given=value)


def check_names(task: Any) -> None:
    """Refuse the name of one metric in place of a tuple of names."""
    names = task.higher_is_better
    if isinstance(names, str):
        who = f"{type(task).__name__}(higher_is_better={names!r})"
        raise ScheduleError(who, "needs a tuple of names", f"write higher_is_better=({names!r},)")


def as_metrics(given: Any) -> dict[str, float]:
    """Return what a metric returned as a dict; one number alone is called "metric"."""
    named: Mapping[str, Any] = given if isinstance(given, Mapping) else {"metric": given}
    return {str(name): float(value) for name, value in named.items()}
