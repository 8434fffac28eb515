"""The keys of a config: typed, checked and named in every message."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise.convert.formats import RunFacts, ask, check_keys, dig, only_one
from ratewise.convert.sources.limits import LONGEST_STRING
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, number, shorten, whole


@dataclass(frozen=True)
class Keys:
    """The section of a config that describes the schedule.

    Attributes:
        who: What messages call it, "deepspeed WarmupLR".
        given: Its keys and values.
    """

    who: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def only(self, *known: str) -> Keys:
        """Return these keys; one that is not known is refused. Names have spaces between them."""
        check_keys(self.who, self.given, names(*known))
        return self

    def among(self, *known: str, also: tuple[str, ...] = (), typed: bool = False) -> Keys:
        """Return these keys of a config that holds other things besides a schedule.

        One that is not known and looks like a schedule is refused: nothing that changes the rate
        is left out without a word.

        Args:
            known: Names of the format's own keys, with spaces between them.
            also: How other keys begin that are refused where they are not known.
            typed: Whether messages write them as flags.
        """
        own = names(*known)
        spell = (lambda key: "--" + key.replace("_", "-")) if typed else str
        for key, value in self.given.items():
            if value is None or key in own or not (key.startswith(also) or looks_scheduled(key)):
                continue
            what = "flag" if typed else "key"
            advice = nearest(spell(key), [spell(name) for name in own])
            raise ScheduleError(self.who, f"has the {what} {spell(key)}", advice)
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

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; without a default it must be there."""
        return default if default is not None and not self.has(name) else self.need(name)

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
        value = as_number(self.get(name, default))
        return number(self.who, name, value, low=low, high=high, above=above)

    def whole(self, name: str, default: int | None = None, *, low: int = 0) -> int:
        """Return an int of `low` or more; 500.0 and "500" are 500."""
        plain = as_number(self.get(name, default))
        if isinstance(plain, float) and plain.is_integer():
            plain = int(plain)
        return whole(self.who, name, plain, low=low)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a truth value."""
        value = self.given.get(name)
        if value is None:
            return default
        spelled = {"true": True, "false": False}
        if isinstance(value, str) and value.strip().lower() in spelled:
            return spelled[value.strip().lower()]
        if not isinstance(value, bool):
            rule = f"needs {name} as true or false"
            raise ScheduleError(self.who, rule, "write true or false", given=value)
        return value

    def choice(
        self, name: str, known: Iterable[str], default: str | None = None, *, what: str = ""
    ) -> str:
        """Return one of the words that are known; `what` says what the key is."""
        value = self.given.get(name) if what else self.get(name, default)
        words = list(known)
        if not isinstance(value, str) or value not in words:
            rule = f"has the {what} {shorten(value)}" if what else f"has {name}={shorten(value)}"
            raise ScheduleError(self.who, rule, nearest(value, words))
        return value

    def items(self, name: str, default: Any = None) -> list[Any]:
        """Return a list."""
        values = self.get(name, default)
        if not isinstance(values, list | tuple):
            rule = f"needs {name} as a list"
            raise ScheduleError(self.who, rule, f"write {name}=[…]", given=values)
        return list(values)

    def wholes(self, name: str) -> list[int]:
        """Return a list of ints of 0 or more."""
        return [Keys(self.who, {name: value}).whole(name) for value in self.items(name)]

    def rate(self, ctx: RunFacts, name: str = "lr") -> float | None:
        """Return the peak rate of the config, or the `lr` given to `read`; None if unknown.

        Raises:
            ScheduleError: both are known and differ.
        """
        found = [ctx.more.get("lr"), self.given.get(name)]
        rates = [number(self.who, name, as_number(x), above=True) for x in found if x is not None]
        if len(set(rates)) > 1:
            rule = f"has {name}={rates[1]:g} and was given lr={rates[0]:g}"
            raise ScheduleError(self.who, rule, "keep one of them")
        return rates[0] if rates else None

    def level(
        self, name: str, peak: float | None, default: float = 0.0, *, high: bool = False
    ) -> float:
        """Return an absolute rate as a level of the peak; above 1 only if it may be high.

        Raises:
            ScheduleError: it is not 0 and the peak is not known, or is above the peak.
        """
        value = self.number(name, default)
        if value == 0.0:
            return 0.0
        if peak is None:
            rule = f"has the absolute rate {name}={value:g} and no peak rate"
            raise ScheduleError(self.who, rule, ask("lr", " with the peak rate"))
        if value / peak > 1 and not high:
            raise ScheduleError(self.who, f"has {name} above lr", f"give {name} of lr at the most")
        return value / peak

    def share(self, steps: str, ratio: str, of: Callable[[], int], default: int = 0) -> int:
        """Return a length that is given in steps, or as a ratio which is cut to whole steps."""
        only_one(self.who, self.given, steps, ratio)
        if self.has(ratio):
            return int(self.number(ratio, high=1.0) * of())
        return self.whole(steps, default)


_SCHEDULE = re.compile(
    r"warm|decay|sched|anneal|cool_?down|restart|milestone|min_lr|end_lr|^gamma$"
    r"|(^|_)b?lr_|_b?lr$|learning_rate_|_learning_rate"
    r"|(?i:eta_(min|max)|^t_(max|mult|0|initial)$|num_cycles)"
)
_OTHERS = re.compile(
    r"(weight|layer|ema)_decay|decay_(norm|emb|bias)|ema_|schedule_?free|param_scheduler|noise_sched|max_restarts"
    r"|inprocess|cuda_graph|profil|pipeline|(^|_)log_"
)
"""What these words mean elsewhere: other quantities, launchers, pipelines, logs."""


def looks_scheduled(key: str) -> bool:
    """Whether a key speaks of a rate or its schedule: weight decay, averages and such do not."""
    return bool(_SCHEDULE.search(key) and not _OTHERS.search(key))


def names(*lists: str) -> list[str]:
    """Return the names in texts with spaces between them."""
    return " ".join(lists).split()


def as_number(value: Any) -> Any:
    """Return a number that was written as a text ("1e-4" is a text in YAML) as a number."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def as_literal(value: Any) -> Any:
    """Return a list or a mapping that was written as a text as one; any other value as it is."""
    if not isinstance(value, str) or len(value) > LONGEST_STRING:
        return value
    try:
        return ast.literal_eval(value.replace(" ", ""))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return value


def section(who: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping with texts as keys, an empty one for null; anything else is refused."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ScheduleError(who, "needs a mapping of keys", "give a mapping", given=value)
    return value


def under(source: Any, path: str) -> Any:
    """Return what lies at a path of keys, or the source itself where nothing does."""
    found = dig(source, path)
    return source if found is None else found


def rate_at(who: str, source: Any, path: str, ctx: RunFacts) -> float | None:
    """Return the peak rate that lies at a path of a config, or was given; None if unknown."""
    return Keys(who, {"lr": dig(source, path)}).rate(ctx)
