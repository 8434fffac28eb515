"""The value: moves, composition, lengths, text and JSON form, evaluation."""

from ratewise.schedule.base import Schedule
from ratewise.schedule.bends import LinearCosine, Part, Rex, Tanh, Wave
from ratewise.schedule.compose import Clip, Product, Scale, Sequence
from ratewise.schedule.cyclic import Cyclic, Jagged, OneCycle, Restarts, WSDCycles
from ratewise.schedule.decays import (
    ExponentialDecay,
    InverseTime,
    NaturalDecay,
    PolynomialCycles,
    Power,
    Saturate,
)
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.feedback import Feedback
from ratewise.schedule.forms import from_dict, from_json
from ratewise.schedule.frames import Between, Until
from ratewise.schedule.greedy import EarlyCool, Greedy
from ratewise.schedule.machine import Machine
from ratewise.schedule.move import Move
from ratewise.schedule.moves import Cosine, Exponential, Hold, Linear, Polynomial, Sqrt
from ratewise.schedule.named import (
    SWA,
    WSD,
    FlatCosine,
    InverseSqrt,
    Noam,
    SlantedTriangular,
    UntunedWarmup,
)
from ratewise.schedule.plan import Plan
from ratewise.schedule.plateau import Divergence, Plateau
from ratewise.schedule.repeat import Repeat
from ratewise.schedule.simulate import Simulation
from ratewise.schedule.steps import Function, Piecewise, Step
from ratewise.schedule.text import parse
from ratewise.schedule.warmup import Warmup

__all__ = [
    "SWA",
    "WSD",
    "Between",
    "Clip",
    "Cosine",
    "Cyclic",
    "Divergence",
    "EarlyCool",
    "Exponential",
    "ExponentialDecay",
    "Feedback",
    "FlatCosine",
    "Function",
    "Greedy",
    "Hold",
    "InverseSqrt",
    "InverseTime",
    "Jagged",
    "Linear",
    "LinearCosine",
    "Machine",
    "Move",
    "NaturalDecay",
    "Noam",
    "OneCycle",
    "Part",
    "Piecewise",
    "Plan",
    "Plateau",
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
    "Simulation",
    "SlantedTriangular",
    "Sqrt",
    "Step",
    "Tanh",
    "Until",
    "UntunedWarmup",
    "WSDCycles",
    "Warmup",
    "Wave",
    "from_dict",
    "from_json",
    "parse",
]
