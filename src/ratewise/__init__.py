"""Learning-rate schedules, described once, run anywhere, chosen by evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratewise.schedule import (
    SWA,
    WSD,
    Between,
    Clip,
    Cosine,
    Cyclic,
    Exponential,
    ExponentialDecay,
    FlatCosine,
    Function,
    Hold,
    InverseSqrt,
    InverseTime,
    Jagged,
    Linear,
    LinearCosine,
    Move,
    NaturalDecay,
    Noam,
    OneCycle,
    Part,
    Piecewise,
    Plan,
    Polynomial,
    PolynomialCycles,
    Power,
    Product,
    Repeat,
    Restarts,
    Rex,
    Saturate,
    Scale,
    Schedule,
    ScheduleError,
    Sequence,
    SlantedTriangular,
    Sqrt,
    Step,
    Tanh,
    Until,
    UntunedWarmup,
    Warmup,
    Wave,
    WSDCycles,
    from_dict,
    from_json,
    parse,
)

if TYPE_CHECKING:
    from ratewise.show import show

__version__ = "0.1.0"

__all__ = [
    "SWA",
    "WSD",
    "Between",
    "Clip",
    "Cosine",
    "Cyclic",
    "Exponential",
    "ExponentialDecay",
    "FlatCosine",
    "Function",
    "Hold",
    "InverseSqrt",
    "InverseTime",
    "Jagged",
    "Linear",
    "LinearCosine",
    "Move",
    "NaturalDecay",
    "Noam",
    "OneCycle",
    "Part",
    "Piecewise",
    "Plan",
    "Polynomial",
    "PolynomialCycles",
    "Power",
    "Product",
    "Repeat",
    "Restarts",
    "Rex",
    "Saturate",
    "Scale",
    "Schedule",
    "ScheduleError",
    "Sequence",
    "SlantedTriangular",
    "Sqrt",
    "Step",
    "Tanh",
    "Until",
    "UntunedWarmup",
    "WSDCycles",
    "Warmup",
    "Wave",
    "__version__",
    "from_dict",
    "from_json",
    "parse",
    "show",
]


def __getattr__(name: str) -> Any:
    if name == "show":  # drawing loads more than numpy, so only who draws pays for it
        from ratewise.show import show

        return show
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
