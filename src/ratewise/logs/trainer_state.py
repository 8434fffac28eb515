"""The `trainer_state.json` that a Trainer of Transformers leaves in its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ratewise.logs.table import LogTable, from_rows, to_number, unreadable


def read(path: Path, name: str) -> LogTable:
    """Return the log history of a Trainer as a table.

    Older versions log the rate of the update to come. It shows at the end of a run whose rate
    falls to 0: no update of theirs is made at 0, and yet it is logged.

    Raises:
        ScheduleError: it is cut off, is no JSON, or has no log history.
    """
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
    except (RecursionError, ValueError) as error:
        rule = f"is cut off or no JSON ({error})"
        raise unreadable(str(path), rule, "give that of the checkpoint before") from None
    history: Any = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise unreadable(str(path), "has no log_history", "give a trainer_state.json")
    rows: list[dict[str, Any]] = [row for row in history if isinstance(row, dict) and "step" in row]
    if not rows:
        raise unreadable(str(path), "has an empty log_history", "train with logging_steps=N")
    return LogTable(
        str(path), name, from_rows(rows), ahead=int(_ahead(rows, state.get("max_steps")))
    )


def _ahead(rows: list[dict[str, Any]], total: Any) -> bool:
    """Whether the logged rates are those of the updates to come."""
    rated = [row for row in rows if "learning_rate" in row]
    if len(rated) < 2 or rated[-1]["step"] != total:
        return False
    before, last = (to_number(row["learning_rate"]) for row in rated[-2:])
    return before > 0 == last
