"""What is seen of a comparison while it trains: how far it is, and where in the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.text import Text
from rich.tree import Tree

from ratewise.view.progress import ProgressBar

if TYPE_CHECKING:
    from ratewise.runs.driver import TreeDriver
    from ratewise.runs.tree import Segment

DEEP = 8
"""Levels of the tree that are shown of the way to what is being trained."""


class View(ProgressBar):
    """A bar, the way through the tree to what is being trained, and how the runs are doing."""

    def __init__(self, console: Console) -> None:
        self._driver: TreeDriver | None = None
        super().__init__(console)

    def planned(self, driver: TreeDriver) -> None:
        """Look at a comparison that is about to be trained."""
        super().planned(driver)
        self._driver = driver

    def drawn(self) -> Group:
        """Return what is shown now."""
        parts: list[Any] = [super().drawn()]
        if self._driver is not None and self._driver.tree.segments:
            parts += [drawn_tree(self._driver), Text(summary(self._driver), style="dim")]
        return Group(*parts)


def summary(driver: TreeDriver) -> str:
    """Return how the runs are doing, in one line."""
    ends = [driver.outcomes[i] for i, one in enumerate(driver.tree.segments) for _ in one.ends
            if i in driver.outcomes]  # fmt: skip
    failed = sum(not one.whole or one.error is not None for one in ends)
    runs = sum(len(one.ends) for one in driver.tree.segments)
    lost = f", {failed} failed" if failed else ""
    return f"{len(ends)} of {runs} runs ended{lost}; {driver.tree.sharing:.2f}× fewer updates"


def drawn_tree(driver: TreeDriver) -> Tree:
    """Return the way to the segments that are being trained, and how much is beside it."""
    drawn = Tree("", hide_root=True)
    for index, made in list(driver.going.items())[:4]:
        node = drawn
        path = driver.tree.path(index)
        for step in path[-DEEP:]:
            segment = driver.tree.segments[step]
            if segment.stop:
                node = node.add(Text(_told(segment, made if step == index else None)))
    return drawn


def _told(segment: Segment, made: int | None) -> str:
    """Return a line on a segment: its updates, its rates, how many runs are behind it."""
    first, last = float(segment.rates[0]), float(segment.rates[-1])
    rates = f"rate {first:.3g}" if first == last else f"rate {first:.3g} → {last:.3g}"
    runs = f"{len(segment.runs)} runs" if len(segment.runs) > 1 else "1 run"
    state = "done" if made is None else f"{made / max(len(segment.rates), 1):.0%}"
    return f"{segment.start:,} – {segment.stop:,}  {rates}  {runs}  {state}"
