"""Learning-rate schedules, described once, run anywhere, chosen by evidence.

Here is what people write every day. Rarer shapes are in `ratewise.schedule`, and in texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratewise import schedule
from ratewise.schedule import (
    WSD,
    Cosine,
    Cyclic,
    Divergence,
    EarlyCool,
    Exponential,
    ExponentialDecay,
    Function,
    Greedy,
    Hold,
    InverseSqrt,
    Linear,
    Move,
    OneCycle,
    Piecewise,
    Plan,
    Plateau,
    Polynomial,
    Power,
    Repeat,
    Restarts,
    Schedule,
    ScheduleError,
    Sqrt,
    Step,
    Warmup,
    from_dict,
    from_json,
    parse,
)
from ratewise.schedule.base import Described

if TYPE_CHECKING:
    from ratewise.show import show

__version__ = "0.1.0"
"""The version of the package."""

__all__ = [
    "WSD",
    "Cosine",
    "Cyclic",
    "Divergence",
    "EarlyCool",
    "Exponential",
    "ExponentialDecay",
    "Function",
    "Greedy",
    "Hold",
    "InverseSqrt",
    "Linear",
    "Move",
    "OneCycle",
    "Piecewise",
    "Plan",
    "Plateau",
    "Polynomial",
    "Power",
    "Repeat",
    "Restarts",
    "Schedule",
    "ScheduleError",
    "Sqrt",
    "Step",
    "Warmup",
    "__version__",
    "from_dict",
    "from_json",
    "parse",
    "show",
]


def _picture(value: Any) -> str | None:
    """Return a schedule or a plan as a notebook shows it."""
    from ratewise.show.notebook import picture

    return picture(value)


Described.draw = staticmethod(_picture)


def __getattr__(name: str) -> Any:
    if name == "show":  # drawing loads more than numpy, so only who draws pays for it
        from ratewise.show import show

        return show
    if name in schedule.__all__:  # `ratewise.Rex` is written in code that is older than this list
        return getattr(schedule, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
