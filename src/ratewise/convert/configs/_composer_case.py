"""What the readers of Composer's schedulers share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ratewise.convert.configs._composer_time import Clock, Time, read_time
from ratewise.convert.pieces.keys import Keys
from ratewise.schedule import ScheduleError


@dataclass(frozen=True)
class Case:
    """A scheduler to be read: keys, clock, and notes to be added to."""

    keys: Keys
    clock: Clock
    notes: list[str]

    @property
    def total(self) -> int | None:
        return self.clock.ctx.total

    def time(self, name: str, default: str | None = None, *, scaled: bool = True) -> Time:
        """Return a time in batches, samples or tokens."""
        given = self.keys.given.get(name)
        given = default if given is None else given
        if given is None:
            given = self.keys.need(name)
        found = read_time(self.keys.who, name, given)
        return self.clock.convert(found, self.clock.scale if scaled else 1.0)

    def length(self, name: str, default: str | None = None, *, scaled: bool = True) -> Fraction:
        """Return a length in updates, which need not be whole."""
        return self.clock.updates(self.time(name, default, scaled=scaled))

    def times(self, name: str) -> list[Fraction]:
        """Return a list of times in updates."""
        given = self.keys.need(name)
        several = given if isinstance(given, list | tuple) else [given]
        found = [read_time(self.keys.who, name, each) for each in several]
        return [self.clock.updates(self.clock.convert(each, self.clock.scale)) for each in found]

    def positive(self, name: str, default: str | None = None) -> Fraction:
        """Return a length that something is divided by."""
        length = self.length(name, default)
        if length <= 0:
            raise ScheduleError(
                self.keys.who, f"divides by {name}, which is 0", "give a longer one"
            )
        return length
