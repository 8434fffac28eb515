"""Factor strings of T5X and Flax: "constant * linear_warmup * rsqrt_decay".

The rate is the product of the factors, each a function of the update t, with W = warmup_steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import Piece, rise, stay, whole
from ratewise.schedule import Cosine, Plan, Power, Product, Repeat, Schedule, ScheduleError, Step
from ratewise.schedule.errors import nearest, shorten

_WHO = "factors"
_DEFAULTS = {
    "base_learning_rate": 0.5,
    "warmup_steps": 1000,
    "decay_factor": 0.5,
    "steps_per_decay": 20_000,
    "steps_per_cycle": 100_000,
    "min_learning_rate": 0.0,
}
_ROOTS = ("rsqrt_decay", "rsqrt_normalized_decay")
_NAMES = ("constant", "linear_warmup", *_ROOTS, "decay_every", "cosine_decay")


def _read(source: Any, ctx: RunFacts) -> Plan:
    text, given = _parts(source)
    told = {name: ctx.more[name] for name in _DEFAULTS if ctx.more.get(name) is not None}
    keys = Keys(_WHO, {**_DEFAULTS, **given, **told}).only(*_DEFAULTS, "factors")
    names = [name.strip() for name in text.split("*")]
    for name in names:
        if name not in _NAMES:
            raise ScheduleError(f"factors={shorten(text)}", f"has {name!r}", nearest(name, _NAMES))
    warmup = keys.whole("warmup_steps")
    if not warmup and {"linear_warmup", *_ROOTS} & set(names):
        rule = "has warmup_steps=0, by which update 0 is divided"
        raise ScheduleError(_WHO, rule, "give warmup_steps of 1 or more")
    case = Case(keys, ctx, _peak(keys, names, warmup))
    lr = _product(case, [name for name in names if name != "constant"], warmup)
    low = keys.number("min_learning_rate")
    case.idle("linear_warmup" in names and warmup, low)
    return case.of(lr.clip(low=low / case.peak) if low and case.peak else lr)


def _peak(keys: Keys, names: list[str], warmup: int) -> float:
    """Return what the factors multiply to where all shapes are at 1."""
    base = keys.number("base_learning_rate", above=True)
    roots = names.count("rsqrt_decay")
    return base ** names.count("constant") * float(max(warmup, 1)) ** (-0.5 * roots)


def _product(case: Case, shapes: list[str], warmup: int) -> Schedule:
    """Return the product; a warm-up and one decay behind it are the two in a row."""
    if len(shapes) == 2 and "linear_warmup" in shapes:
        other = next((name for name in shapes if name != "linear_warmup"), "")
        if other not in ("", "decay_every"):
            return case.lay(rise(warmup), _tail(case.keys, other, warmup))
    factors = [_factor(case, name, warmup) for name in shapes]
    return Product(tuple(factors)) if len(factors) > 1 else factors[0] if factors else case.lay()


def _factor(case: Case, name: str, warmup: int) -> Schedule:
    keys = case.keys
    if name == "linear_warmup":
        return case.lay(rise(warmup), stay(1.0))
    if name == "decay_every":
        return Step(keys.number("decay_factor"), every=keys.whole("steps_per_decay", low=1))
    return case.lay(stay(1.0, warmup), _tail(keys, name, warmup))


def _tail(keys: Keys, name: str, warmup: int) -> Piece:
    if name == "cosine_decay":
        every = keys.whole("steps_per_cycle", low=1)
        return None, lambda n: Repeat(Cosine(to=0.0, start=1.0), every=every)
    return None, lambda n: whole(Power(0.5, every=warmup, start=1.0))(None)


def _parts(source: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(source, str):
        return source, {}
    if isinstance(source, Mapping) and isinstance(source.get("factors"), str):
        return source["factors"], dict(source)
    fix = 'write "constant * linear_warmup * rsqrt_decay"'
    raise ScheduleError(_WHO, f"cannot be read from {shorten(source)}", fix)


def _is_product(text: Any) -> bool:
    if not isinstance(text, str) or len(text) > 1000:
        return False
    names = {name.strip() for name in text.split("*")}
    return bool(names & {*_NAMES}) and all(name.isidentifier() for name in names)


_MARKS = Marks(FormatMark("", value=_is_product), FormatMark("factors", value=_is_product))
_READS = " ".join(["factors", *_DEFAULTS])
FORMATS = (Format("factors", "factors of T5X and Flax", _MARKS, _read, reads=_READS),)
