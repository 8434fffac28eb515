"""How far the reading of large files is, on standard error: a bar, or a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ratewise._files import Progress
from ratewise.cli.output import say

LARGE = 20_000_000
"""Bytes from which on a file is told of."""
EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def reading() -> Generator[Progress]:
    """Show how far the reading is: a bar on a terminal, elsewhere a line every few seconds."""
    if not sys.stderr.isatty():
        yield lines_of(time.monotonic)
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("reading"), bars.BarColumn(), bars.DownloadColumn())
    rest = bars.TimeRemainingColumn()
    with bars.Progress(*columns, rest, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("reading", total=None, visible=False)

        def told(done: int, total: int) -> None:
            shown.update(bar, completed=done, total=total, visible=total >= LARGE)

        yield told


def lines_of(clock: Callable[[], float]) -> Progress:
    """Return what says a line as soon as enough time is over since the last one.

    Args:
        clock: Returns seconds.
    """
    last = [clock()]

    def told(done: int, total: int) -> None:
        if total >= LARGE and clock() - last[0] >= EVERY:
            last[0] = clock()
            say(f"reading: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", err=True)

    return told
