"""Reading the schedulers of timm.

They count epochs or updates, as `t_in_epochs` says; the first epoch or update is at what the
constructor sets, since timm steps its schedulers behind it.
"""

from __future__ import annotations

from typing import Any

from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live._curves import KeyLevels, Shape, by_epoch, epochs, needs_run, plan_of
from ratewise.convert.live._replay import Stub, duplicate, run
from ratewise.convert.live._timm_shapes import SHAPES
from ratewise.schedule import Plan, ScheduleError


def _matches(source: Any) -> bool:
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    return ("timm.scheduler.scheduler", "Scheduler") in kinds


def _read(source: Any, context: RunFacts) -> Plan:
    who = f"timm {type(source).__name__}"
    if type(source).__name__ == "PlateauLRScheduler":
        rule = "is a feedback schedule: its rates depend on metrics that only a run knows"
        raise ScheduleError(who, rule, "give a schedule that is a function of the update")
    groups = source.optimizer.param_groups
    peaks = [_peak(source, i) for i in range(len(groups))]
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
    maker = SHAPES.get(type(source).__name__) if own else None
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


FORMATS = (Format("timm", "a scheduler of timm", _matches, _read),)
