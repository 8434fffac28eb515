"""The CSV that W&B exports from a chart: a column for each run, with its bounds beside it.

`Step,"run a - train/loss","run a - train/loss__MIN","run a - train/loss__MAX","run b - …"`
"""

from __future__ import annotations

from dataclasses import replace

from ratewise.logs.table import LogTable

MARK = " - "
BOUNDS = ("__MIN", "__MAX")
BESIDE = "_step"
"""Of each run W&B writes the step once more."""


def runs_in(table: LogTable) -> list[LogTable]:
    """Return a table for each run in an export of W&B; of any other table, the table.

    The bounds of what was drawn are no curves of their own.
    """
    names = [one for one in table.names if not one.endswith(BOUNDS)]
    called = [one.rpartition(MARK)[0] for one in names if one != table.step]
    if not all(called) or not called:
        return [table]
    found: list[LogTable] = []
    for run in dict.fromkeys(called):
        own = [one for one in names if one.rpartition(MARK)[0] == run]
        own = [one for one in own if one.rpartition(MARK)[2] != BESIDE]
        columns = {one: table.columns[one] for one in own if one in table.columns}
        if columns:
            flaws = {one: table.flaws.get(one, ()) for one in (table.step, *own)}
            found.append(replace(table, name=run, columns=columns, flaws=flaws,
                                 names=(table.step, *own)))  # fmt: skip
    return found or [table]
