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


class Bank:
    """The values of one dtype: where they go, and what was put there last."""

    def __init__(self, tensors: list[Tensor], cells: Tensor | None, placed: Tensor) -> None:
        self.tensors = tensors
        self.cells = cells  # None: all
        self.placed = placed

    def differs(self) -> Tensor:
        """Return whether a tensor holds something else than what was put there."""
        held = torch.stack([tensor.reshape(()) for tensor in self.tensors])
        return (held != self.placed).any()

    def put(self, values: Tensor) -> None:
        """Round the values once to the dtype, and write them."""
        mine = values if self.cells is None else values.index_select(0, self.cells)
        self.placed.copy_(mine)
        write_each(self.tensors, self.placed)


class RateTable:
    """The count of committed updates, the levels of each, and where they are written.

    value = peak · level[min(count − start, rows − 1)], in float64, rounded once where it is put

    Attributes:
        count: Committed updates, int64.
        announced: The count at which the coming values were put in place, −1 if never.
        touched: Whether somebody else was found to have written to a tensor, by a step that the
            host does not see.
        whole: Whether there is nothing to refill.
        captured: Whether a graph was captured that goes on using these tensors.
    """

    def __init__(self, layout: TableLayout, count: int) -> None:
        device = layout.tensors[0].device
        self.device = device
        with torch.inference_mode(False):
            self.count = torch.tensor(count, dtype=torch.int64, device=device)
            self.announced = torch.full_like(self.count, -1)
            self.touched = torch.tensor(False, device=device)
            self._start = torch.tensor(layout.start, dtype=torch.int64, device=device)
            self._levels = torch.tensor(layout.levels, dtype=torch.float64, device=device)
            self._peaks = torch.tensor(layout.peaks, dtype=torch.float64, device=device)
            several = self._levels.shape[1] > 1
            columns = torch.tensor(layout.columns, dtype=torch.int64, device=device)
            self._columns = columns if several else None
            self._banks = [_bank(layout.tensors, dtype) for dtype in _dtypes(layout.tensors)]
        self._order = list(layout.columns)
        self._from: Floats | None = layout.levels
        self.tensors = list(layout.tensors)
        self.start, self.whole, self.captured = layout.start, layout.whole, False
        self.rows = len(layout.levels)

    # In a step: nothing here may ask the host, or copy from it -------------------------------

    def place(self, look: bool = False) -> None:
        """Write the values of the coming update; `look` first whether the last ones are there."""
        if look:
            self.look()
        self._put(self._values(self.count))

    def look(self) -> None:
        """Remember if a tensor holds what was not put there."""
        for bank in self._banks:
            self.touched.logical_or_(bank.differs())

    def advance(self, found_inf: object) -> None:
        """Count an update, unless an overflow was found: `None`, a tensor, or a number."""
        if isinstance(found_inf, Tensor):
            found = found_inf.to(self.device, non_blocking=True)
            self.count.add_((found == 0).all())
        elif not found_inf:
            self.count.add_(1)

    def announce(self) -> None:
        """Write the values of the coming update before it, and remember that."""
        self._put(self._values(self.count))
        self.announced.copy_(self.count)

    def recall(self) -> None:
        """Write the values of the last update, if those of the coming one were announced."""
        there = self.announced == self.count
        last = self._values((self.count - 1).clamp(min=0))
        self._put(torch.where(there, last, self._held()))
        self.announced.fill_(-1)

    def _values(self, count: Tensor) -> Tensor:
        at = (count - self._start).clamp(0, self.rows - 1)  # past the end it holds
        levels = self._levels.index_select(0, at.reshape(1)).reshape(-1)
        if self._columns is not None:
            levels = levels.index_select(0, self._columns)
        return levels * self._peaks

    def _put(self, values: Tensor) -> None:
        for bank in self._banks:
            bank.put(values)

    def _held(self) -> Tensor:
        return torch.stack([tensor.reshape(()).to(torch.float64) for tensor in self.tensors])

    # From the host ---------------------------------------------------------------------------

    def read(self) -> tuple[int, bool, bool]:
        """Return (count, announced, touched); waits for the device, once."""
        told = torch.stack([self.count, self.announced, self.touched.to(torch.int64)])
        count, announced, touched = told.tolist()
        return count, announced == count, bool(touched)

    def set_count(self, count: int) -> None:
        """Go to where `count` updates have been committed."""
        self.count.fill_(count)
        self.announced.fill_(-1)

    def put(self, values: Sequence[float]) -> None:
        """Write these values, whatever the count is."""
        with torch.inference_mode(False):
            self._put(torch.tensor(values, dtype=torch.float64, device=self.device))
        self.announced.fill_(-1)

    def longest(self) -> int:
        """Return the updates that a run may have to be laid out whole."""
        return BYTES // (8 * self._levels.shape[1]) - 1

    def fits(self, layout: TableLayout) -> bool:
        """Tell whether a layout can be put into these very tensors, and graphs go on with it."""
        return (
            len(layout.levels) <= self.rows
            and (self.whole == layout.whole or not self.captured)
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
        self._peaks.copy_(torch.tensor(layout.peaks, dtype=torch.float64))
        self._start.fill_(layout.start)
        self.start, self.whole = layout.start, layout.whole

    def rest(self, values: Sequence[float]) -> None:
        """Let graphs that go on using these tensors write these values from now on."""
        self._levels.fill_(1.0)
        self._from = None
        self._peaks.copy_(torch.tensor(values, dtype=torch.float64))
        self.put(values)


def write_each(tensors: Sequence[Tensor], values: Tensor) -> None:
    """Write one value to each tensor: many at once where PyTorch has a public way by now.

    `torch._foreach_copy_` is what its own optimizers use; `write_one_by_one` is its plain twin.
    """
    several = getattr(torch, "_foreach_copy_", None)
    if len(tensors) > 1 and several is not None:
        parts = zip(values.unbind(), tensors, strict=True)
        several(list(tensors), [value.reshape(tensor.shape) for value, tensor in parts])
    else:
        write_one_by_one(tensors, values)


def write_one_by_one(tensors: Sequence[Tensor], values: Tensor) -> None:
    """Write one value to each tensor, each by itself."""
    for value, tensor in zip(values.unbind(), tensors, strict=True):
        tensor.copy_(value.reshape(tensor.shape))


def _dtypes(tensors: Sequence[Tensor]) -> list[torch.dtype]:
    return list(dict.fromkeys(tensor.dtype for tensor in tensors))


def _bank(tensors: Sequence[Tensor], dtype: torch.dtype) -> Bank:
    mine = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
    device = tensors[0].device
    cells = None if len(mine) == len(tensors) else torch.tensor(mine, device=device)
    placed = torch.stack([tensors[i].detach().reshape(()) for i in mine])
    return Bank([tensors[i] for i in mine], cells, placed)
