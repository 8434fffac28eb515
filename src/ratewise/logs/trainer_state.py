"""The `trainer_state.json` that a Trainer of Transformers leaves in its checkpoints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratewise._json import log_history
from ratewise.logs.table import LogTable, from_rows, to_number, unreadable

FIX = "give a trainer_state.json that is whole, such as that of the checkpoint before"


@dataclass(frozen=True, eq=False)
class TrainerState:
    """What the record of a Trainer says of its run.

    Args:
        rows: Its log history, as it was written.
        made: Updates made, if the record says so.
        planned: Updates that the run was planned for, if the record says so.
    """

    rows: list[dict[str, Any]]
    made: int | None
    planned: int | None


def read_state(path: str | Path) -> TrainerState:
    """Return what a `trainer_state.json` says.

    Raises:
        ScheduleError: it cannot be read, is cut off, is no JSON, or has no log history.
    """
    try:
        state: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(str(path), f"cannot be read ({error.strerror})", FIX) from None
    except (RecursionError, ValueError) as error:
        raise unreadable(str(path), f"is cut off or no JSON ({error})", FIX) from None
    history = log_history(state)
    if history is None:
        raise unreadable(str(path), "has no log_history", "give a trainer_state.json")
    made, planned = (
        count if isinstance(count := state.get(name), int) else None
        for name in ("global_step", "max_steps")
    )
    return TrainerState([row for row in history if isinstance(row, dict)], made, planned)


def read(path: Path, name: str) -> LogTable:
    """Return the log history of a Trainer as a table.

    Older versions log the rate of the update to come. It shows at the end of a run whose rate
    falls to 0: no update of theirs is made at 0, and yet it is logged.

    Raises:
        ScheduleError: as `read_state`, or it has an empty log history.
    """
    state = read_state(path)
    rows = [row for row in state.rows if "step" in row]
    if not rows:
        raise unreadable(str(path), "has an empty log_history", "train with logging_steps=N")
    ahead = int(_ahead(rows, state.planned))
    return LogTable(str(path), name, from_rows(rows), ahead=ahead, planned=state.planned)


def _ahead(rows: list[dict[str, Any]], total: int | None) -> bool:
    """Whether the logged rates are those of the updates to come."""
    rated = [row for row in rows if "learning_rate" in row]
    if len(rated) < 2 or rated[-1]["step"] != total:
        return False
    before, last = (to_number(row["learning_rate"]) for row in rated[-2:])
    return before > 0 == last
