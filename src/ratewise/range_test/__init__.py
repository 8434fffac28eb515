"""The range test: where a task learns, and where it breaks."""

from ratewise.range_test.api import find
from ratewise.range_test.result import Found

__all__ = ["Found", "find"]
