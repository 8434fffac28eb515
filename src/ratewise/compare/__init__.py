"""Which of several schedules is best on a task, or that the runs do not tell."""

from ratewise.compare.api import compare
from ratewise.compare.comparison import Comparison
from ratewise.compare.halving import Halving
from ratewise.compare.peaks import Search
from ratewise.compare.profiles import Profile, profile
from ratewise.runs.records import Record

__all__ = ["Comparison", "Halving", "Profile", "Record", "Search", "compare", "profile"]
