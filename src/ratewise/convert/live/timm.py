"""Reading the schedulers of timm.

They count epochs or updates, as `t_in_epochs` says; the first epoch or update is at what the
constructor sets, since timm steps its schedulers behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ratewise import schedule as rw
from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live._border import guarded
from ratewise.convert.live._curves import (
    SLACK,
    KeyLevels,
    Shape,
    by_epoch,
    epochs,
    level,
    needs_run,
    plan_of,
)
from ratewise.convert.live._feedback import timm_plateau
from ratewise.convert.live._replay import Stub, duplicate, run
from ratewise.convert.live._torch_shapes import whole
from ratewise.convert.pieces.layout import join, ramp
from ratewise.schedule import Move, Plan, Schedule


def _matches(source: Any) -> bool:
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("timm.scheduler.scheduler", "Scheduler") in kinds


def _read(source: Any, context: RunFacts) -> Plan:
    who = f"timm {type(source).__name__}"
    groups = source.optimizer.param_groups
    peaks = [_peak(source, i) for i in range(len(groups))]
    if type(source).__name__ == "PlateauLRScheduler":
        return timm_plateau(who, source, peaks, context)
    key = str(source.param_group_field)
    if source.t_in_epochs:
        context.need_total(who)
        context.need(who, "epoch")
        found = [by_epoch(context.horizon, v) for v in _run(who, source, epochs(context.horizon))]
        curves = [KeyLevels(peak, None, v) for peak, v in zip(peaks, found, strict=True)]
    else:
        curves = _by_update(who, source, peaks, context.total)
    names = [group.get("name") for group in groups]
    return plan_of(who, [{key: curve} for curve in curves], names, _notes(source))


def _by_update(who: str, source: Any, peaks: list[float], total: int | None) -> list[KeyLevels]:
    shapes = [_shape(source, i, total) for i in range(len(peaks))]
    found: list[Floats | None] = [None] * len(peaks)
    if needs_run(shapes, total):
        assert total is not None
        found = [*_run(who, source, total)]
    return [KeyLevels(*parts) for parts in zip(peaks, shapes, found, strict=True)]


def _shape(source: Any, i: int, total: int | None) -> Shape | None:
    base = float(source.base_values[i])
    own = type(source).__module__.startswith("timm.")
    maker = _SHAPES.get(type(source).__name__) if own else None
    if maker is None or not base > 0.0 or source.noise_range_t is not None:
        return None
    return maker(source, base, total)


def _peak(source: Any, i: int) -> float:
    scale = source.optimizer.param_groups[i].get("lr_scale", 1.0)
    return float(source.base_values[i]) * float(scale)


def _run(who: str, source: Any, n: int) -> list[Floats]:
    """Return the values of n epochs or updates, for each group."""
    copied, stub = duplicate(who, source, source.optimizer)
    _begin(copied, stub)
    step = copied.step if source.t_in_epochs else copied.step_update
    key = str(source.param_group_field)
    return run(who, stub, (key,), n, lambda t: step(t))[key]


def _begin(source: Any, stub: Stub) -> None:
    """Set what the constructor sets, whatever was stepped since."""
    warm = source.warmup_lr_init if getattr(source, "warmup_t", 0) else None
    source.update_groups(source.base_values if warm is None else warm)


def _notes(source: Any) -> tuple[str, ...]:
    if source.noise_range_t is None:
        return ()
    return (f"Its noise is that of seed {source.noise_seed}, and the same in every run.",)


# The formulas, on the clock of updates -------------------------------------------------------
#
# Each takes a scheduler, the base value of a group and the total or None, and returns the levels,
# or None where only running the scheduler tells.

_Maker = Callable[[Any, float, int | None], Shape | None]


def _climb(s: Any, base: float, to: float = 1.0) -> list[Schedule]:
    """Return the warm-up, which begins at its own rate and not at zero."""
    n = whole(s.warmup_t)
    return [] if n is None else [ramp(level(s.warmup_lr_init, base), to, n)]


def _cycles(
    s: Any, base: float, total: int | None, make: Callable[[float], Move]
) -> list[Schedule]:
    """Return the cycles that are left behind the warm-up, then the floor.

    Without `warmup_prefix` the clock of the cycles runs during the warm-up.
    """
    low, offset = level(s.lr_min, base), 0 if s.warmup_prefix else int(s.warmup_t)
    warp = float(getattr(s, "k_decay", 1.0))
    moves: list[Schedule] = []
    length, begun = s.t_initial, 0
    for i in range(int(s.cycle_limit)):
        if total is not None and begun - offset >= total:
            break
        skipped = min(max(offset - begun, 0), length)
        move = make(s.cycle_decay**i)
        if skipped < length:
            moves.append(_part(move, skipped, length, warp))
        begun, length = begun + length, length * int(s.cycle_mul)
    return [*moves, rw.Hold(low)]


def _part(move: Any, skipped: int, length: int, warp: float = 1.0) -> Schedule:
    """Return what is left of a move of `length` updates."""
    if not skipped and warp == 1.0:
        return dataclasses.replace(move, over=length)
    return rw.Part(move, begin=skipped, of=length, warp=warp, over=length - skipped)


def _regular(s: Any) -> bool:
    """Tell whether cycles begin at whole updates and their number is not found by a logarithm."""
    limit = whole(s.cycle_limit, 0)
    return (
        whole(s.t_initial) is not None
        and whole(s.warmup_t, 0) is not None
        and whole(s.cycle_mul) is not None
        and limit is not None
        and limit <= 200
        and s.cycle_decay >= 0
    )


def _cosine(s: Any, base: float, total: int | None) -> Shape | None:
    if not _regular(s) or s.k_decay <= 0:
        return None
    low = level(s.lr_min, base)
    cycles = _cycles(s, base, total, lambda top: rw.Cosine(low, start=top))
    return _framed(s, base, total, cycles)


def _poly(s: Any, base: float, total: int | None) -> Shape | None:
    if not _regular(s) or s.k_decay <= 0 or s.power <= 0:
        return None
    low = level(s.lr_min, base)
    cycles = _cycles(s, base, total, lambda top: rw.Polynomial(low, s.power, start=top))
    # timm computes 1 - t/n, whose rounding counts most near the end of a small power.
    slack = max(SLACK, 4e-16 * s.t_initial ** (1 - s.power))
    return _framed(s, base, total, cycles, slack=slack)


def _tanh(s: Any, base: float, total: int | None) -> Shape | None:
    if not _regular(s):
        return None
    low = level(s.lr_min, base)
    cycles = _cycles(s, base, total, lambda top: rw.Tanh(low, s.lb, s.ub, start=top))
    if s.warmup_t:
        to = 1.0 if s.warmup_prefix else cycles[0](0)
        return _framed(s, base, total, cycles, to)
    if len(cycles) == 1:
        return None
    note = (
        "TanhLRScheduler uses the base rate itself at update 0, and its formula from update 1 on."
    )
    n = s.t_initial
    rest = (
        [rw.Part(rw.Tanh(low, s.lb, s.ub, start=1.0), begin=1, of=n, over=n - 1)] if n > 1 else []
    )
    return Shape(join([rw.Hold(1.0, over=1), *rest, *cycles[1:]], total), notes=(note,))


def _framed(
    s: Any,
    base: float,
    total: int | None,
    moves: list[Schedule],
    to: float = 1.0,
    slack: float = SLACK,
) -> Shape | None:
    """Return the warm-up, then the moves; without a warm-up update 0 is at the base rate."""
    if not s.warmup_t:
        first = moves[0]
        if len(moves) == 1:  # no cycle at all: the floor, but for update 0
            moves = [rw.Hold(1.0, over=1), first]
        return Shape(join(moves, total), slack)
    notes: tuple[str, ...] = ()
    if not s.warmup_prefix and to == 1.0:
        notes = (
            f"The warm-up ends at the base rate and the schedule goes on as if it had begun at "
            f"update 0: the rate jumps at update {int(s.warmup_t)}.",
        )
    return Shape(join([*_climb(s, base, to), *moves], total), slack, notes=notes)


# Steps --------------------------------------------------------------------------------------


def _step(s: Any, base: float, total: int | None) -> Shape | None:
    every, warm = whole(s.decay_t), whole(s.warmup_t, 0)
    if every is None or warm is None or not s.decay_rate >= 0:
        return None
    done = 0 if s.warmup_prefix else warm
    top, left = s.decay_rate ** (done // every), every - done % every
    moves: list[Schedule] = [rw.Step(s.decay_rate, every=every, start=top)]
    if left < every:
        moves = [
            rw.Hold(top, over=left),
            rw.Step(s.decay_rate, every=every, start=top * s.decay_rate),
        ]
    return Shape(join([*_climb(s, base), *moves], total))


def _multi_step(s: Any, base: float, total: int | None) -> Shape | None:
    warm, marks = whole(s.warmup_t, 0), [whole(mark, 0) for mark in s.decay_t]
    at = [mark for mark in marks if mark is not None]
    if warm is None or len(at) < len(marks) or at != sorted(at) or not s.decay_rate >= 0:
        return None
    skipped = 0 if s.warmup_prefix else warm
    least = 0 if warm else 1  # the first update is at the base rate whatever the milestones
    places = [max(mark - 1 - skipped, least) for mark in at]
    move = rw.Step(s.decay_rate, at=places, start=1.0) if places else rw.Hold(1.0)
    note = "MultiStepLRScheduler applies each step one update before its milestone."
    return Shape(join([*_climb(s, base), move], total), notes=(note,) if at else ())


# Warm-up, stable, decay ---------------------------------------------------------------------


def _wsd(s: Any, base: float, total: int | None) -> Shape | None:
    low, decay, warm = level(s.lr_min, base), whole(s.decay_t), whole(s.warmup_t, 0)
    stable = whole(s.t_initial - s.decay_t, 0) if decay else None
    if decay is None or warm is None or stable is None:
        return None
    if s.stable_fn != "constant":
        return _wsd_power(s, base, total, stable, decay)
    top = max(1.0, low)
    if top > 1.0 and not warm:
        return None  # the first update alone is below the floor
    end = _decay(s, low, top, decay)
    if end is None:
        return None
    return Shape(join([*_climb(s, base), rw.Hold(top, over=stable), end, rw.Hold(low)], total))


def _decay(s: Any, low: float, top: float, n: int) -> Schedule | None:
    kinds: dict[Any, type[Move]] = {"linear": rw.Linear, "cosine": rw.Cosine, "1-sqrt": rw.Sqrt}
    if s.decay_fn == "power":
        return rw.Part(rw.Linear(low, start=top), of=n, warp=s.decay_power, over=n)
    kind: Any = kinds.get(s.decay_fn) if isinstance(s.decay_fn, str) else None
    return None if kind is None else kind(low, over=n, start=top)


def _wsd_power(s: Any, base: float, total: int | None, stable: int, decay: int) -> Shape | None:
    """Return the stable phase that falls as a power; its decay is a product where it ends at 0."""
    every, low = whole(s.stable_timescale), level(s.lr_min, base)
    end = _decay(s, 0.0, 1.0, decay)
    if every is None or end is None or low:
        return None
    power = 0.5 if s.stable_fn == "rsqrt" else s.stable_power
    tail = join([rw.Hold(1.0, over=stable), end, rw.Hold(0.0)])
    fall = rw.Power(power, every=every, start=1.0)
    return Shape(join([*_climb(s, base), fall * tail], total))


_SHAPES: dict[str, _Maker] = {
    "CosineLRScheduler": _cosine,
    "TanhLRScheduler": _tanh,
    "PolyLRScheduler": _poly,
    "StepLRScheduler": _step,
    "MultiStepLRScheduler": _multi_step,
    "WSDLRScheduler": _wsd,
}
FORMATS = (Format("timm", "a scheduler of timm", _matches, guarded(_read)),)
