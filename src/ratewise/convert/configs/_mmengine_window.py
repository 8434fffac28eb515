"""One scheduler of MMEngine: a window of steps and the levels in it.

A window of n steps is stepped n times, k = 0 … n - 1, and stays at the last value it has set.
A step is an update, or an epoch where the scheduler goes by epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ratewise import schedule as rw
from ratewise.convert.formats import ask, only_one
from ratewise.convert.pieces.case import Cycle
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import Piece, changes, decay, fall, lay, part, stay, whole
from ratewise.schedule import Schedule, ScheduleError

ENDLESS = 10**9
_MOST_EPOCHS = 100_000
KNOWN = {
    "Constant": "factor",
    "CosineAnnealing": "T_max eta_min eta_min_ratio",
    "CosineRestart": "periods restart_weights eta_min eta_min_ratio",
    "Exponential": "gamma",
    "Linear": "start_factor end_factor",
    "MultiStep": "milestones gamma",
    "OneCycle": f"eta_max total_steps {Cycle.KEYS}",
    "Poly": "eta_min power",
    "QuadraticWarmup": "",
    "Step": "step_size gamma",
}


@dataclass(frozen=True)
class Window:
    """A scheduler and when it is stepped.

    Attributes:
        kind: Which of `KNOWN`.
        param: The key of the optimizer that it sets.
        keys: Its own keys, lengths in steps.
        begin: Update of its first step.
        steps: Number of its steps, at least 1.
        pace: Updates of a step.
        base: Value at level 1, or None if not known.
    """

    kind: str
    param: str
    keys: Keys
    begin: int
    steps: int
    pace: int
    base: float | None

    @property
    def end(self) -> int:
        """The update behind the window."""
        return self.begin + self.steps * self.pace

    @property
    def endless(self) -> bool:
        """Whether it has no end worth the name."""
        return self.steps * self.pace >= ENDLESS // 2

    def low(self) -> float:
        only_one(self.keys.who, self.keys.given, "eta_min", "eta_min_ratio")
        if self.keys.has("eta_min_ratio"):
            return self.keys.number("eta_min_ratio")
        return self.keys.level("eta_min", self.base, high=True)

    def multiplies(self) -> bool:
        """Whether it multiplies the current value, whatever that is, so that it can overlap."""
        if self.kind in ("Linear", "Constant", "Step", "MultiStep", "Exponential"):
            return True
        if self.kind == "Poly":
            return self.low() == 0.0
        return (
            self.kind == "CosineAnnealing" and self.low() == 0.0 and self.steps <= self.period + 1
        )

    @property
    def period(self) -> int:
        """Steps of half a wave."""
        return self.keys.whole("T_max", 0) or self.steps

    def moves(self, level: float, room: int | None) -> tuple[int | None, Schedule, float]:
        """Return the updates up to the last change, the schedule of them, and the value left.

        Args:
            level: Level before the window.
            room: Updates that are left of the run; None if not known.
        """
        if self.endless and room is None:
            return None, self._endless(level), level
        steps = self.steps if room is None else min(self.steps, -(-room // self.pace))
        pieces = self._pieces(level)
        all_of_it = lay(steps, *_closed(pieces, steps))
        last = float(all_of_it.resolve()(steps - 1))
        if self.pace > 1 and steps > 1:
            if steps > _MOST_EPOCHS:
                rule = f"has {steps:,} epochs"
                raise ScheduleError(self.keys.who, rule, f"give at most {_MOST_EPOCHS:,}")
            values = all_of_it.resolve().values(steps)
            points = {k * self.pace: float(value) for k, value in enumerate(values)}
            over = (steps - 1) * self.pace
            return over, rw.Piecewise(changes(points), over=over), last
        if steps > 1:
            short = lay(steps - 1, *_closed(pieces, steps - 1))
            if short.resolve().end == last:
                return steps - 1, short, last
        return steps, all_of_it, last

    def _endless(self, level: float) -> Schedule:
        """Return what goes on for ever, where that does not depend on an end."""
        if self.kind not in ("Step", "MultiStep", "Exponential"):
            rule, fix = "has no end", ask("total", ", or give end=…")
            raise ScheduleError(self.keys.who, rule, fix)
        return self._multiplied(level, self.pace)

    def _multiplied(self, level: float, pace: int) -> Schedule:
        """Return what is multiplied by gamma: at every step, every few, or at milestones."""
        keys = self.keys
        if self.kind == "Exponential":
            rate = keys.number("gamma", above=True)
            return rw.ExponentialDecay(rate, every=pace, staircase=pace > 1, start=level)
        factor = keys.number("gamma", 0.1)
        if self.kind == "Step":
            return rw.Step(factor, every=keys.whole("step_size", low=1) * pace, start=level)
        at = [k * pace for k in sorted(keys.wholes("milestones"))]
        return rw.Step(factor, at=at, start=level) if at else rw.Hold(level)

    def _pieces(self, level: float) -> list[Piece]:
        """Return the pieces in steps; one without a length fills the window."""
        if self.kind in ("Step", "MultiStep", "Exponential"):
            return [(None, whole(self._multiplied(level, 1)))]
        return getattr(self, f"_{self.kind.lower()}")(level)

    def _linear(self, level: float) -> list[Piece]:
        first = self.keys.number("start_factor", 1 / 3, high=1.0)
        last = self.keys.number("end_factor", 1.0, high=1.0)
        if self.steps == 1:
            return [stay(level * first)]
        if first == 0:
            rule = f"divides by start_factor=0 at update {self.begin + self.pace}"
            raise ScheduleError(self.keys.who, rule, "give a small start_factor such as 1e-6")
        return [(None, part(decay("linear", level * last, level * first), self.steps - 1))]

    def _quadraticwarmup(self, level: float) -> list[Piece]:
        """Return ((k + 1)/n)² of the value that the optimizer began with."""
        return [(self.steps, part(rw.Warmup(start=0.0, shape="quadratic"), self.steps, 1))]

    def _constant(self, level: float) -> list[Piece]:
        factor = self.keys.number("factor", 1 / 3)
        if self.steps == 1:
            return [stay(level * factor)]
        if factor == 0:
            rule = f"divides by factor=0 at update {self.end - self.pace}"
            raise ScheduleError(self.keys.who, rule, "give a small factor such as 1e-6")
        return [stay(level * factor, self.steps - 1), stay(level)]

    def _poly(self, level: float) -> list[Piece]:
        if self.steps == 1:
            return [stay(level)]
        power = self.keys.number("power", 1.0, above=True)
        return [(None, part(decay("polynomial", self.low(), level, power=power), self.steps - 1))]

    def _cosineannealing(self, level: float) -> list[Piece]:
        low, period = self.low(), self.period
        up = rw.Cosine(to=1.0, over=period, start=low) >> rw.Cosine(to=low, over=period)
        return [fall(decay("cosine", low, level), period), (None, lambda n: rw.Repeat(up, over=n))]

    def _cosinerestart(self, level: float) -> list[Piece]:
        keys, low = self.keys, self.low()
        if not (keys.has("eta_min") or keys.has("eta_min_ratio")):
            raise ScheduleError(keys.who, "has no floor", "give eta_min or eta_min_ratio")
        periods = keys.wholes("periods")
        weights = keys.items("restart_weights", [1])
        if len(weights) != len(periods) or 0 in periods:
            rule = f"has {len(periods)} periods and {len(weights)} restart_weights"
            raise ScheduleError(keys.who, rule, "give one weight, and 1 or more steps, to each")
        peaks = [Keys(keys.who, {"weight": weight}).number("weight") for weight in weights]
        waves = zip(periods, peaks, strict=True)
        pieces = [fall(decay("cosine", low, peak), period) for period, peak in waves]
        last = periods[-1] - 1  # behind its last step the value stays
        pieces[-1] = (last, pieces[-1][1]) if last else stay(peaks[-1], 1)
        return [*pieces, stay()]

    def _onecycle(self, level: float) -> list[Piece]:
        keys = self.keys
        steps = keys.whole("total_steps", self.steps, low=1)
        if self.steps > steps:
            rule = f"runs out of its total_steps at update {self.begin + steps * self.pace}"
            raise ScheduleError(keys.who, rule, f"give total_steps={self.steps}")
        return Cycle.of(keys, steps, 0.3).pieces()


def _closed(pieces: list[Piece], steps: int) -> list[Piece]:
    """Return the pieces with the length of the open one filled in."""
    closed: list[Piece] = []
    left = steps
    for n, make in pieces:
        size = left if n is None else min(n, left)
        closed.append((size, make))
        left -= size
    return closed
