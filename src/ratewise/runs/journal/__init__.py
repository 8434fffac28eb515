"""What comparisons leave behind: every stretch, its losses, metrics and checkpoints."""

from ratewise.runs.journal.findings import found_once
from ratewise.runs.journal.journal import Journal
from ratewise.runs.journal.request import asked_for, remember
from ratewise.runs.journal.status import Status, status

__all__ = ["Journal", "Status", "asked_for", "found_once", "remember", "status"]
