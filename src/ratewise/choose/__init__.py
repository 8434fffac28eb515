"""Which schedule, which peak, which length suit a task, with the evidence."""

from typing import TYPE_CHECKING, Any

from ratewise.choose.comparing import compare
from ratewise.choose.comparison import Comparison, Record
from ratewise.choose.finding import Found, find
from ratewise.choose.halving import Halving
from ratewise.choose.peaks import Search
from ratewise.choose.protocols import Run, Task

if TYPE_CHECKING:
    from ratewise.choose.torch_task import TorchTask

__all__ = [
    "Comparison",
    "Found",
    "Halving",
    "Record",
    "Run",
    "Search",
    "Task",
    "TorchTask",
    "compare",
    "find",
]


def __getattr__(name: str) -> Any:
    """Load a framework's task when it is first asked for."""
    if name == "TorchTask":
        from ratewise.choose.torch_task import TorchTask

        return TorchTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
