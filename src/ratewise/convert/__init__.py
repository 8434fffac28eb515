"""Other frameworks' schedules read as plans, and plans written as their code."""

from ratewise.convert.reading import read
from ratewise.convert.writing import write

__all__ = ["read", "write"]
