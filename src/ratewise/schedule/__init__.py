"""The value: moves, composition, lengths, text and JSON form, evaluation."""

from ratewise.schedule.base import Schedule
from ratewise.schedule.compose import Clip, Product, Scale, Sequence
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.forms import from_dict, from_json
from ratewise.schedule.move import Move
from ratewise.schedule.moves import Cosine, Exponential, Hold, Linear, Polynomial, Sqrt, Warmup
from ratewise.schedule.plan import Plan
from ratewise.schedule.repeat import Repeat
from ratewise.schedule.steps import Function, Piecewise, Step
from ratewise.schedule.text import parse

__all__ = [
    "Clip",
    "Cosine",
    "Exponential",
    "Function",
    "Hold",
    "Linear",
    "Move",
    "Piecewise",
    "Plan",
    "Polynomial",
    "Product",
    "Repeat",
    "Scale",
    "Schedule",
    "ScheduleError",
    "Sequence",
    "Sqrt",
    "Step",
    "Warmup",
    "from_dict",
    "from_json",
    "parse",
]
