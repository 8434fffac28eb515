"""A schedule or a plan as a notebook shows it, with nothing known of the run."""

from __future__ import annotations

from typing import Any

from ratewise.schedule import Plan, ScheduleError
from ratewise.show.picture import show

EPOCH = 100.0
RUNS: tuple[dict[str, Any], ...] = (
    {"total": 1000},
    {"total": 1000, "epoch": EPOCH},
    {"total": 1000, "epoch": EPOCH, "samples": 32.0, "tokens": 1024.0},
)
"""Runs that are drawn where a schedule does not say how long it is: the first that will do."""


def picture(value: Any) -> str | None:
    """Return HTML of a schedule or a plan; None where it cannot be drawn.

    What needs a total, or units, is drawn over 1,000 updates, and says so.
    """
    try:
        return show(value).html(str(value), _notes(value))
    except ScheduleError:
        pass
    for run in RUNS:
        units = ", ".join(f"{size:g} updates an epoch" if name == "epoch" else f"{size:g} {name}"
                          for name, size in run.items() if name != "total")  # fmt: skip
        said = f"It does not say how long it is: drawn over 1,000 updates{units and ', '}{units}."
        try:
            return show(value, **run).html(str(value), (*_notes(value), said))
        except ScheduleError:
            continue
    return None


def _notes(value: Any) -> tuple[str, ...]:
    return value.notes if isinstance(value, Plan) else ()
