"""A schedule to be read, and the plan that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ratewise.convert.formats import RunFacts
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import Piece, lay, one_cycle
from ratewise.schedule import Plan, Schedule, ScheduleError

IDLE = "Update 0 runs at rate 0 and changes nothing."


@dataclass(frozen=True)
class Case:
    """A schedule to be read.

    Attributes:
        keys: Its keys.
        ctx: What `read` was told.
        peak: Rate at level 1, where known.
        notes: What the plan will say; readers add to it.
    """

    keys: Keys
    ctx: RunFacts
    peak: float | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def who(self) -> str:
        """What messages call it."""
        return self.keys.who

    @property
    def total(self) -> int | None:
        """Updates of the run, where known."""
        return self.ctx.total

    @property
    def run(self) -> int:
        """Updates of the run, which have to be known."""
        return self.ctx.need_total(self.who)

    def at(self, peak: float | None) -> Self:
        """Return the same case with this rate at level 1."""
        return replace(self, peak=peak)

    def idle(self, warmup: float, start: float = 0.0) -> None:
        """Note that a warm-up wastes its first update, where it does."""
        if warmup and not start:
            self.notes.append(IDLE)

    def lay(self, *pieces: Piece) -> Schedule:
        """Return the pieces one behind the other, cut where the run ends."""
        return lay(self.total, *pieces)

    def plan(self, *pieces: Piece, **more: Any) -> Plan:
        """Return the plan of these pieces."""
        return self.of(self.lay(*pieces), **more)

    def of(self, lr: Schedule, **more: Any) -> Plan:
        """Return the plan of a schedule of the rate, with its peak where it is known."""
        peaks = {**({} if self.peak is None else {"lr": self.peak}), **more.pop("peak", {})}
        return Plan(lr=lr, peak=peaks, notes=tuple(self.notes), **more)


def transformers_plan(arguments: Mapping[str, Any], ctx: RunFacts, notes: Iterable[str]) -> Plan:
    """Return the plan of these arguments of the Trainer, with notes before its own."""
    from ratewise.convert.live.transformers import FORMATS

    read = FORMATS[0].read(arguments, ctx)
    return replace(read, notes=(*notes, *read.notes))


@dataclass(frozen=True)
class Cycle:
    """PyTorch's `OneCycleLR` as configs write it.

    Attributes:
        steps: Updates of the cycle.
        share: Share of its first phase.
        low: Level at the start.
        end: Level at the end.
        shape: One of `DECAYS`.
        three: Whether it falls in two phases.
    """

    KEYS = "pct_start anneal_strategy div_factor final_div_factor three_phase"

    steps: int
    share: float
    low: float
    end: float
    shape: str
    three: bool

    @classmethod
    def of(cls, keys: Keys, steps: int, share: float) -> Cycle:
        """Return the cycle of these keys, with the share where they give none."""
        share = keys.number("pct_start", share, high=1.0)
        if share * steps == 1:
            rule = "divides by pct_start · total_steps - 1, which is 0: one update of warm-up"
            raise ScheduleError(keys.who, rule, "change one of them")
        low = 1 / keys.number("div_factor", 25.0, above=True)
        end = low / keys.number("final_div_factor", 1e4, above=True)
        shape = keys.choice("anneal_strategy", ("cos", "linear"), "cos")
        shape = "cosine" if shape == "cos" else shape
        return cls(steps, share, low, end, shape, keys.flag("three_phase"))

    def pieces(self) -> list[Piece]:
        """Return the phases of the rate."""
        levels = (self.low, 1.0, self.low, self.end) if self.three else (self.low, 1.0, self.end)
        return one_cycle(self.steps, self.share, levels, self.shape, self.three)

    def mirror(self, least: float) -> list[Piece]:
        """Return the phases of the momentum, which is at its least where the rate is highest."""
        levels = (1.0, least, 1.0, 1.0) if self.three else (1.0, least, 1.0)
        return one_cycle(self.steps, self.share, levels, self.shape, self.three)
