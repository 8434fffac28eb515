"""The value: moves, composition, lengths, text and JSON form, evaluation.

A new shape is a class (or a function that composes others) in the file that it belongs to, and its
name in that file's `__all__`. Exports, texts, dict forms, the page of shapes and the code writers
follow from there.
"""
# ruff: noqa: F403  (each file of shapes says by its `__all__` what it offers)

from ratewise.schedule import (
    bends,
    compose,
    cyclic,
    decays,
    frames,
    greedy,
    moves,
    named,
    plateau,
    repeat,
    steps,
    warmup,
)
from ratewise.schedule.base import Schedule
from ratewise.schedule.bends import *
from ratewise.schedule.compose import *
from ratewise.schedule.cyclic import *
from ratewise.schedule.decays import *
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.feedback import Feedback
from ratewise.schedule.forms import from_dict, from_json
from ratewise.schedule.frames import *
from ratewise.schedule.greedy import *
from ratewise.schedule.machine import Machine
from ratewise.schedule.move import Move
from ratewise.schedule.moves import *
from ratewise.schedule.named import *
from ratewise.schedule.plan import Plan
from ratewise.schedule.plateau import *
from ratewise.schedule.repeat import *
from ratewise.schedule.simulate import Simulation
from ratewise.schedule.steps import *
from ratewise.schedule.text import parse
from ratewise.schedule.warmup import *

__all__ = [
    "Feedback",
    "Machine",
    "Move",
    "Plan",
    "Schedule",
    "ScheduleError",
    "Simulation",
    "from_dict",
    "from_json",
    "parse",
]
__all__ += bends.__all__
__all__ += compose.__all__
__all__ += cyclic.__all__
__all__ += decays.__all__
__all__ += frames.__all__
__all__ += greedy.__all__
__all__ += moves.__all__
__all__ += named.__all__
__all__ += plateau.__all__
__all__ += repeat.__all__
__all__ += steps.__all__
__all__ += warmup.__all__
