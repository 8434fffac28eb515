"""The range test: where a task learns, and where it breaks."""

import warnings
from typing import Any

from ratewise.range_test.api import find
from ratewise.range_test.result import RangeTestResult

__all__ = ["RangeTestResult", "find"]


def __getattr__(name: str) -> Any:
    """Return `RangeTestResult` by the name that it had."""
    if name == "Found":
        return renamed(stacklevel=3)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def renamed(stacklevel: int) -> type[RangeTestResult]:
    """Return `RangeTestResult`, and say to who imports it that this is its name now."""
    warnings.warn("Found is now RangeTestResult", DeprecationWarning, stacklevel=stacklevel)
    return RangeTestResult
