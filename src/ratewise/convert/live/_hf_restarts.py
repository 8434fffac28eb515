"""Cosines with hard restarts, by the arithmetic that Transformers uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ratewise.convert.pieces.layout import Layout
from ratewise.schedule import Cosine, Repeat, ScheduleError, Wave
from ratewise.schedule.errors import shorten

MOST = 10_000


@dataclass(frozen=True)
class HardRestarts:
    """Half cosines from 1 to 0: position x of `of` is at (cycles·x/of) mod 1 of its cycle.

    Cycles begin between updates unless `of` is a multiple of them, and where the product is
    rounded to just below a whole number, a cycle ends one update late, at 0.

    Attributes:
        who: The source, for messages.
        cycles: Number of cycles, in [0, 10,000]; the last one is cut if it is not whole.
        of: Length of the decay, at least 1.
        n: Updates in the decay.
        offset: Position of the first of them, in [0, 1).
    """

    who: str
    cycles: float
    of: float
    n: int
    offset: float

    def __post_init__(self) -> None:
        if self.cycles > MOST:
            rule = f"has num_cycles={shorten(self.cycles)}"
            raise ScheduleError(self.who, rule, f"give {MOST:,} or fewer")

    def lay(self, layout: Layout) -> None:
        if self.cycles <= 1:  # half a wave, cut
            wave = Cosine(to=0.0) if self.cycles == 1 else Wave(to=0.0, cycles=self.cycles / 2)
            layout.add(wave, self.of, begin=self.offset, over=self.n)
            return
        every = int(self.of / self.cycles)
        over = layout.room(self.n)
        if every * self.cycles == self.of == self.n and not self.late and over:
            layout.put(Repeat(Cosine(to=0.0), every=every, over=over), over)
            return
        ends = [*self.starts[1:], self.n]
        for i, (a, b) in enumerate(zip(self.starts, ends, strict=True)):
            move = Cosine(to=0.0, start=1.0 if i else None)
            begin = max(0.0, float(a - self.boundary(i)))
            layout.add(move, self.of / self.cycles, begin=begin, over=b - a)

    def notes(self, first: int) -> list[str]:
        """Return what is odd about the cycles, which begin at update `first`."""
        return [
            f"At update {first + k - 1} a restart is missed by rounding: the rate is 0 there, and "
            "the cycle begins one update later."
            for k in self.late[:3]
        ]

    def boundary(self, i: int) -> Fraction:
        """Return where cycle `i` begins, exactly, in updates from the first of the decay on."""
        return i * Fraction(self.of) / Fraction(self.cycles) - Fraction(self.offset)

    @cached_property
    def starts(self) -> list[int]:
        return [0, *(self._start(i) for i in range(1, math.ceil(self.cycles)))]

    @cached_property
    def late(self) -> list[int]:
        """Starts that rounding has moved one update back."""
        known = enumerate(self.starts[1:], start=1)
        return [k for i, k in known if k > math.ceil(self.boundary(i)) and k <= self.n]

    def _start(self, i: int) -> int:
        k = min(self.n, max(0, math.ceil(self.boundary(i))))
        while k > 0 and self._begun(i, k - 1):
            k -= 1
        while k < self.n and not self._begun(i, k):
            k += 1
        return k

    def _begun(self, i: int, k: int) -> bool:
        return float(self.cycles) * (float(self.offset + k) / float(self.of)) >= i
