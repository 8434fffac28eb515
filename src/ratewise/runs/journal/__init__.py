"""What comparisons leave behind: every segment, its losses, metrics and checkpoints."""

from ratewise.runs.journal.journal import Journal
from ratewise.runs.journal.remembered import asked_for, found_once, remember, told_of
from ratewise.runs.journal.status import Status, status
from ratewise.runs.journal.store import read_size

__all__ = [
    "Journal",
    "Status",
    "asked_for",
    "found_once",
    "read_size",
    "remember",
    "status",
    "told_of",
]
