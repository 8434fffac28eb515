"""Looking at a schedule before a run is spent on it: in the terminal, as a figure, in numbers."""

import sys
from types import ModuleType
from typing import Any

from ratewise._renamed import renamed
from ratewise.show.curves import ScheduleCurve
from ratewise.show.landmarks import Landmark, landmarks
from ratewise.show.metrics import read_metrics
from ratewise.show.picture import Picture, figure, show
from ratewise.show.survey import Jump, Survey

__all__ = [
    "Jump",
    "Landmark",
    "Picture",
    "ScheduleCurve",
    "Survey",
    "figure",
    "landmarks",
    "read_metrics",
    "show",
]


def __getattr__(name: str) -> Any:
    return renamed(name, {"Curve": ScheduleCurve}, __name__)


class _Room(ModuleType):
    """This module, which can be called.

    Importing a module makes it an attribute of its package. So `ratewise.show` may be this room
    or the function in it, whichever came last, and has to work as both.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Picture:
        return show(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
