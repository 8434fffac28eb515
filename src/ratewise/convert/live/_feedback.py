"""Schedulers that listen to a metric, read as moves that do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ratewise.convert.formats import RunFacts, ask, completed
from ratewise.convert.live._curves import Parts, gather, level
from ratewise.convert.live._torch_shapes import whole
from ratewise.convert.pieces.keys import as_number
from ratewise.convert.pieces.layout import join
from ratewise.schedule import Greedy, Hold, Piecewise, Plan, Plateau, Schedule, ScheduleError
from ratewise.schedule.errors import number, shorten
from ratewise.schedule.lengths import nearest_update
from ratewise.schedule.track import LARGEST

_PLATEAU: dict[str, Any] = {
    "mode": "min",
    "factor": 0.1,
    "patience": 10,
    "threshold": 1e-4,
    "threshold_mode": "rel",
    "cooldown": 0,
    "min_lr": 0.0,
    "eps": 1e-8,
}
_GREEDY: dict[str, Any] = {
    "mode": "min",
    "factor": 0.95,
    "patience": 10,
    "threshold": 1e-6,
    "threshold_mode": "abs",
    "cooldown": 0,
    "warmup": 0,
    "min_lr": 1e-3,
    "max_lr": 1.0,
    "eps": 1e-8,
    "verbose": False,
    "smooth": False,
    "window_size": 50,
    "reset_start": 500,
}


# PyTorch, and what is built on its plateau --------------------------------------------------

_TORCH = ("torch.optim.lr_scheduler", "ReduceLROnPlateau")


def is_torch_plateau(source: Any) -> bool:
    """Tell whether an object is PyTorch's plateau, or of a class made from it."""
    return _TORCH in {(kind.__module__, kind.__name__) for kind in type(source).__mro__}


def torch_plateau(who: str, source: Any, context: RunFacts) -> Plan:
    """Return the plan of PyTorch's `ReduceLROnPlateau`, which counts as it does."""
    groups = source.optimizer.param_groups
    own = (type(source).__module__, type(source).__name__) == _TORCH
    if not own or {"step", "_reduce_lr", "_is_better"} & vars(source).keys():
        rule = "is a plateau with methods of its own, of which nobody can tell what they do"
        raise ScheduleError(who, rule, "read the plain one, or the scheduler that it is a part of")
    check_unused(who, source)
    for group in groups:
        if not math.isclose(group.get("initial_lr", group["lr"]), group["lr"], rel_tol=1e-6):
            rule = "listens on an optimizer whose rate another scheduler has moved"
            raise ScheduleError(who, rule, "write rw.Warmup(…) >> rw.Plateau(…)")
    metric = str(context.more.get("metric", "val_loss"))
    rates = [float(group["lr"]) for group in groups]
    parts = plateau_parts(who, source, metric, rates, _floors(who, source))
    return gather(parts, [group.get("name") for group in groups], (heard(metric),))


def check_unused(who: str, source: Any) -> None:
    """Refuse PyTorch's plateau in the middle of a run: a plan cannot hold what it remembers."""
    counted = source.last_epoch or source.num_bad_epochs or source.cooldown_counter
    if counted or math.isfinite(source.best):
        raise ScheduleError(who, "has been shown metrics before", "read it before it is used")


def heard(metric: str) -> str:
    """Return the note that says under which name a metric is awaited."""
    return f"It listens to {metric!r}: show it to `observe` under that name."


def _floors(who: str, source: Any) -> list[float]:
    """Return the floor of each group; groups that came later have the one that is meant for all."""
    count, floors = len(source.optimizer.param_groups), list(source.min_lrs)
    if len(floors) != count and source.default_min_lr is not None:
        return [source.default_min_lr] * count
    if len(floors) != count:
        rule = f"has min_lr={shorten(floors)} for {count} groups"
        raise ScheduleError(who, rule, "give one for each group")
    return floors


def plateau_parts(
    who: str, source: Any, metric: str, rates: Sequence[float], floors: Sequence[float]
) -> list[Parts]:
    """Return what PyTorch's plateau does to groups with these rates and floors."""
    names = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps")
    given = {name: getattr(source, name) for name in names}
    pairs = zip(floors, rates, strict=True)
    return [
        {"lr": _plateau_of(who, {**given, "min_lr": floor}, rate, metric)} for floor, rate in pairs
    ]


def _plateau_of(
    who: str, given: Mapping[str, Any], rate: float, metric: str
) -> tuple[Schedule, float]:
    settings = completed(who, given, _PLATEAU)
    floor, least = (number(who, name, settings.pop(name)) for name in ("min_lr", "eps"))
    if rate == 0.0:  # PyTorch multiplies it, and lowers it to no floor above it
        return Hold(), 0.0
    rate = number(who, "a rate", rate)
    floors = {"floor": level(floor, rate), "least": least / rate}
    return Plateau(metric, counting="torch", **floors, **settings), rate


def plateau(who: str, given: Mapping[str, Any], rate: float, metric: str, *notes: str) -> Plan:
    """Return the plan of a plateau by the arguments of PyTorch's."""
    move, peak = _plateau_of(who, _numbers(given), number(who, "a rate", rate, above=True), metric)
    return Plan(lr=move, peak={"lr": peak}, notes=notes)


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a config, where YAML may have left 1e-5 as a text."""
    texts = ("mode", "threshold_mode")
    return {key: value if key in texts else as_number(value) for key, value in given.items()}


def timm_plateau(who: str, source: Any, peaks: Sequence[float], context: RunFacts) -> Plan:
    """Return the plan of timm's plateau: stairs of an epoch each, then PyTorch's plateau.

    Of `warmup_t` = n epochs, epoch e is at init + e·(base - init)/n; the first metric that it is
    shown is that of epoch n, whose rate is the base.
    """
    inner, groups, n = source.lr_scheduler, source.optimizer.param_groups, whole(source.warmup_t, 0)
    if n is None or source.noise_range_t is not None:
        what = "noise" if n is not None else f"warmup_t={shorten(source.warmup_t)}"
        raise ScheduleError(who, f"has {what}, which no schedule of ours has", "leave it out")
    check_unused(who, inner)
    scales = [float(group.get("lr_scale", 1.0)) for group in groups]
    begins = [
        source.warmup_lr_init * scale if n else p for p, scale in zip(peaks, scales, strict=True)
    ]
    now = [float(group["lr"]) for group in groups]
    if any(abs(rate - begin) > 1e-6 * begin for rate, begin in zip(now, begins, strict=True)):
        raise ScheduleError(who, "was stepped before", "read it before it is used")
    metric = str(context.more.get("metric", "val_loss"))
    parts = plateau_parts(who, inner, metric, peaks, _floors(who, inner))
    if n:
        for part, peak, begin in zip(parts, peaks, begins, strict=True):
            part["lr"] = _after_stairs(who, *part["lr"], begin, n, context), peak
    note = f"{heard(metric)} timm shows it once an epoch."
    return gather(parts, [group.get("name") for group in groups], (note,))


def _after_stairs(
    who: str, move: Schedule, peak: float, begin: float, n: int, context: RunFacts
) -> Schedule:
    epoch = context.horizon.epoch
    places = [f"{e} epochs" if epoch is None else nearest_update(e * epoch) for e in range(n + 2)]
    if not peak and begin:
        raise ScheduleError(who, "climbs down to a rate of 0", "give every group a rate")
    start = begin / peak if peak else 0.0
    stairs = {place: start + e * ((1.0 - start) / n) for e, place in enumerate(places[:n])}
    climb = Piecewise({**stairs, places[n]: 1.0}, over=places[-1])
    return climb >> move if epoch is None else join([climb, move], context.total)


def ignite_plateau(who: str, source: Any, context: RunFacts) -> Plan:
    """Return the plan of Ignite's plateau: PyTorch's, of one group or of all.

    Of one group, Ignite looks for the floor where that of group 0 is.
    """
    inner, groups = source.scheduler, source.optimizer.param_groups
    check_unused(who, inner)
    index = source.param_group_index
    chosen = [*range(len(groups))] if index is None else [range(len(groups))[index]]
    floors, notes = [float(floor) for floor in inner.min_lrs[: len(chosen)]], list[str]()
    if len(floors) < len(chosen):
        raise ScheduleError(who, "has groups that it came before", "make it behind add_param_group")
    if index is not None and inner.min_lrs[index] != floors[0]:
        notes.append(f"Ignite takes min_lr of group 0, {floors[0]:g}, for group {chosen[0]}.")
    metric = str(context.more.get("metric", source.metric_name))
    rates = [float(groups[i]["lr"]) for i in chosen]
    found = dict(zip(chosen, plateau_parts(who, inner, metric, rates, floors), strict=True))
    parts = [found.get(i, {}) for i in range(len(groups))]
    return gather(parts, [group.get("name") for group in groups], (heard(metric), *notes))


# Transformers -------------------------------------------------------------------------------


def greedy(who: str, given: Mapping[str, Any], rate: float, metric: str) -> Plan:
    """Return the plan of Transformers' `GreedyLR` by its arguments."""
    rate = number(who, "a rate", rate, above=True)
    all_of = completed(who, _numbers(given), _GREEDY)
    bounds = rate, all_of.pop("min_lr"), all_of.pop("max_lr")
    move, peak = _greedy_of(who, all_of, [bounds], 0, metric)
    notes = [_never_lower(rate)] if bounds[1] > rate else []
    return Plan(lr=move, peak={"lr": peak}, notes=tuple(notes))


def _never_lower(rate: float) -> str:
    return f"min_lr is above the rate of {rate:g}: it is never reduced, only raised and reset."


def live_greedy(who: str, source: Any, context: RunFacts) -> Plan:
    """Return the plan of a `GreedyLR`, whose groups start afresh when all are at their lowest."""
    state, groups = source.state_dict(), source.optimizer.param_groups
    counted = ("last_epoch", "num_good_epochs", "num_bad_epochs", "cooldown_counter")
    rates = [float(group["lr"]) for group in groups]
    fresh = not any(state[name] for name in counted) and not math.isfinite(state["best"])
    if not fresh or state["reset_start"] != state["reset_start_original"]:
        raise ScheduleError(who, "has been shown metrics before", "read it before it is used")
    if [float(rate) for rate in state["_init_lrs"]] != rates:
        rule = "starts afresh from rates that its groups do not have now"
        raise ScheduleError(who, rule, "read it before a rate is changed")
    given = {name: state[name] for name in _GREEDY.keys() & state.keys()}
    given["reset_start"] = state["reset_start_original"]
    metric = str(context.more.get("metric", "val_loss"))
    bounds = list(zip(rates, state["min_lrs"], state["max_lrs"], strict=True))
    notes = [heard(metric), *(_never_lower(rate) for rate, low, _ in bounds if low > rate > 0)]
    parts: list[Parts] = [
        {"lr": _greedy_of(who, given, bounds, i, metric)} for i in range(len(bounds))
    ]
    return gather(parts, [group.get("name") for group in groups], tuple(dict.fromkeys(notes)))


def _greedy_of(
    who: str, given: Mapping[str, Any], bounds: Sequence[Sequence[Any]], i: int, metric: str
) -> tuple[Schedule, float]:
    """Return what it does to group i of those with these rates and bounds."""
    if given["smooth"]:
        rule = "averages the metric over a window (smooth=True)"
        raise ScheduleError(who, rule, "write rw.Greedy(metric, smoothing=0.9)")
    told = [_bounds(who, *one) for one in bounds]
    rate, low, high = told[i]
    if rate == 0.0:
        return Hold(), 0.0
    kept = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "warmup")
    move = Greedy(
        metric,
        low=level(low, rate),
        high=min(level(high, rate), LARGEST),
        reset=max(1, given["reset_start"]),
        least=given["eps"],
        rates=(told[i], *(one for k, one in enumerate(told) if k != i and one[0])),
        **{name: given[name] for name in kept},
    )
    return move, rate


def _bounds(who: str, rate: Any, low: Any, high: Any) -> tuple[float, float, float]:
    most = number(who, "max_lr", LARGEST if high == math.inf else high)
    return number(who, "a rate", rate), number(who, "min_lr", low), most


# Keras --------------------------------------------------------------------------------------


def keras_plateau(who: str, source: Any, context: RunFacts) -> Plan:
    """Return the plan of Keras' `ReduceLROnPlateau` callback, which counts as it does."""
    metric, rate = str(source.monitor), context.more.get("lr")
    if source.min_lr and rate is None:
        fix = ask("lr", " with the rate that it starts from")
        raise ScheduleError(who, f"has min_lr={source.min_lr:g}, an absolute rate", fix)
    upward = any(part in metric.lower() for part in ("acc", "auc", "precision", "recall", "f1"))
    mode = source.mode if source.mode in ("min", "max") else ("max" if upward else "min")
    notes = [] if mode == source.mode else [f"mode={source.mode!r} was read as {mode!r}."]
    move = Plateau(
        metric,
        mode=mode,
        factor=source.factor,
        patience=source.patience,
        cooldown=source.cooldown,
        threshold=source.min_delta,
        threshold_mode="abs",
        floor=source.min_lr / float(rate) if rate else 0.0,
        counting="keras",
    )
    return Plan(lr=move, peak={} if rate is None else {"lr": rate}, notes=tuple(notes))
