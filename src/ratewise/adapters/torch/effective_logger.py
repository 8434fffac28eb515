"""Effective rates over a run: recorded on the device, read and written now and then."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.device import overflow
from ratewise.adapters.torch.effective import (
    QUANTILES,
    SAMPLE,
    columns_of,
    effective_rate,
    known_kind,
    table_of,
)
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten, whole
from ratewise.schedule.strict import strict

Row = dict[str, Any]
PIECE = 16  # records read from the device at a time, when they are written


class EffectiveRateLogger:
    """Records the effective rates of an optimizer after every so many of its updates.

    It is called by the optimizer: there is nothing to do in the loop. Records stay on the device
    until they are looked at, or written, 16 at a time. It holds the newest `keep` records.

    Args:
        optimizer: The optimizer, or a wrapper of Accelerate or Lightning around it.
        every: Updates from one record to the next, at least 1; the first is of update 0.
        keep: Records held, at least 1.
        to: Where to write them: the path of a CSV file, an object with TensorBoard's
            `add_scalar(tag, value, step)`, or None.
        quantiles: Which quantiles to record, each in [0, 1].
        sample: The most elements to look at in a group, at least 1.
        start: Updates made before, in a run that goes on; a CSV file is then continued.

    Raises:
        ScheduleError: an optimizer that `effective_rate` does not know; `to` cannot be written to.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=0.5)
    >>> with EffectiveRateLogger(optimizer, every=2, quantiles=[0.5]) as log:
    ...     for _ in range(3):
    ...         optimizer.step()
    >>> log.rows()
    [{'update': 0, 'group': '0', 'lr': 0.5, '50%': 0.5},
     {'update': 2, 'group': '0', 'lr': 0.5, '50%': 0.5}]
    """

    @strict
    def __init__(
        self,
        optimizer: Optimizer,
        *,
        every: int = 100,
        keep: int = 1000,
        to: Any = None,
        quantiles: Sequence[float] = QUANTILES,
        sample: int = SAMPLE,
        start: int = 0,
    ) -> None:
        who = "EffectiveRateLogger"
        inner = unwrap(who, optimizer)
        known_kind(who, inner)
        self.committed = whole(who, "start", start)
        self._every = whole(who, "every", every, low=1)
        self._quantiles, self._sample = tuple(quantiles), whole(who, "sample", sample, low=1)
        self._records: deque[Record] = deque(maxlen=whole(who, "keep", keep, low=1))
        self._waiting: list[Record] = []
        self._write = _writer(to, ["update", "group", *columns_of(self._quantiles)], start > 0)
        table_of(effective_rate(inner, sample=1), self._quantiles)  # refuses what is wrong now
        self._under_way = False
        before: Any = torch.compiler.disable(self._before)
        after: Any = torch.compiler.disable(self._after)
        self._handles = inner.register_step_pre_hook(before), inner.register_step_post_hook(after)

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._under_way = True

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        nested, self._under_way = not self._under_way, False  # its base class's step was hooked too
        if nested or (hasattr(optimizer, "found_inf") and overflow(optimizer)):
            return
        if self.committed % self._every == 0:
            rate = effective_rate(optimizer, sample=self._sample)
            names = [group.name for group in rate.groups]
            record = self.committed, names, table_of(rate, self._quantiles)
            self._records.append(record)
            if self._write is not None:
                self._waiting.append(record)
                if len(self._waiting) >= PIECE:
                    self.flush()
        self.committed += 1

    def rows(self) -> list[Row]:
        """Return what is held, oldest first, one row per record and group; reads the device.

        A row has "update", "group", "lr" and the quantiles, "5%", "25%", …
        """
        return _rows(list(self._records), self._quantiles)

    def flush(self) -> None:
        """Write what waits to be written; reads the device."""
        if self._write is not None and self._waiting:
            self._write(_rows(self._waiting, self._quantiles))
        self._waiting = []

    def close(self) -> None:
        """Write what waits, and record no more; what is held can still be looked at."""
        for handle in self._handles:
            handle.remove()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Record = tuple[int, list[str], Tensor]
"""The update, the names of the groups, and the table with a row for each of them."""


def _rows(records: Sequence[Record], quantiles: Sequence[float]) -> list[Row]:
    if not records:
        return []
    columns = columns_of(quantiles)
    device = records[-1][2].device
    values = iter(torch.cat([table.to(device) for *_, table in records]).tolist())
    return [
        {"update": update, "group": name, **dict(zip(columns, next(values), strict=True))}
        for update, names, _ in records
        for name in names
    ]


def _writer(to: Any, columns: Sequence[str], goes_on: bool) -> Callable[[list[Row]], None] | None:
    if to is None:
        return None
    if isinstance(to, str | Path):
        path = Path(to)
        if not goes_on or not path.exists():
            _write_lines(path, [columns], mode="w")
        return partial(_write_lines, path)
    if callable(getattr(to, "add_scalar", None)):
        return partial(_add_scalars, to)
    rule = f"cannot write to {shorten(to)}"
    raise ScheduleError("EffectiveRateLogger", rule, "give a path, or a TensorBoard SummaryWriter")


def _write_lines(path: Path, lines: Iterable[Row | Sequence[str]], mode: str = "a") -> None:
    with path.open(mode, newline="", encoding="utf-8", errors="backslashreplace") as file:
        for line in lines:
            csv.writer(file).writerow(line.values() if isinstance(line, dict) else line)


def _add_scalars(writer: Any, rows: Sequence[Row]) -> None:
    for row in rows:
        values = {name: row[name] for name in row if name not in ("update", "group")}
        for name, value in values.items():
            writer.add_scalar(f"effective_rate/{row['group']}/{name}", value, row["update"])
