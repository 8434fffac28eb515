"""The range test: where a task learns, and where it breaks."""

from ratewise.range_test.api import find
from ratewise.range_test.result import RangeTestResult

__all__ = ["RangeTestResult", "find"]
