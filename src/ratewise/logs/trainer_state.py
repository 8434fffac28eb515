"""The `trainer_state.json` that a Trainer of Transformers leaves in its checkpoints."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ratewise._files import read_up_to
from ratewise._json import log_history
from ratewise.logs.cells import FEW
from ratewise.logs.columns import RATES, TRAINING, VALIDATION, Asked, plain
from ratewise.logs.series import Series, share_of
from ratewise.logs.table import LogTable, thinning, to_number, unreadable
from ratewise.schedule.errors import shorten

FIX = "give a trainer_state.json that is whole, such as that of the checkpoint before"

LARGEST = 64_000_000
"""Bytes: half a million rows of a Trainer, and what can be held while they are read."""
MOST_VALUES = 2_500_000
"""Values in it."""
_LOSSES = {*TRAINING, *VALIDATION}
_OWN = {"loss", "learning_rate", "eval_loss", "train_loss", "train_runtime"}
"""Keys that a Trainer writes; the last two at the end of a run."""


@dataclass(frozen=True, eq=False)
class TrainerState:
    """What the record of a Trainer says of its run.

    Args:
        rows: Its log history, as it was written.
        made: Updates made, if the record says so.
        planned: Updates that the run was planned for, if the record says so.
        lost: Entries of the log history that are no rows.
    """

    rows: list[dict[str, Any]]
    made: int | None
    planned: int | None
    lost: int = 0


def read_state(path: str | Path) -> TrainerState:
    """Return what a `trainer_state.json` says.

    Raises:
        ScheduleError: it cannot be read, is cut off or too large, is no JSON, or has no log
            history.
    """
    try:
        content = read_up_to(path, LARGEST + 1)
    except OSError as error:
        raise unreadable(str(path), f"cannot be read ({error.strerror})", FIX) from None
    state: Any = parsed(str(path), content)
    history = log_history(state)
    if history is None:
        raise unreadable(str(path), "has no log_history", "give a trainer_state.json")
    made, planned = (
        count if isinstance(count := state.get(name), int) else None
        for name in ("global_step", "max_steps")
    )
    rows = [row for row in history if isinstance(row, dict)]
    return TrainerState(rows, made, planned, len(history) - len(rows))


def parsed(where: str, content: bytes) -> Any:
    """Return what the JSON of a file says.

    Raises:
        ScheduleError: it is too large, cut off, or no JSON, or has a key twice.
    """
    fix = "give a CSV or event files, which may be of any size"
    if len(content) > LARGEST:
        raise unreadable(where, f"has more than {LARGEST:,} bytes of JSON", fix)
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise unreadable(where, f"has more than {MOST_VALUES:,} values in its JSON", fix)
    twice: list[str] = []
    try:
        found = json.loads(content, object_pairs_hook=partial(_pairs, twice))
    except (RecursionError, ValueError) as error:
        told = " ".join(str(error).split())[:120]
        raise unreadable(where, f"is cut off or no JSON ({told})", FIX) from None
    if twice:
        rule = f"is damaged: an entry has the key {shorten(twice[0])} twice"
        raise unreadable(where, rule, FIX)
    return found


def _pairs(twice: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and not twice:
        names = [name for name, _ in pairs]
        twice.append(next(name for name in names if names.count(name) > 1))
    return found


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return the log history of a Trainer as a table.

    Older versions log the rate of the update to come. It shows at the end of a run whose rate
    falls to 0: no update of theirs is made at 0, and yet it is logged.

    Raises:
        ScheduleError: as `read_state`, or it has an empty log history.
    """
    where, state = str(path), read_state(path)
    rows = [row for row in state.rows if "step" in row]
    if not rows:
        raise unreadable(where, "has an empty log_history", "train with logging_steps=N")
    ahead, said = int(_ahead(rows, state.planned)), _said(where, state, rows)
    found = table_of(rows, where, name, asked)
    return replace(found, ahead=ahead, said=said, planned=state.planned)


def table_of(rows: list[dict[str, Any]], where: str, name: str, asked: Asked) -> LogTable:
    """Return rows that were logged as a table.

    Args:
        rows: One dict for each, such as those of a log history.
        where: What they are called in errors.
        name: What their run is called.
        asked: Which columns are kept.

    Raises:
        ScheduleError: they have no column of updates.
    """
    names = tuple(dict.fromkeys(key for row in rows for key in row))
    step = asked.step_of(where, names)
    kept = [one for one in names if asked.keeps(one) and one != step]
    series = {one: _series(rows, step, one, share_of(len(kept), asked.logs)) for one in kept}
    flaws = {one: (*_flaws(rows, one), *thinning(one, found)) for one, found in series.items()}
    flaws[step] = _flaws(rows, step)
    points = {one: found.points() for one, found in series.items()}
    return LogTable(where, name, points, step, names, flaws=flaws)


def _series(rows: list[dict[str, Any]], step: str, name: str, most: int) -> Series:
    found = Series()
    kept = [(to_number(row.get(step)), row[name]) for row in rows if name in row]
    points = [(at, to_number(one)) for at, one in kept if _is_nan(one) or _is_number(one)]
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    table = table[np.isfinite(table[:, 0])]
    found.add(table[:, 0], table[:, 1], most)
    return found


def _is_number(value: Any) -> bool:
    return not np.isnan(to_number(value))


def _is_nan(value: Any) -> bool:
    return value != value or (isinstance(value, str) and value.strip().lower() in ("nan", "-nan"))


def _flaws(rows: list[dict[str, Any]], name: str) -> tuple[str, ...]:
    """Return what is said of values that are no numbers; None stands for none."""
    bad = [row[name] for row in rows if row.get(name) is not None]
    bad = [one for one in bad if not _is_nan(one) and not _is_number(one)]
    if not bad:
        return ()
    count = "1 value is no number" if len(bad) == 1 else f"{len(bad):,} values are no numbers"
    return (f"in {name} {count}, the first {shorten(bad[0], 30)}",)


def _said(where: str, state: TrainerState, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return what of a record is not as a Trainer writes it: an entry or a key that is missing."""
    said: list[str] = []
    lost = state.lost + len(state.rows) - len(rows)
    if lost:
        said.append(f"{where}: {_entries(lost)} of its log_history without a step, left out")
    rated = [row for row in rows if any(one in row for one in RATES)]
    without = sum("loss" not in row for row in rated)
    if 0 < without < len(rated):
        said.append(f"{where}: {_entries(without)} with a learning rate and no loss")
    lossy = [row for row in rows if "loss" in row]
    without = sum(not any(one in row for one in RATES) for row in lossy)
    if 0 < without < len(lossy):
        said.append(f"{where}: {_entries(without)} with a loss and no learning rate")
    both = sum("loss" in row and "eval_loss" in row for row in rows)
    if both:
        said.append(f"{where}: {_entries(both)} with losses of training and of evaluation")
    often = Counter(key for row in rows for key in row)
    idle = sum(not any(_says(key, often[key]) for key in row) for row in rows)
    if 0 < idle * FEW < len(rows):
        said.append(f"{where}: {_entries(idle)} with neither a loss nor a learning rate")
    return tuple(said)


def _says(key: str, often: int) -> bool:
    """Whether a key is that of a loss or a rate; of one that a Trainer has not, if it is often."""
    return key in _OWN or (often > 1 and (plain(key) in _LOSSES or key in RATES))


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count:,} entries"


def _ahead(rows: list[dict[str, Any]], total: int | None) -> bool:
    """Whether the logged rates are those of the updates to come."""
    rated = [row for row in rows if "learning_rate" in row]
    if len(rated) < 2 or rated[-1]["step"] != total:
        return False
    before, last = (to_number(row["learning_rate"]) for row in rated[-2:])
    return before > 0 == last
