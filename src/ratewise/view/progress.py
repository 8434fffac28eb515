"""How far something is that trains: a bar in a terminal, lines elsewhere, the time that is left."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TextIO, TypeVar

from ratewise._printable import shown

P = ParamSpec("P")
R = TypeVar("R")

FIRST, LAST = 10.0, 60.0
"""Seconds until the first line where output is no terminal, and between lines at most."""

GROWS = 1.3
"""How much longer each wait is than the one before."""


class Pace:
    """How long the rest takes, at the speed that was measured.

    Updates that a journal knew cost no time: what is between two lists of runs is not counted.

    >>> clock = iter([0.0, 0.0, 10.0])
    >>> pace = Pace(lambda: next(clock))
    >>> pace.tell(100, 400); pace.tell(200, 400)
    >>> pace.left
    20.0
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = self._now = clock()
        self._last: int | None = None
        self._made = 0
        self.done, self.planned = 0, 0

    def jump(self) -> None:
        """Take the next number as where it goes on from."""
        self._last = None

    def tell(self, done: int, planned: int) -> None:
        """Take note of the updates done and planned."""
        self._now = self._clock()
        if self._last is not None and done > self._last:
            self._made += done - self._last
        self._last = self.done = done
        self.planned = planned

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self._now - self._begun

    @property
    def left(self) -> float | None:
        """Seconds that what is planned takes at most; None as long as nobody knows."""
        if not self._made or self.seconds <= 0:
            return None
        return max(self.planned - self.done, 0) * self.seconds / self._made

    def __str__(self) -> str:
        """Return the time that is left, in words."""
        left = self.left
        return "" if left is None else f"at most {duration(left)} left"


def duration(seconds: float) -> str:
    """Return a time as one says it.

    >>> duration(3.2), duration(75), duration(7265)
    ('3 s', '1 min 15 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ProgressLines:
    """Writes a line now and then: after ten seconds, and then less and less often.

    Args:
        stream: Where to; standard error if left out.
        clock: What gives the time, in seconds.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._clock = stream, clock
        self._pace = Pace(clock)
        self._wait = FIRST
        self._next = clock() + FIRST

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *error: Any) -> None:
        return

    def planned(self, driver: Any) -> None:
        """Take note that another list of runs begins."""
        self._pace.jump()

    def __call__(self, done: int, planned: int, what: str) -> None:
        self._pace.tell(done, planned)
        now = self._clock()
        if now < self._next:
            return
        self._wait = min(GROWS * self._wait, LAST)
        self._next = now + self._wait
        stream = sys.stderr if self._stream is None else self._stream
        share = done / planned if planned else 0.0
        parts = [f"{done:,} of {planned:,} updates ({share:.0%})", what, str(self._pace)]
        print(shown("; ".join(filter(None, parts)), stream), file=stream, flush=True)


class ProgressBar:
    """A bar in a terminal, with what is on above it; it is gone when it ends.

    Args:
        console: A `rich.console.Console`; one of standard error if left out.
    """

    def __init__(self, console: Any = None) -> None:
        from rich import progress as bars
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True) if console is None else console
        counts = bars.TextColumn("{task.fields[counts]}", markup=False)
        percent, left = bars.TaskProgressColumn(), bars.TextColumn("{task.fields[left]}")
        self._bars = bars.Progress(bars.BarColumn(), percent, counts, left, console=self._console)
        self._bar = self._bars.add_task("", total=None, counts="", left="")
        self._what = "starting"
        self._pace = Pace()
        self._live = Live(
            console=self._console,
            get_renderable=self.drawn,
            transient=True,
            refresh_per_second=2,
        )

    def __enter__(self) -> ProgressBar:
        self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.stop()

    def planned(self, driver: Any) -> None:
        """Take note that another list of runs begins."""
        self._pace.jump()

    def __call__(self, done: int, planned: int, what: str) -> None:
        self._pace.tell(done, planned)
        self._what = what
        counts = f"{done:,} of {planned:,} updates"
        self._bars.update(self._bar, completed=done, total=planned, counts=counts,
                          left=str(self._pace))  # fmt: skip

    def drawn(self) -> Any:
        """Return what is shown now."""
        from rich.console import Group
        from rich.text import Text

        return Group(Text(shown(self._what, sys.stderr)), self._bars)


def watching() -> ProgressBar | ProgressLines:
    """Return what shows how far it is: a bar where standard error is a terminal, else lines."""
    from rich.console import Console

    console = Console(stderr=True)
    return ProgressBar(console) if console.is_terminal else ProgressLines()


def shows_progress(train: Callable[P, R]) -> Callable[P, R]:
    """Return a function whose `progress=True` shows how far it is, as the command line does.

    With False, or None, it is silent; a function is called as ever.
    """

    @functools.wraps(train)
    def watched(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs.get("progress") is False:
            kwargs["progress"] = None
        if kwargs.get("progress") is not True:
            return train(*args, **kwargs)
        with watching() as view:
            kwargs["progress"] = view
            return train(*args, **kwargs)

    return watched
