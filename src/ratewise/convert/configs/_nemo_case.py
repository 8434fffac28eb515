"""What the readers of NeMo's policies share."""

from __future__ import annotations

from dataclasses import dataclass

from ratewise.convert.formats import Context, only_one
from ratewise.convert.pieces.keys import Keys, plan
from ratewise.convert.pieces.moves import Piece, hold, lay, part
from ratewise.schedule import Plan, ScheduleError, Warmup


@dataclass(frozen=True)
class Case:
    """A policy to be read: keys, rate, updates that warm up, last update before the floor."""

    keys: Keys
    ctx: Context
    rate: float | None
    notes: list[str]

    @property
    def steps(self) -> int:
        """The updates of the run as NeMo knows them."""
        if self.keys.has("max_steps"):
            return self.keys.whole("max_steps", low=1)
        return self.ctx.need_total(self.keys.who)

    def length(self, name: str) -> int:
        """Return `<name>_steps`, or int(`<name>_ratio` · max_steps), or 0."""
        only_one(self.keys.who, self.keys.given, f"{name}_steps", f"{name}_ratio")
        if self.keys.has(f"{name}_ratio"):
            return int(self.keys.number(f"{name}_ratio", high=1.0) * self.steps)
        return self.keys.whole(f"{name}_steps", 0)

    def low(self, default: float = 0.0) -> float:
        """Return min_lr as a level, 1 at the most."""
        level = self.keys.floor("min_lr", self.keys.number("min_lr", default), self.rate)
        if level > 1:
            raise ScheduleError(self.keys.who, "has min_lr above lr", "give a lower min_lr")
        return level

    def plan(self, *pieces: Piece, after: float | None = None) -> Plan:
        """Return the plan of these pieces; behind update max_steps it is at level `after`."""
        if after is None:
            return plan(lay(self.ctx.total, *pieces), self.rate, self.notes)
        stop = self.steps + 1  # max_steps itself still goes by the formula
        if self.ctx.total is not None and self.ctx.total > stop:
            self.notes.append(f"From update {stop} on the rate is min_lr.")
        total = self.ctx.total or self.steps
        lr = lay(total, *_until(stop, pieces), (None, hold(after)))
        return plan(lr, self.rate, self.notes)


def _until(stop: int, pieces: tuple[Piece, ...]) -> list[Piece]:
    """Return the pieces, the open one up to an update; those of the warm-up go on past it."""
    kept: list[Piece] = []
    for n, make in pieces:
        kept.append((max(stop, 0) if n is None else n, make))
        stop -= max(kept[-1][0] or 0, 0)
    return kept


def warm(case: Case) -> tuple[int, list[Piece]]:
    """Return W and the warm-up with update W, the first at the peak; nothing if W is 0."""
    warmup = case.length("warmup")
    rise = part(Warmup(), warmup) if warmup else hold()
    return warmup, [(warmup, rise), (1, hold(1.0))] if warmup else []


def behind(warmup: int) -> int:
    """Return the first update behind the warm-up and the update at its end."""
    return warmup + 1 if warmup else 0
