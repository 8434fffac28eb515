"""The learning-rate schedule of torchtitan: warm-up, stable phase, decay.

torchtitan counts the warm-up from 1 and adds one stable update, so that no update runs at 0:
level(t) = (t + 1)/W for t < W, then 1, then the decay at progress (t - (T - D))/D.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.configs._keys import Keys, dig, plan, section
from ratewise.convert.configs._pieces import Make, Piece, climb, hold, lay, part, swing, whole
from ratewise.convert.formats import Context, Format, ask, only_one
from ratewise.schedule import Cosine, Linear, Plan, ScheduleError, Sqrt
from ratewise.schedule.errors import Fix

_WHO = "torchtitan lr_scheduler"
_KEYS = ("warmup_steps", "total_steps", "decay_ratio", "decay_type", "min_lr_factor", "lr_min")
_DECAYS: dict[str, Any] = {"linear": Linear, "sqrt": Sqrt, "cosine": Cosine}


def _read(source: Any, ctx: Context) -> Plan:
    inner = dig(source, "lr_scheduler")
    keys = Keys(_WHO, section(_WHO, source if inner is None else inner)).only(_KEYS)
    only_one(_WHO, keys.given, "min_lr_factor", "lr_min")
    peak = Keys("torchtitan optimizer", {"lr": dig(source, "optimizer", "lr")}).rate(ctx)
    total = _total(source, keys, ctx)
    notes: list[str] = []
    warmup, decay = _lengths(keys, total, notes)
    low = keys.number("lr_min" if keys.has("lr_min") else "min_lr_factor", 0.0, high=1.0)
    rise = (warmup, climb(warmup, begin=1)) if warmup else (0, hold())
    if total is None:
        move = _DECAYS[keys.choice("decay_type", _DECAYS, "linear")]
        return plan(lay(None, rise, (None, whole(move(to=low, start=1.0)))), peak, notes)
    run = ctx.total or total
    pieces = _decay(keys, low, decay, run - (total - decay), notes, total)
    return plan(lay(run, rise, (total - decay - warmup, hold(1.0)), *pieces), peak, notes)


def _total(source: Any, keys: Keys, ctx: Context) -> int | None:
    """Return the updates that the schedule is planned for; None if not known."""
    if keys.has("total_steps"):
        return keys.whole("total_steps", low=1)
    steps = dig(source, "training", "steps")
    if steps is None:
        return ctx.total
    return Keys("torchtitan training", {"steps": steps}).whole("steps", low=1)


def _lengths(keys: Keys, total: int | None, notes: list[str]) -> tuple[int, int]:
    """Return the updates of the warm-up and of the decay, cut as torchtitan cuts them."""
    warmup = keys.whole("warmup_steps", 200)
    if total is None:
        if keys.has("decay_ratio"):
            rule = "has decay_ratio, a share of a run whose length is not known"
            raise ScheduleError(_WHO, rule, ask("total"))
        return warmup, 0
    if warmup > total:
        notes.append(f"The warm-up of {warmup} updates is cut to the {total} of the run.")
        warmup = total
    decay = total - warmup
    if keys.has("decay_ratio"):
        asked = round(total * keys.number("decay_ratio", high=1.0))
        if asked > decay:
            notes.append(f"The decay of {asked} updates is cut to the {decay} behind the warm-up.")
        decay = min(asked, decay)
    return warmup, decay


def _decay(
    keys: Keys, low: float, decay: int, left: int, notes: list[str], total: int
) -> list[Piece]:
    """Return the decay over `left` updates, on past its end where the run goes on."""
    kind = keys.choice("decay_type", _DECAYS, "linear")
    if left > decay:
        notes.append(_past(kind, total))
    if not decay:
        if left > 1:
            rule = f"has no updates to decay and fails at update {total + 1}"
            alone = f"read it with total={total}, or give decay_ratio"
            fix = Fix("give {total}, or decay_ratio", alone, total=str(total))
            raise ScheduleError(_WHO, rule, fix)
        return [(left, hold(1.0))]
    if kind == "cosine":
        return [(left, swing(low, decay))]
    if left <= decay:
        return [(left, part(_DECAYS[kind](to=low, start=1.0), decay))]
    return [(left, _onwards(kind, low, decay, left, total))] if low < 1 else [(left, hold(1.0))]


def _onwards(kind: str, low: float, decay: int, left: int, total: int) -> Make:
    """Return the decay that goes on to 0: the same shape over a longer time."""
    slope = 1 - low
    zero = decay / (slope if kind == "linear" else slope**2)
    if left - 1 > zero:
        rule = f"takes the rate below 0 at update {total - decay + int(zero) + 1}"
        fix = f"give total_steps={total - decay + left}, or a shorter run"
        raise ScheduleError(_WHO, rule, fix)
    return part(_DECAYS[kind](to=0.0, start=1.0), zero)


def _past(kind: str, total: int) -> str:
    what = "rises again" if kind == "cosine" else "falls on towards 0"
    return f"The decay ends at update {total}; behind it the rate {what}."


def _matches(source: Any) -> bool:
    inner = dig(source, "lr_scheduler")
    if inner is None:
        return bool(_keys(source) & {"decay_ratio", "min_lr_factor"})
    known = _keys(inner)
    return bool(known) and not known & {"_component_", "_name", "name", "type", "_target_"}


def _keys(source: Any) -> set[str]:
    return {str(key) for key in source} if isinstance(source, dict) else set()


FORMATS = (Format("torchtitan", "torchtitan TOML", _matches, _read),)
