"""What a format is: how to know it, how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import Fix, nearest, shorten
from ratewise.schedule.lengths import Horizon


def ask(name: str, more: str = "") -> Fix:
    """Return the advice to give `read` an argument, and what else would do."""
    return Fix(f"give {{{name}}}{more}", f"call read(…, {name}=…){more}", **{name: "…"})


@dataclass(frozen=True)
class Context:
    """What a reader is told besides the source.

    Attributes:
        horizon: Updates of the run, of an epoch; samples and tokens of an update.
        more: Anything else that a format needs, by name.
    """

    horizon: Horizon = field(default_factory=Horizon)
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def total(self) -> int | None:
        """Updates in the run, where known."""
        return self.horizon.total

    def need_total(self, who: str) -> int:
        """Return the updates of the run.

        Raises:
            ScheduleError: the total was not given.
        """
        if self.horizon.total is None:
            raise ScheduleError(who, "depends on the length of the run", ask("total"))
        return self.horizon.total

    def need(self, who: str, name: str) -> Fraction:
        """Return `epoch`, `samples` or `tokens`.

        Raises:
            ScheduleError: it was not given.
        """
        value = getattr(self.horizon, name)
        if value is None:
            raise ScheduleError(who, f"depends on {name}", ask(name))
        return value


@dataclass(frozen=True)
class Format:
    """A format that can be read.

    Attributes:
        name: What `format=` calls it, "deepspeed".
        what: What it is, in a few words, for messages: "DeepSpeed JSON".
        matches: Whether a source looks like it; imports nothing and runs nothing of the source's.
        read: Returns the plan.
    """

    name: str
    what: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Context], Plan]


def class_of(source: Any) -> tuple[str, str]:
    """Return the top package and the name of a live object's class, without importing anything."""
    kind = type(source)
    return kind.__module__.partition(".")[0], kind.__name__


def check_keys(who: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first key that is not known, with the nearest one that is."""
    allowed = list(known)
    for key in given:
        if key not in allowed:
            raise ScheduleError(who, f"has the key {shorten(key)}", nearest(str(key), allowed))


def only_one(who: str, given: Mapping[str, Any], *names: str) -> None:
    """Refuse keys that contradict each other, by name."""
    both = [name for name in names if given.get(name) is not None]
    if len(both) > 1:
        rule = (
            f"has both {both[0]}={shorten(given[both[0]])} and {both[1]}={shorten(given[both[1]])}"
        )
        raise ScheduleError(who, rule, "keep one of them")
