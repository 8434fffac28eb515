"""Which schedule, which peak, which length suit a task, with the evidence."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ratewise.choose.advice import Advice, Facts, advise, recipe, recipes
from ratewise.choose.comparing import compare
from ratewise.choose.comparison import Comparison, Record
from ratewise.choose.finding import Found, find
from ratewise.choose.halving import Halving
from ratewise.choose.peaks import Search
from ratewise.choose.protocols import Run, Task

if TYPE_CHECKING:
    from ratewise.choose.keras_task import KerasTask
    from ratewise.choose.laws import Curve, Fit, Prediction, fit
    from ratewise.choose.lightning_task import LightningTask
    from ratewise.choose.torch_task import TorchTask
    from ratewise.choose.transformers_task import TrainerTask

__all__ = [
    "Advice",
    "Comparison",
    "Curve",
    "Facts",
    "Fit",
    "Found",
    "Halving",
    "KerasTask",
    "LightningTask",
    "Prediction",
    "Record",
    "Run",
    "Search",
    "Task",
    "TorchTask",
    "TrainerTask",
    "advise",
    "compare",
    "find",
    "fit",
    "recipe",
    "recipes",
]

_LAWS = ("Curve", "Fit", "Prediction", "fit")
_TASKS = {
    "KerasTask": "keras_task",
    "LightningTask": "lightning_task",
    "TorchTask": "torch_task",
    "TrainerTask": "transformers_task",
}


def __getattr__(name: str) -> Any:
    """Load a framework's task, and laws with their libraries, when first asked for."""
    if name in _LAWS:
        from ratewise.choose import laws

        return getattr(laws, name)
    if name in _TASKS:
        return getattr(import_module(f"ratewise.choose.{_TASKS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
