"""Writing the rates of many groups: sixteen at a time, each looked at before it is written over."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ratewise.adapters.torch.values import Group

WIDE = 16

_read = struct.Struct(f"{WIDE}d").iter_unpack


class ManyRates:
    """The rates of groups that follow one schedule: value = peak · level, in float64.

    A loop over a thousand dicts costs as much as what is done with them, so it is unrolled. The
    values are made sixteen at a time as well, while the sixteen before them are let go: they are
    where those were, in the cache. `GroupCells.write` is the plain twin.

    Args:
        groups: What is written to.
        peaks: The rate of each at level 1.
        level: The level at which the rates are that the groups hold.
        held: Those rates, the very objects.
    """

    __slots__ = ("_groups", "_held", "_level", "_number", "_peaks")

    def __init__(
        self, groups: Sequence[Group], peaks: Sequence[float], level: float, held: Sequence[float]
    ) -> None:
        spare = [{"lr": 0.0} for _ in range(-len(groups) % WIDE)]
        self._number = len(groups)
        self._groups = _in_rows([*groups, *spare])
        self._peaks = np.array([*peaks, *(0.0 for _ in spare)])
        self._held = _in_rows([*held, *(group["lr"] for group in spare)])
        self._level = level

    def write(self, level: float) -> bool:
        """Write the rates at a level; nothing where a group holds what was not put there.

        Returns:
            Whether they were written.
        """
        held, done = self._held, 0
        try:
            for (
                (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q),
                (A, B, C, D, E, F, G, H, I, J, K, M, N, O, P, Q),  # noqa: E741
                rates,
            ) in zip(self._groups, held, _read((self._peaks * level).data), strict=True):
                # fmt: off
                if (
                    a["lr"] is A and b["lr"] is B and c["lr"] is C and d["lr"] is D
                    and e["lr"] is E and f["lr"] is F and g["lr"] is G and h["lr"] is H
                    and i["lr"] is I and j["lr"] is J and k["lr"] is K and m["lr"] is M
                    and n["lr"] is N and o["lr"] is O and p["lr"] is P and q["lr"] is Q
                ):
                    (
                        a["lr"], b["lr"], c["lr"], d["lr"], e["lr"], f["lr"], g["lr"], h["lr"],
                        i["lr"], j["lr"], k["lr"], m["lr"], n["lr"], o["lr"], p["lr"], q["lr"],
                    ) = held[done] = rates
                    done += 1
                else:
                    break
                # fmt: on
        finally:
            if done < len(held):
                self._take_back(done)
            else:
                self._level = level
        return done == len(held)

    def _take_back(self, rows: int) -> None:
        """Put the rates of before into the first rows again."""
        before = _read((self._peaks * self._level).data)
        for row, (groups, rates) in enumerate(zip(self._groups[:rows], before, strict=False)):
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
            self._held[row] = rates

    def held(self) -> list[float]:
        """Return the rates that were put in place last, the very objects."""
        return [rate for row in self._held for rate in row][: self._number]


def _in_rows(values: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(values[i : i + WIDE]) for i in range(0, len(values), WIDE)]
