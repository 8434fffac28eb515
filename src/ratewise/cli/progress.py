"""What is seen of a comparison while it trains: how far it is, and where in the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import progress as bars
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from ratewise.runs.execution import Work
    from ratewise.runs.tree import Segment

DEEP = 8
"""Levels of the tree that are shown of the way to what is being trained."""


class View:
    """A bar, the way through the tree to what is being trained, and how the runs are doing."""

    def __init__(self, console: Console) -> None:
        title = bars.TextColumn("{task.description}", markup=False)
        columns = (title, bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
        self._bars = bars.Progress(*columns, console=console)
        self._bar = self._bars.add_task("starting", total=None)
        self._work: Work | None = None
        self._live = Live(
            console=console, get_renderable=self.drawn, transient=True, refresh_per_second=2
        )

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.stop()

    def planned(self, work: Work) -> None:
        """Look at a comparison that is about to be trained."""
        self._work = work

    def __call__(self, done: int, planned: int, what: str) -> None:
        self._bars.update(self._bar, completed=done, total=planned, description=what)

    def drawn(self) -> Group:
        """Return what is shown now."""
        parts: list[Any] = [self._bars]
        if self._work is not None:
            parts += [drawn_tree(self._work), Text(summary(self._work), style="dim")]
        return Group(*parts)


def summary(work: Work) -> str:
    """Return how the runs are doing, in one line."""
    ends = [work.outcomes[i] for i, one in enumerate(work.tree.stretches) for _ in one.ends
            if i in work.outcomes]  # fmt: skip
    failed = sum(not one.whole or one.error is not None for one in ends)
    runs = sum(len(one.ends) for one in work.tree.stretches)
    lost = f", {failed} failed" if failed else ""
    return f"{len(ends)} of {runs} runs ended{lost}; {work.tree.sharing:.2f}× fewer updates"


def drawn_tree(work: Work) -> Tree:
    """Return the way to the stretches that are being trained, and how much is beside it."""
    drawn = Tree("", hide_root=True)
    for index, made in list(work.going.items())[:4]:
        node = drawn
        path = work.tree.path(index)
        for step in path[-DEEP:]:
            stretch = work.tree.stretches[step]
            if stretch.stop:
                node = node.add(Text(_told(stretch, made if step == index else None)))
    return drawn


def _told(stretch: Segment, made: int | None) -> str:
    """Return a line on a stretch: its updates, its rates, how many runs are behind it."""
    first, last = float(stretch.rates[0]), float(stretch.rates[-1])
    rates = f"rate {first:.3g}" if first == last else f"rate {first:.3g} → {last:.3g}"
    runs = f"{len(stretch.runs)} runs" if len(stretch.runs) > 1 else "1 run"
    state = "done" if made is None else f"{made / max(len(stretch.rates), 1):.0%}"
    return f"{stretch.start:,} – {stretch.stop:,}  {rates}  {runs}  {state}"
