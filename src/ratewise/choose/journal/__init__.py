"""What comparisons leave behind: every stretch, its losses, metrics and checkpoints."""

from ratewise.choose.journal.asking import asked_for, remember
from ratewise.choose.journal.book import Book
from ratewise.choose.journal.findings import found_once
from ratewise.choose.journal.reading import Status, status

__all__ = ["Book", "Status", "asked_for", "found_once", "remember", "status"]
