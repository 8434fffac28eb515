"""JSON of anybody: a line for each row, a list of rows, columns by name, or a summary.

W&B's local folders of older versions have a `wandb-history.jsonl`; its API and `run.history()`
give rows or columns, which people write down with `json.dump` and `to_json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ratewise._files import read_up_to
from ratewise.logs import trainer_state
from ratewise.logs.columns import Asked
from ratewise.logs.gathered import Rows
from ratewise.logs.lines import LONGEST, Lines
from ratewise.logs.table import LogTable, unreadable
from ratewise.logs.trainer_state import LARGEST, parsed

CUT = "as it is being written or was cut"
MOST_BROKEN = 10_000
"""Lines that are no objects from which on a file is none of rows."""
WHOLE = "give a copy that is whole"
ROWS = 'give rows such as {"step": 10, "lr": 1e-4}, one a line or in a list'


def is_lines(path: Path) -> bool:
    """Whether a file is JSON with an object on each line, as its first line tells."""
    if path.suffix in (".jsonl", ".ndjson"):
        return True
    begin, _, rest = read_up_to(path, LONGEST).lstrip().partition(b"\n")
    if not begin.rstrip().endswith(b"}") or not rest.strip().startswith(b"{"):
        return False
    return isinstance(_object(begin), dict)


def read_lines(path: Path, name: str, asked: Asked) -> LogTable:
    """Return a file with a JSON object on each line, of any length, as a table.

    Other lines are left out as long as they are few: what a program printed among them, and what a
    run that was killed has left of a line. A last line may be written just now.

    Raises:
        ScheduleError: too many lines are no objects, or there is no column of updates.
    """
    where, rows = str(path), Rows(str(path), name, asked)
    broken: list[int] = []
    last = 0
    for number, line in _lines(path, asked):
        found = _object(line.encode())
        last = number
        if isinstance(found, dict):
            rows.add(found)
        elif len(broken) < MOST_BROKEN:
            broken.append(number)
    first = f"line {broken[0]:,}" if broken else "nothing"
    if not rows.count:
        raise unreadable(where, f"has no row: {first} is no JSON object", ROWS)
    if len(broken) > rows.count or len(broken) == MOST_BROKEN:
        raise unreadable(where, f"is damaged: {first} is no JSON object, and more", WHOLE)
    if broken == [last]:
        return rows.table((f"{where}: {first} is cut off and left out, {CUT}",))
    lines = "1 line is" if len(broken) == 1 else f"{len(broken):,} lines are"
    said = f"{where}: {lines} no JSON and left out, {first} the first"
    return rows.table((said,) if broken else ())


def _lines(path: Path, asked: Asked) -> Iterator[tuple[int, str]]:
    for first, text in Lines(path, asked.progress):
        for place, line in enumerate(text.split("\n")):
            if line.strip():
                yield first + place, line


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (RecursionError, ValueError):
        return None


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return what a JSON file holds as a table: a Trainer's record, rows, columns or a summary.

    Raises:
        ScheduleError: it is cut off, too large, or none of these.
    """
    content = read_up_to(path, LARGEST + 1)
    if b'"log_history"' in content:
        return trainer_state.read(path, name, asked)
    where, found = str(path), parsed(str(path), content)
    rows, said = _rows_of(where, found)
    taken = Rows(where, name, asked)
    for row in rows:
        taken.add(row)
    if not taken.count:
        raise unreadable(where, "has no rows", ROWS)
    return taken.table(said)


def _rows_of(where: str, found: Any) -> tuple[Iterator[Mapping[str, Any]], tuple[str, ...]]:
    if isinstance(found, Mapping) and isinstance(found.get("history"), list):
        found = found["history"]
    if isinstance(found, list):
        bad = sum(not isinstance(one, Mapping) for one in found)
        if bad * 2 > len(found):
            raise unreadable(where, "is a list of other things than rows", ROWS)
        said = (f"{where}: {bad:,} entries are no rows, left out",) if bad else ()
        return (one for one in found if isinstance(one, Mapping)), said
    if not isinstance(found, Mapping):
        raise unreadable(where, "is JSON, and no log", ROWS)
    columns = _columns(found)
    if columns:
        return _across(columns), ()
    if not any(str(name) in ("_step", "global_step", "step") for name in found):
        rule = "has no log_history, and neither rows nor columns"
        raise unreadable(where, rule, "give a trainer_state.json, or rows with a step")
    said = f"{where}: a summary, which has the last values of a run alone"
    return iter([found]), (said,)


def _columns(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return columns by name, each with its numbers by their rows."""
    columns: dict[str, Mapping[str, Any]] = {}
    for name, values in found.items():
        if isinstance(values, list):
            columns[name] = {str(i): one for i, one in enumerate(values)}
        elif isinstance(values, Mapping) and values and all(key.isdecimal() for key in values):
            columns[name] = values
    lengths = [len(column) for column in columns.values()]
    return columns if len(columns) >= 2 and lengths.count(max(lengths)) >= 2 else {}


def _across(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    keys = sorted({key for column in columns.values() for key in column}, key=int)
    for key in islice(keys, LARGEST):
        yield {name: column[key] for name, column in columns.items() if key in column}
