"""Which schedule, which peak, which length suit a task, with the evidence."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ratewise.choose.advice import Advice, Facts, advise, recipe, recipes
from ratewise.choose.comparing import compare
from ratewise.choose.comparison import Comparison, Record
from ratewise.choose.finding import Found, find
from ratewise.choose.halving import Halving
from ratewise.choose.peaks import Search
from ratewise.choose.profiles import Profile, profile
from ratewise.choose.protocols import Run, Task

if TYPE_CHECKING:
    from ratewise.choose.laws import Curve, Fit, Prediction, fit, read_curves
    from ratewise.choose.torch_task import TorchTask

__all__ = [
    "Advice",
    "Comparison",
    "Curve",
    "Facts",
    "Fit",
    "Found",
    "Halving",
    "Prediction",
    "Profile",
    "Record",
    "Run",
    "Search",
    "Task",
    "TorchTask",
    "advise",
    "compare",
    "find",
    "fit",
    "profile",
    "read_curves",
    "recipe",
    "recipes",
]

_LAWS = ("Curve", "Fit", "Prediction", "fit", "read_curves")
_TASKS = {
    "TorchTask": "torch_task",
}


def __getattr__(name: str) -> Any:
    """Load a framework's task, and laws with their libraries, when first asked for."""
    if name in _LAWS:
        from ratewise.choose import laws

        return getattr(laws, name)
    if name in _TASKS:
        return getattr(import_module(f"ratewise.choose.{_TASKS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
