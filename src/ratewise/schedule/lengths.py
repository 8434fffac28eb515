"""Lengths as users write them, and the horizon that turns them into updates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from ratewise.schedule.errors import Call, Fix, ScheduleError, Who, nearest, whole

Length = int | float | str
"""Updates (`500`), a share of the run (`"5%"`, `0.05`), or `"3 epochs"`, `"2M tokens"`."""

LONGEST = 2**62
DIGITS = 100
_SCALE = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
_UNITS = {"epoch": "epoch", "sample": "samples", "token": "tokens"}
_NAMES = ("%", "updates", "epochs", "samples", "tokens")
_LIKE_UPDATES = ("iteration", "iter", "it", "batche", "batch", "ba", "minibatche", "optimizer_step")
"""What others count, in the singular that is left without an s: here it is updates that count."""
_TIMES = ("s", "sec", "second", "m", "min", "minute", "h", "hour", "day")
_TEXT = re.compile(
    r"\s*+([0-9][0-9_]*+\.?[0-9]*+(?:[eE][+-]?[0-9]{1,2})?)\s*+([kKMBGT]?)\s*+(%|[A-Za-z]+)\s*+"
)
_HOW = 'write updates as an int, a share as "10%", or "3 epochs", "50k samples", "2M tokens"'


LONGEST_TEXT = 200
"""Characters of a length, as it is given and in its canonical form."""


def length(who: Who, name: str, value: Any) -> int | str:
    """Return `value` in its one canonical form: an int of updates, or a short text.

    >>> length("Hold", "over", 0.05), length("Hold", "over", "2000k tokens")
    ('5%', '2M tokens')
    """
    found = value
    if isinstance(value, str):
        found = _canonical(who, name, value) if len(value) <= LONGEST_TEXT else value
    elif isinstance(value, float):
        if not 0 < value < 1:
            raise ScheduleError(who, f"needs {name} as a length", _HOW, given=value)
        found = _share(who, name, Decimal(repr(float(value))) * 100, value)
    if not isinstance(found, str):
        return whole(who, name, found)
    if len(found) > LONGEST_TEXT:
        rule = f"needs {name} as a length of at most {LONGEST_TEXT} characters"
        raise ScheduleError(who, rule, _HOW, given=value)
    return found


def _canonical(who: Who, name: str, text: str) -> int | str:
    rule = f"needs {name} as a length"
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ScheduleError(who, rule, _without_commas(text), given=text)
    digits, scale, unit = match.groups()
    if not scale and unit != "%" and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        both = f"{Decimal(digits).normalize():f} {unit} or {digits.replace('.', '')} {unit}"
        raise ScheduleError(who, f"{rule}, and {text.strip()!r} may be either", f"write {both}")
    if len(digits) > DIGITS:
        raise ScheduleError(who, rule, f"give at most {DIGITS} digits", given=text)
    try:
        amount = Decimal(digits) * _SCALE[scale]
    except InvalidOperation:
        raise ScheduleError(who, rule, _HOW) from None
    if unit == "%":
        return _share(who, name, amount, text)
    singular = unit.lower().removesuffix("s")
    if singular in ("update", "step"):
        if amount != amount.to_integral_value():
            raise ScheduleError(who, rule, "updates come whole: write an int")
        return whole(who, name, int(amount))
    if singular not in _UNITS:
        fix = f'write "{digits}{scale} updates"' if singular in _LIKE_UPDATES else ""
        near = "" if singular in _TIMES else nearest(unit, _NAMES)
        near = near if near.startswith("did") else f"{unit} are no unit of a length"
        raise ScheduleError(who, rule, fix or f"{near}; {_HOW}", given=text)
    if amount > LONGEST:
        raise ScheduleError(who, rule, "give fewer than 2**62")
    return _spell(amount, singular) if amount else 0


def _without_commas(text: str) -> str:
    """Return what to write for a length that cannot be read: a comma is the likeliest slip."""
    if re.fullmatch(r"\s*[1-9]\d{0,2}(,\d{3})+(?!\d).*", text, re.DOTALL):
        return f"write it without commas, as {text.replace(',', '').strip()}; {_HOW}"
    if re.fullmatch(r"\s*\d+,\d+\D*", text):
        return f"write it with a point, as {text.replace(',', '.').strip()}; {_HOW}"
    return _HOW


def _share(who: Who, name: str, percent: Decimal, given: object) -> int | str:
    if not 0 <= percent <= 100:
        rule = f"needs {name} as a share in [0%, 100%]"
        raise ScheduleError(who, rule, "a share is of the whole run", given=given)
    return f"{_plain(percent)}%" if percent else 0


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _spell(amount: Decimal, singular: str) -> str:
    for scale in ("B", "M", "k"):
        if amount % _SCALE[scale] == 0:
            return f"{_plain(amount / _SCALE[scale])}{scale} {singular}s"
    return f"{_plain(amount)} {singular}" + ("" if amount == 1 else "s")


@dataclass(frozen=True)
class Horizon:
    """What a run knows of its own size.

    Attributes:
        total: Updates in the run, or None.
        epoch: Updates in an epoch, or None.
        samples: Samples in an update, or None.
        tokens: Tokens in an update, or None.
    """

    total: int | None = None
    epoch: Fraction | None = None
    samples: Fraction | None = None
    tokens: Fraction | None = None

    @classmethod
    def of(cls, total: Any, epoch: Any, samples: Any, tokens: Any) -> Horizon:
        """Check what a user gave and return it; `total` may be a length in a unit."""
        horizon = cls(
            None, _size("epoch", epoch), _size("samples", samples), _size("tokens", tokens)
        )
        if total is None:
            return horizon
        who = Call("resolve", "total", total)
        given = length(who, "total", total)
        if isinstance(given, str):
            if given.endswith("%"):
                fix = 'write the updates of the run, or "3 epochs", "50k samples", "2M tokens"'
                raise ScheduleError(who, "is a share of itself", fix)
            given = nearest_update(horizon.updates(who, given))
        count = whole(who, "total", given, low=1)
        return cls(count, horizon.epoch, horizon.samples, horizon.tokens)

    def updates(self, who: Who, given: int | str) -> Fraction:
        """Return a canonical length in updates, exactly.

        Raises:
            ScheduleError: the horizon does not say what the unit needs.
        """
        if isinstance(given, int):
            return Fraction(given)
        if given.endswith("%"):
            if self.total is None:
                end = "with the updates of the run, or give lengths in updates"
                fix = Fix(f"give {{total}} {end}", f"call resolve(total=…) {end}", total="…")
                raise ScheduleError(who, f"has a share ({given}) of a run of unknown total", fix)
            return Fraction(given[:-1]) / 100 * self.total
        return self.unit(who, given)

    def unit(self, who: Who, given: str) -> Fraction:
        """Return a length in epochs, samples or tokens in updates, exactly."""
        digits, name = given.split(" ")
        scale = _SCALE.get(digits[-1], 1)
        amount = Fraction(digits.rstrip("kMB")) * scale
        key = _UNITS[name.removesuffix("s")]
        size = getattr(self, key)
        if size is None:
            what = "updates in an epoch" if key == "epoch" else f"{key} in an update"
            end = f"with the {what}, or give the length in updates"
            fix = Fix(f"give {{{key}}} {end}", f"call resolve({key}=…) {end}", **{key: "…"})
            raise ScheduleError(who, f"has a length in {name} ({given})", fix)
        return amount * size if key == "epoch" else amount / size


def _size(name: str, value: Any) -> Fraction | None:
    if value is None:
        return None
    who = Call("resolve", name, value)
    fix = "give the number of updates in an epoch" if name == "epoch" else f"give {name} per update"
    try:  # the float first: as a fraction, a Decimal of 1e999999999 would take all memory there is
        near = 0.0 if isinstance(value, bool | str | bytes) else float(value)
        known = isinstance(value, int | Fraction | Decimal)
        size = Fraction(value if known else near) if 0 < near <= LONGEST else Fraction(0)
    except Exception:  # whatever the number of another library raises
        size = Fraction(0)
    if not 0 < size <= LONGEST:
        raise ScheduleError(who, f"needs {name} above 0", fix)
    return size


def nearest_update(position: Fraction) -> int:
    """Return the update nearest to an exact position, halves up."""
    return (2 * position.numerator + position.denominator) // (2 * position.denominator)


LengthMap = Callable[[int | str], int | str]


def updates_in(
    examples: float, batch_size: float, accumulation: float = 1, processes: float = 1
) -> int:
    """Return the updates in an epoch, as trainers count: a rest makes a batch, and an update.

    ceil(ceil(examples / (batch_size · processes)) / accumulation), at least 1.

    >>> updates_in(1000, 8, accumulation=4)
    32
    """
    batches = math.ceil(Fraction(examples) / (Fraction(batch_size) * Fraction(processes)))
    return max(1, math.ceil(batches / Fraction(accumulation)))
