"""A comparison in a process of its own: driver JOURNAL NOTES KILL, 0 for no kill."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ratewise.choose import compare
from tests.runs.journal.tasks import SCHEDULES, TOTAL, Bowl

if __name__ == "__main__":
    journal, notes, kill = sys.argv[1:]
    task = Bowl(Path(notes), int(kill) or None)
    result = compare(task, SCHEDULES, total=TOTAL, peaks=[0.05, 0.2], seeds=2, journal=journal)
    print(json.dumps(result.to_dict()["runs"]))
