"""A schedule as tensors on one device: what is done there in an update, without asking the host.

What runs in a step is ordinary tensor code on tensors that were made before, so that it can be
captured into a graph or compiled with the step, and a replay goes on counting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ratewise._arrays import Floats
from ratewise.adapters.torch.layout import BYTES, TableLayout

_compiling = torch.compiler.is_compiling


class Bank:
    """The values of one dtype: what they follow, where they go, and what was put there last."""

    def __init__(self, layout: TableLayout, dtype: torch.dtype) -> None:
        self._mine = [i for i, tensor in enumerate(layout.tensors) if tensor.dtype == dtype]
        self.tensors = [layout.tensors[i] for i in self._mine]
        device = self.tensors[0].device
        self.peaks = torch.zeros(len(self._mine), dtype=torch.float64, device=device)
        columns = [layout.columns[i] for i in self._mine]
        several = len(layout.views) > 1
        self.columns = torch.tensor(columns, device=device) if several else None
        self.placed = self.held().detach().clone()
        self._parts = _each(self.placed, self.tensors)
        self.fill(layout.peaks)

    def held(self) -> Tensor:
        """Return what the tensors hold."""
        return torch.stack([tensor.reshape(()) for tensor in self.tensors])

    def follow(self, levels: Tensor) -> None:
        """Write the values at these levels, rounded once.

        A compiler is spared the views of one tensor; outside graphs each call counts.
        """
        mine = levels if self.columns is None else levels.index_select(0, self.columns)
        if _compiling():
            self.placed.copy_(mine * self.peaks)
            write_each(self.tensors, _each(self.placed, self.tensors))
        else:
            torch.mul(mine, self.peaks, out=self.placed)
            write_each(self.tensors, self._parts)

    def recall(self, levels: Tensor, there: Tensor) -> None:
        """Write the values at these levels where a condition holds."""
        mine = levels if self.columns is None else levels.index_select(0, self.columns)
        last = (mine * self.peaks).to(self.placed.dtype)
        self.placed.copy_(torch.where(there, last, self.held()))
        write_each(self.tensors, _each(self.placed, self.tensors))

    def write(self, values: Sequence[float]) -> None:
        """Write values that the host has, one for each cell of the table."""
        mine = [values[i] for i in self._mine]
        self.placed.copy_(torch.tensor(mine, dtype=torch.float64))
        write_each(self.tensors, self._parts)

    def fill(self, peaks: Sequence[float]) -> None:
        """Take other values at level 1, one for each cell of the table."""
        self.peaks.copy_(torch.tensor([peaks[i] for i in self._mine], dtype=torch.float64))


class RateTable:
    """The count of committed updates, the levels of each, and where they are written.

    value = peak · level[min(count − start, rows − 1)], in float64, rounded once where it is put

    Attributes:
        count: Committed updates, int64[1].
        announced: The count at which the coming values were put in place, −1 if never.
        touched: Whether somebody else was found to have written to a tensor, by a step that the
            host does not see.
        tensors: What is written to, one for each value.
        rows: Updates that are laid out.
        whole: Whether there is nothing to refill: the rows begin at update 0, and the last holds.
        captured: Whether a graph was captured that goes on using these tensors.
    """

    def __init__(self, layout: TableLayout, count: int) -> None:
        self.tensors = list(layout.tensors)
        self.device = device = self.tensors[0].device
        with torch.inference_mode(False):
            self.count = torch.tensor([count], dtype=torch.int64, device=device)
            self.announced = torch.full_like(self.count, -1)
            self.touched = torch.tensor(False, device=device)
            start = torch.tensor([layout.start], dtype=torch.int64, device=device)
            self._start = None if layout.whole else start
            self._levels = torch.tensor(layout.levels, dtype=torch.float64, device=device)
            kinds = dict.fromkeys(tensor.dtype for tensor in self.tensors)
            self._banks = [Bank(layout, dtype) for dtype in kinds]
        self._order = list(layout.columns)
        self._from: Floats | None = layout.levels
        self.whole, self.captured = layout.whole, False
        self.rows = len(layout.levels)

    # In a step: nothing here may ask the host, or copy from it -------------------------------

    def place(self, look: bool = False) -> None:
        """Write the values of the coming update; `look` first whether the last ones are there."""
        if look:
            self.look()
        levels = self._at(self.count)
        for bank in self._banks:
            bank.follow(levels)

    def look(self) -> None:
        """Remember if a tensor holds what was not put there."""
        for bank in self._banks:
            self.touched.logical_or_((bank.held() != bank.placed).any())

    def advance(self, found_inf: object) -> None:
        """Count an update, unless an overflow was found: `None`, a tensor, or a number."""
        if isinstance(found_inf, Tensor):
            none = found_inf.to(self.device, non_blocking=True) == 0
            self.count.add_(none if none.dim() == 0 else none.all())
        elif not found_inf:
            self.count.add_(1)

    def announce(self) -> None:
        """Write the values of the coming update before it, and remember that."""
        self.place()
        self.announced.copy_(self.count)

    def recall(self) -> None:
        """Write the values of the last update, if those of the coming one were announced."""
        there = self.announced == self.count
        levels = self._at((self.count - 1).clamp(min=0))
        for bank in self._banks:
            bank.recall(levels, there)
        self.announced.fill_(-1)

    def _at(self, count: Tensor) -> Tensor:
        """Return the levels of an update, one for each schedule; past the end they hold."""
        row = count if self._start is None else count - self._start
        return self._levels.index_select(0, row.clamp(0, self.rows - 1)).reshape(-1)

    # From the host ---------------------------------------------------------------------------

    def read(self) -> tuple[int, bool, bool]:
        """Return (count, announced, touched); waits for the device, once."""
        touched = self.touched.to(torch.int64).reshape(1)
        count, announced, found = torch.cat([self.count, self.announced, touched]).tolist()
        return count, announced == count, bool(found)

    def set_count(self, count: int) -> None:
        """Go to where `count` updates have been committed."""
        self.count.fill_(count)
        self.announced.fill_(-1)

    def put(self, values: Sequence[float]) -> None:
        """Write these values, whatever the count is."""
        for bank in self._banks:
            bank.write(values)
        self.announced.fill_(-1)

    def longest(self) -> int:
        """Return the updates that a run may have to be laid out whole."""
        return BYTES // (8 * self._levels.shape[1]) - 1

    def fits(self, layout: TableLayout) -> bool:
        """Tell whether a layout can be put into these very tensors, and graphs go on with it."""
        return (
            len(layout.levels) <= self.rows
            and self.whole == layout.whole
            and list(layout.columns) == self._order
            and layout.levels.shape[1] == self._levels.shape[1]
            and len(layout.tensors) == len(self.tensors)
            and all(a is b for a, b in zip(layout.tensors, self.tensors, strict=True))
        )

    def refill(self, layout: TableLayout) -> None:
        """Put a layout that fits into these tensors; what is left over holds the end."""
        if layout.levels is not self._from:
            levels = np.empty((self.rows, layout.levels.shape[1]))
            levels[: len(layout.levels)] = layout.levels
            levels[len(layout.levels) :] = layout.levels[-1]
            self._levels.copy_(torch.from_numpy(levels))
            self._from = layout.levels
        if self._start is not None:
            self._start.fill_(layout.start)
        for bank in self._banks:
            bank.fill(layout.peaks)

    def rest(self, values: Sequence[float]) -> None:
        """Let graphs that go on using these tensors write these values from now on."""
        self._levels.fill_(1.0)
        self._from = None
        for bank in self._banks:
            bank.fill(values)
        self.put(values)


def write_each(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Write to each tensor a value of its shape; many at once, where PyTorch can.

    `torch._foreach_copy_` is what its own optimizers use; `write_one_by_one` is its plain twin.
    """
    several = getattr(torch, "_foreach_copy_", None)
    if len(tensors) > 1 and several is not None:
        several(list(tensors), list(values))
    else:
        write_one_by_one(tensors, values)


def write_one_by_one(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Write to each tensor a value of its shape, each by itself."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def _each(values: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the single values of a tensor, each in the shape of where it goes."""
    return [v.reshape(t.shape) for v, t in zip(values.unbind(), tensors, strict=True)]
