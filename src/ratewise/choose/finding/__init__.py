"""The range test: where a task learns, and where it breaks."""

from ratewise.choose.finding.finding import find
from ratewise.choose.finding.found import Found

__all__ = ["Found", "find"]
