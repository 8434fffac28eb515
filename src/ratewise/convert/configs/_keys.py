"""The keys of a config: typed, checked and named in every message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise.convert.formats import Context, check_keys
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Fix, nearest, number, shorten, whole


@dataclass(frozen=True)
class Keys:
    """The section of a config that describes the schedule.

    Attributes:
        who: What messages call it, "deepspeed WarmupLR".
        given: Its keys and values.
    """

    who: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def only(self, known: Iterable[str]) -> Keys:
        """Refuse a key that is not known, and return these keys."""
        check_keys(self.who, self.given, known)
        return self

    def having(self, **values: Any) -> Keys:
        """Return these keys with some of them set."""
        return Keys(self.who, {**self.given, **values})

    def has(self, name: str) -> bool:
        """Whether the key is there and not null."""
        return self.given.get(name) is not None

    def need(self, name: str) -> Any:
        """Return a value that must be there."""
        if not self.has(name):
            raise ScheduleError(self.who, f"has no {name}", f"give {name}=…")
        return self.given[name]

    def number(
        self,
        name: str,
        default: float | None = None,
        *,
        low: float = 0.0,
        high: float = float("inf"),
        above: bool = False,
    ) -> float:
        """Return a float in its interval; without a default the key must be there."""
        value = default if default is not None and not self.has(name) else self.need(name)
        return number(self.who, name, _plain(value), low=low, high=high, above=above)

    def whole(self, name: str, default: int | None = None, *, low: int = 0) -> int:
        """Return an int of `low` or more; 500.0 and "500" are 500."""
        value = default if default is not None and not self.has(name) else self.need(name)
        plain = _plain(value)
        if isinstance(plain, float) and plain.is_integer():
            plain = int(plain)
        return whole(self.who, name, plain, low=low)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a truth value."""
        value = self.given.get(name)
        if value is None:
            return default
        spelled = {"true": True, "false": False, "": True}
        if isinstance(value, str) and value.strip().lower() in spelled:
            return spelled[value.strip().lower()]
        if not isinstance(value, bool):
            rule = f"needs {name} as true or false"
            raise ScheduleError(self.who, rule, "write true or false", given=value)
        return value

    def word(self, name: str, known: Iterable[str], what: str) -> str:
        """Return the name that says what the section is: one of those known."""
        value, words = self.given.get(name), list(known)
        if not isinstance(value, str) or value not in words:
            rule = f"has the {what} {shorten(value)}"
            raise ScheduleError(self.who, rule, nearest(str(value), words))
        return value

    def choice(self, name: str, known: Iterable[str], default: str | None = None) -> str:
        """Return one of the words that are known."""
        value = default if default is not None and not self.has(name) else self.need(name)
        words = list(known)
        if value not in words:
            rule = f"has {name}={shorten(value)}"
            raise ScheduleError(self.who, rule, nearest(str(value), words))
        return str(value)

    def items(self, name: str, default: Any = None) -> list[Any]:
        """Return a list."""
        values = default if default is not None and not self.has(name) else self.need(name)
        if not isinstance(values, list | tuple):
            rule = f"needs {name} as a list"
            raise ScheduleError(self.who, rule, f"write {name}=[…]", given=values)
        return list(values)

    def wholes(self, name: str) -> list[int]:
        """Return a list of ints of 0 or more."""
        return [Keys(self.who, {name: value}).whole(name) for value in self.items(name)]

    def rate(self, ctx: Context, name: str = "lr") -> float | None:
        """Return the peak rate of the config, or the `lr` given to `read`; None if unknown.

        Raises:
            ScheduleError: both are known and differ.
        """
        found = [ctx.more.get("lr"), self.given.get(name)]
        rates = [number(self.who, name, _plain(x), above=True) for x in found if x is not None]
        if len(set(rates)) > 1:
            rule = f"has {name}={rates[1]:g} and was given lr={rates[0]:g}"
            raise ScheduleError(self.who, rule, "keep one of them")
        return rates[0] if rates else None

    def floor(self, name: str, value: float, peak: float | None) -> float:
        """Return an absolute rate as a level.

        Raises:
            ScheduleError: it is not 0 and the peak is not known.
        """
        if value == 0.0:
            return 0.0
        if peak is None:
            rule = f"has the absolute rate {name}={value:g} and no peak rate"
            fix = Fix("give the peak rate", "call read(…, lr=…) with the peak rate")
            raise ScheduleError(self.who, rule, fix)
        return value / peak


def _plain(value: Any) -> Any:
    """Return a number that was written as a text ("1e-4" is a text in YAML) as a number."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def dig(source: Any, *path: str) -> Any:
    """Return what lies at a path of keys, or None."""
    for key in path:
        if not isinstance(source, Mapping):
            return None
        source = source.get(key)
    return source


def section(who: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping with texts as keys, or refuse what is none."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ScheduleError(who, "needs a mapping of keys", "give a mapping", given=value)
    return value


def plan(lr: Schedule, rate: float | None, notes: Iterable[str] = (), **more: Any) -> Plan:
    """Return a plan of the rate, with its peak where it is known."""
    peaks = {**({} if rate is None else {"lr": rate}), **more.pop("peak", {})}
    return Plan(lr=lr, peak=peaks, notes=tuple(notes), **more)
