"""The schedule that a model was compiled with, and its optimizer with a number in place of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = ("warmup_target", "initial_learning_rate", "values")
"""Arguments of Keras' schedules that hold their largest rate: the first that is given."""


def schedule_of(optimizer: Any) -> Mapping[str, Any] | None:
    """Return the config of the schedule that an optimizer of Keras follows; None if it does not.

    Only its config tells: the attribute `learning_rate` is the number that the schedule is at.
    """
    try:
        config = optimizer.get_config()
    except (AttributeError, NotImplementedError, TypeError):  # of a class of the user's own
        return None
    given = _innermost(config).get("learning_rate")
    return given if isinstance(given, Mapping) else None


def with_number(optimizer: Any) -> Any:
    """Return the optimizer, made anew with the largest rate of its schedule if that is known."""
    schedule = schedule_of(optimizer)
    arguments = {} if schedule is None else schedule.get("config") or {}
    largest = next((arguments[name] for name in _LARGEST if arguments.get(name) is not None), None)
    if largest is None:
        return optimizer
    config = optimizer.get_config()
    rates = largest if isinstance(largest, list | tuple) else [largest]
    _innermost(config)["learning_rate"] = max(float(one) for one in rates)
    return type(optimizer).from_config(config)


def _innermost(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the optimizer inside those that wrap another, such as a loss scale."""
    while isinstance(inner := config.get("inner_optimizer"), Mapping):
        config = inner["config"]
    return config
