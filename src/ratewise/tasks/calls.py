"""A task, called: what it raises is one error, and what it returns is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ratewise.schedule.errors import Who, shorten
from ratewise.tasks.failures import TaskError, name_of, users_code
from ratewise.tasks.protocols import Losses, Rates, Run, Task

_RUN = ("train", "measure", "save", "restore")


def opened(task: Task, seed: int, needs: Iterable[str] = _RUN) -> Run:
    """Return a run before its first update.

    Raises:
        TaskError: the task's code raised, or returned what is no run.
    """
    with users_code(name_of(task)):
        run: Any = task.open(seed)
    missing = [name for name in needs if not callable(getattr(run, name, None))]
    if missing:
        who, rule = f"{type(task).__name__}.open({seed})", f"returned what has no {missing[0]}()"
        fix = "return a run that has train, measure, save and restore"
        raise TaskError(who, rule, fix, given=run)
    return run


def trained(run: Any, rates: Rates) -> Losses:
    """Make one update per rate, and return the loss of each.

    Raises:
        TaskError: it returned something else.
    """
    given = run.train(rates)
    fix = "return one training loss for each rate, float64[k]"
    who = f"{type(run).__name__}.train(rates)"
    try:
        losses = _floats(given)
    except Exception:  # whatever another framework raises, too
        raise TaskError(who, "returned losses that are no numbers", fix, given=given) from None
    if losses.shape != rates.shape:
        rule = f"returned losses of shape {losses.shape} for {len(rates)} rates"
        raise TaskError(who, rule, fix)
    return losses


def measured(run: Any, names: Iterable[str] = ()) -> dict[str, float]:
    """Return the metrics of a run as it stands.

    Args:
        run: The run.
        names: What it measured before, and has to measure again.

    Raises:
        TaskError: they are no numbers by name, or one is missing.
    """
    who = f"{type(run).__name__}.measure()"
    given = run.measure()
    if not isinstance(given, Mapping):
        fix = 'return a dict of numbers, such as {"loss": 0.5}'
        raise TaskError(who, "returned no dict", fix, given=given)
    found = as_metrics(who, given)
    for name in names:
        if name not in found:
            has = ", ".join(found) or "nothing"
            rule = f"returned no {name!r} this time, but {has}"
            raise TaskError(who, rule, "return the same names every time")
    return found


def peak_of(task: Any) -> float | None:
    """Return the learning rate that a task has of its own, or None.

    Raises:
        TaskError: the task's code raised.
    """
    if not hasattr(type(task), "peak") and "peak" not in getattr(task, "__dict__", ()):
        return None
    with users_code(name_of(task)):
        return task.peak


def as_metrics(who: Who, given: Any) -> dict[str, float]:
    """Return what a metric returned as a dict; one number alone is called "metric".

    Raises:
        TaskError: it is neither a number nor a dict of numbers by name.
    """
    named: Mapping[Any, Any] = given if isinstance(given, Mapping) else {"metric": given}
    return {_name(who, name): _number(who, name, value) for name, value in named.items()}


def _name(who: Who, name: Any) -> str:
    if not isinstance(name, str):
        rule = f"gave the name {shorten(name)} to a metric"
        raise TaskError(who, rule, "return a dict whose keys are texts")
    return name


def _number(who: Who, name: Any, value: Any) -> float:
    """Return a metric as a float."""
    try:
        return _float(value)
    except Exception:  # tensors of several numbers, None, and whatever else
        rule = f"returned {shorten(value)} as {shorten(name)}"
        fix = "return a number, or a dict of numbers by name"
        raise TaskError(who, rule, fix) from None


def _float(value: Any) -> float:
    """Return one number as a float; a text that looks like one is none."""
    if isinstance(value, str | bytes):
        raise TypeError
    return float(value)


def _floats(given: Any) -> Losses:
    """Return numbers of any kind as float64; None, texts and complex numbers are none."""
    found = np.asarray(given)
    if found.dtype.kind in "USc":
        raise TypeError
    if found.dtype.kind == "O":
        return np.array([_float(value) for value in found.ravel()]).reshape(found.shape)
    return found.astype(np.float64)
