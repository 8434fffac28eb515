"""Recorded metrics, read from the files people have."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ratewise._files import read_up_to
from ratewise._json import log_history
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, shorten
from ratewise.schedule.strict import strict

LARGEST = 20_000_000
"""Bytes of a file."""
STEPS = ("update", "step", "global_step", "iteration", "t")
Recorded = list[tuple[int, dict[str, float]]]


@strict
def read_metrics(path: str | os.PathLike[str]) -> Recorded:
    """Return the metrics in a file, by update, in rising order.

    Args:
        path: CSV with a column "step" (or "update", "global_step", "iteration", "t") and one
            column a metric, empty where there is none; JSON or JSON lines with such a key in each
            entry; or the `trainer_state.json` of Transformers.

    Raises:
        ScheduleError: not such a file, no column of updates, nothing in it.
    """
    file = Path(path)
    try:
        content = read_up_to(file, LARGEST + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        rule = f"cannot be read ({getattr(error, 'strerror', None) or 'not a text'})"
        raise ScheduleError(f"File {str(path)!r}", rule, "give a CSV or JSON file") from None
    if len(content) > LARGEST:
        rule = f"has more than {LARGEST:,} bytes"
        raise ScheduleError(f"File {str(path)!r}", rule, "give the metrics alone")
    is_json = text.lstrip()[:1] in ("{", "[")
    try:
        rows = _json(text) if is_json else list(csv.DictReader(_lines(text)))
    except (csv.Error, RecursionError, ValueError) as error:
        told = " ".join(str(error).split())[:120]
        rule = f"is {'not JSON' if is_json else 'no CSV'} ({told})"
        fix = "give CSV with a header, whole JSON, or lines of it"
        raise ScheduleError(f"File {file.name!r}", rule, fix) from None
    return _by_update(file, rows)


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if line.strip())


def _json(text: str) -> list[Any]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in _lines(text)]
    history = log_history(content)
    if history is not None:
        return history
    return content if isinstance(content, list) else [content]


def _by_update(file: Path, rows: list[Any]) -> Recorded:
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            rule = f"has an entry {shorten(row)}"
            raise ScheduleError(f"File {file.name!r}", rule, 'write {"step": 100, "loss": 1.2}')
        names = {str(name).strip(): value for name, value in row.items() if name is not None}
        step = next((name for name in STEPS if name in names), None)
        if step is None:
            fix = f"{nearest('step', names)}; call the column of updates {' or '.join(STEPS)}"
            raise ScheduleError(f"File {file.name!r}", "has no updates", fix)
        update = _number(names.pop(step))
        if update is None or not math.isfinite(update) or update != int(update) or update < 0:
            rule = f"has {step}={shorten(row.get(step))}"
            raise ScheduleError(f"File {file.name!r}", rule, "updates are whole numbers from 0")
        values = {name: _number(value) for name, value in names.items()}
        found.setdefault(int(update), {}).update({k: v for k, v in values.items() if v is not None})
    if not found:
        raise ScheduleError(f"File {file.name!r}", "holds no metrics", "give a CSV or JSON file")
    return sorted(found.items())


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
