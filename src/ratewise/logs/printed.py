"""What a program printed while it trained: lines with names and numbers among others.

Trainers print rows as `{'loss': 2.1, 'learning_rate': 1e-05, 'epoch': 0.3}`, Megatron as
`iteration 10/ 500 | learning rate: 6.0E-05 | lm loss: 6.1E+00 |`, others as `step 10 loss 2.1` or
`step=10, lr=1e-3`. A name counts if it is known whole, so that `aux loss` is none. What counts may
stand in a line before: `Epoch 3/10`, or the bar of tqdm, `3%|▎ | 10/400 [00:05<…`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from ratewise.logs.columns import EPOCHS, STEPS, TOTALS, Asked, plain
from ratewise.logs.gathered import MANY, MOST_NAMES, Rows
from ratewise.logs.lines import WIDE, Lines
from ratewise.logs.rows import SEPARATORS
from ratewise.logs.table import LogTable, unreadable

LOOKED_AT = 64_000
"""Bytes of the beginning of a file that tell whether it is a table."""
WIDEST = 4_000
"""Characters of a line that are looked at: rows of numbers are shorter."""
_OF = "bar of "
"""How the count of a progress bar is called, before its total."""

_WORD = r"[A-Za-z_][\w./-]*"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)\b"
_PAIR = re.compile(
    rf"(?<![\w.'\"/-])['\"]?(?P<name>{_WORD}(?: {_WORD}){{0,3}})['\"]?"
    rf" *(?:[:=]| ) *['\"\[]?(?P<number>{_NUMBER})(?: ?/ *(?P<total>\d+))?(?![\w.]*\w)",
    re.I | re.ASCII,
)
_BAR = re.compile(r"\|\s*(\d+)/(\d+) \[\d+:")
_PLACE = re.compile(r"Epoch(?:\(train\))?(:?) *\[(\d+)\] *\[ *(\d+)/(\d+)\]")
"""Where a batch is in its epoch: epochs count from 0 behind a colon, as in examples of PyTorch, and
from 1 in those of OpenMMLab."""
_SETTING = re.compile(r"[\w .]{1,40}: ")
_LEVEL = re.compile(r"^(?:INFO|DEBUG|WARNING|ERROR|CRITICAL) ")

Row = dict[str, float]


def is_printed(begin: bytes) -> bool:
    """Whether a text is no table: most lines have not as many cells as the first, or none has."""
    wide = begin.startswith(WIDE)
    text = (
        begin.decode("utf-16" if wide else "utf-8", errors="replace")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    if not lines:
        return False
    first, below = lines[0], lines[1:21]
    if _PAIR.search(first) is not None and any(mark in first for mark in ":="):
        return True
    if _SETTING.match(first) or any(_BAR.search(line) for line in lines[:21]):
        return True
    mark = max(SEPARATORS, key=first.count)
    width, *widths = (
        len(line.split(mark) if mark in first else line.split()) for line in (first, *below)
    )
    if not below or (width > 1 and 2 * widths.count(width) >= len(below)):
        return False
    return mark not in first or any(_PAIR.search(line) for line in lines[:21])


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return the rows that were printed as a table, read in memory that does not grow with them.

    Raises:
        ScheduleError: no line has a loss or a rate, or nothing counts updates.
    """
    where, found = str(path), _rows(path, asked)
    begin = list(islice(found, MANY))
    if not begin:
        rule = "is no log of a known format: no line of it says a loss or a learning rate"
        raise unreadable(where, rule)
    often = Counter(key for row in begin for key in row)
    step = _counter(often, asked)
    rows = Rows(where, name, asked if step is None else replace(asked, step=step))
    at = 0.0
    for row in chain(begin, found):
        if step is not None:  # an evaluation is printed behind the step that it is of
            at = row.setdefault(step, at)
        rows.add(row)
    table = rows.table()
    bar = step.removeprefix(_OF) if step is not None and step.startswith(_OF) else None
    return table if bar is None else replace(table, planned=int(bar))


def _counter(often: Counter[str], asked: Asked) -> str | None:
    """Return what counts updates, None where epochs do: a column, or the bar that is there most."""
    if asked.step is not None:
        return asked.step
    named = [one for known in STEPS for one in often if plain(one) == known]
    bars = [one for one in often if one.startswith(_OF)] if asked.epoch is None else []
    return (named or sorted(bars, key=lambda one: -often[one]) or [None])[0]


def _rows(path: Path, asked: Asked) -> Iterator[Row]:
    """Return the rows with a loss or a rate, and with what counted before them."""
    waiting: Row = {}
    known: dict[str, str] = {}
    for _, text in Lines(path, asked.progress, spoilt=True):
        for line in text.split("\n"):
            row: Row = {}
            says = counts = False
            for name, value in _pairs(line[:WIDEST]):
                kind = known.get(name)
                if kind is None:
                    if len(known) > MOST_NAMES:
                        known = {one: of for one, of in known.items() if of}
                    kind = known[name] = _kind(name, asked)
                if kind:
                    row[name] = value
                    says, counts = says or kind == "value", counts or kind in ("step", "epoch")
            if not says:
                waiting |= row
            elif counts or any(known[one] in ("step", "epoch") for one in waiting):  # no settings
                yield {**waiting, **row}
                waiting = {one: value for one, value in waiting.items() if known[one] == "epoch"}
                waiting |= {one: value for one, value in row.items() if known[one] == "epoch"}


def _pairs(line: str) -> Iterator[tuple[str, float]]:
    if "%|" in line and (bar := _BAR.search(line)):
        yield _OF + bar[2], float(bar[1])
    if "poch" in line and (place := _PLACE.search(line)):
        from_zero, epoch, batch, batches = place[1] == ":", *map(int, place.groups()[1:])
        yield STEPS[0], float((epoch - 1 + from_zero) * batches + batch)
    for name, number, total in _PAIR.findall(line):
        called = _LEVEL.sub("", name) if name[:1].isupper() else name
        yield called, float(number)
        if total and plain(called) in STEPS:
            yield TOTALS[0], float(total)


def _kind(name: str, asked: Asked) -> str:
    """Return what a name is of: a step, an epoch, a total or a value; "" if it is not known."""
    called = plain(name)
    if name.startswith(_OF) or name == asked.step or called in STEPS:
        return "step"
    if called in EPOCHS:
        return "epoch"
    if called in TOTALS:
        return "total"
    return "value" if asked.keeps(name) else ""
