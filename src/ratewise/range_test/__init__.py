"""The range test: where a task learns, and where it breaks."""

from typing import Any

from ratewise._renamed import renamed
from ratewise.range_test.api import find
from ratewise.range_test.result import RangeTestResult

__all__ = ["RangeTestResult", "find"]


def __getattr__(name: str) -> Any:
    return renamed(name, {"Found": RangeTestResult}, __name__)
