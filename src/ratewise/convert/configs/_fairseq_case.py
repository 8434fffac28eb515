"""What the readers of fairseq's schedulers share."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass

from ratewise.convert.configs._keys import Keys
from ratewise.convert.formats import Context
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix


@dataclass(frozen=True)
class Case:
    """A scheduler to be read: its keys and what `read` was told."""

    keys: Keys
    ctx: Context

    @property
    def total(self) -> int | None:
        return self.ctx.total

    def rates(self) -> list[float]:
        """Return the list of peak rates."""
        given = self.keys.given.get("lr")
        if isinstance(given, str) and given.startswith("["):
            given = ast.literal_eval(given)
        if isinstance(given, str) and "," in given:
            given = given.split(",")
        several = given if isinstance(given, list | tuple) else [given]
        found = [Keys(self.keys.who, {"lr": each}).rate(self.ctx) for each in several]
        if not found or None in found:
            fix = Fix("give lr=…", "give lr=…, or call read(…, lr=…)")
            raise ScheduleError(self.keys.who, "has no lr", fix)
        return [rate for rate in found if rate is not None]

    def rate(self) -> float:
        """Return the one peak rate."""
        rates = self.rates()
        if len(rates) > 1:
            rule = f"has {len(rates)} rates, one for each epoch"
            raise ScheduleError(self.keys.who, rule, "give one, or use the scheduler fixed")
        return rates[0]

    def updates(self, name: str) -> float:
        """Return the length of the schedule: a key of its own, max_update, or the total."""
        for key in (name, "max_update"):
            if self.keys.has(key) and self.keys.number(key):
                return self.keys.number(key)
        return float(self.ctx.need_total(self.keys.who))

    def start(self, default: float, peak: float) -> float:
        """Return the level at which the warm-up starts; a negative rate stands for the default."""
        value = self.keys.number("warmup_init_lr", -1.0, low=-math.inf)
        return (value if value >= 0 else default) / peak
