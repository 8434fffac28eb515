"""The learning-rate schedule of torchtitan: warm-up, stable phase, decay.

torchtitan counts the warm-up from 1 and adds one stable update, so that no update runs at 0:
level(t) = (t + 1)/W for t < W, then 1, then the decay at progress (t - (T - D))/D.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, dig, marks, only_one
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section, under
from ratewise.convert.pieces.moves import Make, Piece, decay, lay, part, rise, stay, swing, whole
from ratewise.schedule import Plan, ScheduleError

_WHO = "torchtitan lr_scheduler"
_DECAYS = {"linear": "linear", "sqrt": "1-sqrt", "cosine": "cosine"}
_BEGINNINGS = ("warmup_", "decay_", "total_", "min_lr", "lr_min")
"""How its keys begin, and those that are misspelt."""
_KEYS = "warmup_steps total_steps decay_ratio decay_type min_lr_factor lr_min"


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, under(source, "lr_scheduler")))
    keys.only(_KEYS)
    only_one(_WHO, keys.given, "min_lr_factor", "lr_min")
    case = Case(keys, ctx, rate_at("torchtitan optimizer", source, "optimizer.lr", ctx))
    total = _total(source, keys, ctx)
    warmup, steps = _lengths(case, total)
    low = keys.number("lr_min" if keys.has("lr_min") else "min_lr_factor", 0.0, high=1.0)
    kind = _DECAYS[keys.choice("decay_type", _DECAYS, "linear")]
    first = rise(warmup, counted="(t+1)/W")
    if total is None:
        return case.plan(first, (None, whole(decay(kind, low))))
    run = ctx.total or total
    last = _decay(case, kind, low, steps, run - (total - steps), total)
    return case.of(lay(run, first, stay(1.0, total - steps - warmup), last))


def _total(source: Any, keys: Keys, ctx: RunFacts) -> int | None:
    """Return the updates that the schedule is planned for; None if not known."""
    if keys.has("total_steps"):
        return keys.whole("total_steps", low=1)
    steps = dig(source, "training.steps")
    if steps is None:
        return ctx.total
    return Keys("torchtitan training", {"steps": steps}).whole("steps", low=1)


def _lengths(case: Case, total: int | None) -> tuple[int, int]:
    """Return the updates of the warm-up and of the decay, cut as torchtitan cuts them."""
    keys = case.keys
    warmup = keys.whole("warmup_steps", 200)
    if total is None:
        if keys.has("decay_ratio"):
            rule = "has decay_ratio, a share of a run whose length is not known"
            raise ScheduleError(_WHO, rule, ask("total"))
        return warmup, 0
    if warmup > total:
        case.notes.append(f"The warm-up of {warmup} updates is cut to the {total} of the run.")
        warmup = total
    left = total - warmup
    if not keys.has("decay_ratio"):
        return warmup, left
    asked = round(total * keys.number("decay_ratio", high=1.0))
    if asked > left:
        note = f"The decay of {asked} updates is cut to the {left} behind the warm-up."
        case.notes.append(note)
    return warmup, min(asked, left)


def _decay(case: Case, kind: str, low: float, steps: int, left: int, total: int) -> Piece:
    """Return the decay over `left` updates, on past its end where the run goes on."""
    if left > steps:
        what = "rises again" if kind == "cosine" else "falls on towards 0"
        case.notes.append(f"The decay ends at update {total}; behind it the rate {what}.")
    if not steps:
        if left > 1:
            rule = f"has no updates to decay and fails at update {total + 1}"
            raise ScheduleError(_WHO, rule, f"read it with total={total}, or give decay_ratio")
        return stay(1.0, left)
    if kind == "cosine":
        return left, swing(low, steps)
    if left <= steps:
        return left, part(decay(kind, low), steps)
    return (left, _onwards(kind, low, steps, left, total)) if low < 1 else stay(1.0, left)


def _onwards(kind: str, low: float, steps: int, left: int, total: int) -> Make:
    """Return the decay that goes on to 0: the same shape over a longer time."""
    slope = 1 - low
    zero = steps / (slope if kind == "linear" else slope**2)
    last = int(zero * (1 + 1e-14))  # of updates, one may lie on 0 but for the rounding
    if left - 1 > last:
        rule = f"takes the rate below 0 at update {total - steps + last + 1}"
        fix = f"give total_steps={total - steps + left}, or a shorter run"
        raise ScheduleError(_WHO, rule, fix)
    return part(decay(kind, 0.0), zero)


def _is_ours(inner: Any) -> bool:
    others = {"_component_", "_name", "name", "type", "_target_", "class_path"}
    known = isinstance(inner, Mapping) and not others & {*inner}
    return known and any(str(key).startswith(_BEGINNINGS) for key in inner)


_MARKS = Marks(
    *marks("decay_ratio min_lr_factor"),
    FormatMark("lr_scheduler", value=_is_ours),
    *marks("optimizer._component_", -20),
)
_FACTS = {"lr": "optimizer.lr", "total": "training.steps"}
FORMATS = (Format("torchtitan", "torchtitan TOML", _MARKS, _read, _FACTS, "lr_scheduler"),)
