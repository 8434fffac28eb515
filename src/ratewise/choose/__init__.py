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
    from ratewise.choose.choosing import Choice, choose
    from ratewise.choose.keras_task import KerasTask
    from ratewise.choose.laws import (
        Bound,
        Curve,
        Fit,
        Prediction,
        Transfer,
        bound,
        fit,
        read_curves,
        refine,
        transfer,
    )
    from ratewise.choose.lightning_task import LightningTask
    from ratewise.choose.torch_task import TorchTask
    from ratewise.choose.transformers_task import TrainerTask

__all__ = [
    "Advice",
    "Bound",
    "Choice",
    "Comparison",
    "Curve",
    "Facts",
    "Fit",
    "Found",
    "Halving",
    "KerasTask",
    "LightningTask",
    "Prediction",
    "Profile",
    "Record",
    "Run",
    "Search",
    "Task",
    "TorchTask",
    "TrainerTask",
    "Transfer",
    "advise",
    "bound",
    "choose",
    "compare",
    "find",
    "fit",
    "profile",
    "read_curves",
    "recipe",
    "recipes",
    "refine",
    "transfer",
]

_LATER = {
    "Bound": "laws",
    "Choice": "choosing",
    "Curve": "laws",
    "Fit": "laws",
    "KerasTask": "keras_task",
    "LightningTask": "lightning_task",
    "Prediction": "laws",
    "TorchTask": "torch_task",
    "TrainerTask": "transformers_task",
    "Transfer": "laws",
    "bound": "laws",
    "choose": "choosing",
    "fit": "laws",
    "read_curves": "laws",
    "refine": "laws",
    "transfer": "laws",
}
"""What needs a framework or a library, and the module that has it."""


def __getattr__(name: str) -> Any:
    """Load a framework's task, and what needs other libraries, when first asked for."""
    if name in _LATER:
        return getattr(import_module(f"ratewise.choose.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
