"""Which schedule, which peak, which length suit a task, with the evidence: the whole way.

`choose` tests a range of rates, foresees, searches and proves. This room is also the face
of those that it is built on: `compare`, `find`, `fit`, `advise` and the tasks are had from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ratewise._renamed import renamed
from ratewise.advise import Advice, Facts, advise, recipe, recipes
from ratewise.compare import Comparison, Halving, Profile, Record, Search, compare, profile
from ratewise.range_test import RangeTestResult, find
from ratewise.tasks import Run, Task

if TYPE_CHECKING:
    from ratewise.choose.api import choose
    from ratewise.choose.result import Choice, ChoiceInterrupted
    from ratewise.logs import Curve, read_curves
    from ratewise.predict import Bound, Fit, Prediction, Transfer, bound, fit, refine, transfer
    from ratewise.tasks.keras.task import KerasTask
    from ratewise.tasks.lightning.task import LightningTask
    from ratewise.tasks.torch.task import TorchTask
    from ratewise.tasks.transformers.task import TrainerTask

__all__ = [
    "Advice",
    "Bound",
    "Choice",
    "ChoiceInterrupted",
    "Comparison",
    "Curve",
    "Facts",
    "Fit",
    "Halving",
    "KerasTask",
    "LightningTask",
    "Prediction",
    "Profile",
    "RangeTestResult",
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
    "choose.api": ("choose",),
    "choose.result": ("Choice", "ChoiceInterrupted"),
    "logs": ("Curve", "read_curves"),
    "predict": ("Bound", "Fit", "Prediction", "Transfer", "bound", "fit", "refine", "transfer"),
    "tasks.keras.task": ("KerasTask",),
    "tasks.lightning.task": ("LightningTask",),
    "tasks.torch.task": ("TorchTask",),
    "tasks.transformers.task": ("TrainerTask",),
}
"""What needs a framework or a library, by the module that has it."""


def __getattr__(name: str) -> Any:
    """Load a framework's task, and what needs other libraries, when first asked for."""
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"ratewise.{module}"), name)
    return renamed(name, {"Found": RangeTestResult}, __name__)
