"""Factor strings of T5X and Flax: "constant * linear_warmup * rsqrt_decay".

The rate is the product of the factors, each a function of the update t, with W = warmup_steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Context, Format
from ratewise.convert.pieces.keys import Keys, plan
from ratewise.convert.pieces.moves import climb, hold, lay, whole
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
_NAMES = (
    "constant",
    "linear_warmup",
    "rsqrt_decay",
    "rsqrt_normalized_decay",
    "decay_every",
    "cosine_decay",
)


def _read(source: Any, ctx: Context) -> Plan:
    text, given = _parts(source)
    told = {name: ctx.more[name] for name in _DEFAULTS if ctx.more.get(name) is not None}
    keys = Keys(_WHO, {**_DEFAULTS, **given, **told}).only([*_DEFAULTS, "factors"])
    names = [name.strip() for name in text.split("*")]
    for name in names:
        if name not in _NAMES:
            raise ScheduleError(f"factors={shorten(text)}", f"has {name!r}", nearest(name, _NAMES))
    warmup = keys.whole("warmup_steps")
    if not warmup and any(name == "linear_warmup" or name.startswith("rsqrt") for name in names):
        rule = "has warmup_steps=0, by which update 0 is divided"
        raise ScheduleError(_WHO, rule, "give warmup_steps of 1 or more")
    peak = _peak(keys, names, warmup)
    schedule = _schedule(keys, names, warmup, ctx.total)
    low = keys.number("min_learning_rate")
    notes = ["Update 0 runs at rate 0 and changes nothing."]
    if low:
        schedule = schedule.clip(low=low / peak)
    return plan(schedule, peak, notes if "linear_warmup" in names and not low else [])


def _peak(keys: Keys, names: list[str], warmup: int) -> float:
    """Return what the factors multiply to where all shapes are at 1."""
    base = keys.number("base_learning_rate", above=True)
    roots = names.count("rsqrt_decay")
    return base ** names.count("constant") * float(max(warmup, 1)) ** (-0.5 * roots)


def _schedule(keys: Keys, names: list[str], warmup: int, total: int | None) -> Schedule:
    factors = [_factor(keys, name, warmup, total) for name in names if name != "constant"]
    if len(factors) < 2:
        return factors[0] if factors else lay(total)
    joined = _joined(keys, names, warmup, total)
    return joined or Product(tuple(factors))


def _joined(keys: Keys, names: list[str], warmup: int, total: int | None) -> Schedule | None:
    """Return a warm-up and one decay behind it as a sequence, where that is all there is."""
    shapes = [name for name in names if name != "constant"]
    decay = next((name for name in shapes if name != "linear_warmup"), "")
    if sorted(shapes) != sorted(["linear_warmup", decay]) or decay in ("", "decay_every"):
        return None
    return lay(total, (warmup, climb(warmup)), (None, lambda n: _tail(keys, decay, warmup)))


def _factor(keys: Keys, name: str, warmup: int, total: int | None) -> Schedule:
    if name == "linear_warmup":
        return lay(total, (warmup, climb(warmup)), (None, hold(1.0)))
    if name == "decay_every":
        factor, every = keys.number("decay_factor"), keys.whole("steps_per_decay", low=1)
        return Step(factor, every=every)
    return lay(total, (warmup, hold(1.0)), (None, lambda n: _tail(keys, name, warmup)))


def _tail(keys: Keys, name: str, warmup: int) -> Schedule:
    if name == "cosine_decay":
        return Repeat(Cosine(to=0.0, start=1.0), every=keys.whole("steps_per_cycle", low=1))
    return whole(Power(0.5, every=warmup, start=1.0))(None)


def _parts(source: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(source, str):
        return source, {}
    if isinstance(source, Mapping) and isinstance(source.get("factors"), str):
        return source["factors"], dict(source)
    fix = 'write "constant * linear_warmup * rsqrt_decay"'
    raise ScheduleError(_WHO, f"cannot be read from {shorten(source)}", fix)


def _matches(source: Any) -> bool:
    text = source.get("factors") if isinstance(source, Mapping) else source
    if not isinstance(text, str) or len(text) > 1000:
        return False
    names = {name.strip() for name in text.split("*")}
    return bool(names & set(_NAMES)) and all(name.isidentifier() for name in names)


FORMATS = (Format("factors", "factors of T5X and Flax", _matches, _read),)
