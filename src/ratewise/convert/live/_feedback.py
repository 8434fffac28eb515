"""Schedulers that listen to a metric, read as moves that do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import RunFacts, ask, completed
from ratewise.schedule import Greedy, Plan, Plateau, ScheduleError
from ratewise.schedule.errors import number, shorten

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


def torch_plateau(who: str, source: Any, context: RunFacts) -> Plan:
    """Return the plan of PyTorch's `ReduceLROnPlateau`, which counts as it does."""
    if source.last_epoch or source.num_bad_epochs:
        raise ScheduleError(who, "has been shown metrics before", "read it before it is used")
    rates = [float(group["lr"]) for group in source.optimizer.param_groups]
    floors = {floor / rate for floor, rate in zip(source.min_lrs, rates, strict=True) if rate}
    if len(floors) > 1:
        rule = f"has min_lr={shorten(source.min_lrs)} for rates {shorten(rates)}"
        raise ScheduleError(who, rule, "give all groups the same share of their rate as min_lr")
    names = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "eps")
    given = {name: getattr(source, name) for name in names}
    metric = context.more.get("metric", "val_loss")
    note = f"It listens to {metric!r}: show it to `observe` under that name."
    return plateau(who, {**given, "min_lr": source.min_lrs[0]}, rates[0], metric, note)


def plateau(who: str, given: Mapping[str, Any], rate: float, metric: str, *notes: str) -> Plan:
    """Return the plan of a plateau by the arguments of PyTorch's."""
    all_of = completed(who, given, _PLATEAU)
    floor, least = all_of.pop("min_lr"), all_of.pop("eps")
    rate = number(who, "a rate", rate, above=True)
    move = Plateau(metric, counting="torch", floor=floor / rate, least=least / rate, **all_of)
    return Plan(lr=move, peak={"lr": rate}, notes=notes)


def greedy(who: str, given: Mapping[str, Any], rate: float, metric: str) -> Plan:
    """Return the plan of Transformers' `GreedyLR` by its arguments."""
    all_of = completed(who, given, _GREEDY)
    if all_of["smooth"]:
        rule = "averages the metric over a window (smooth=True)"
        raise ScheduleError(who, rule, "write rw.Greedy(metric, smoothing=0.9)")
    rate = number(who, "a rate", rate, above=True)
    low, high = all_of["min_lr"] / rate, all_of["max_lr"] / rate
    notes = ["Changes of 1e-8 or less, which it does not make, are made here."]
    if low > 1:
        said = f"min_lr is above the rate of {rate:g}"
        notes.append(f"{said}: it is never reduced, only raised and reset.")
    kept = ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "warmup")
    move = Greedy(
        metric,
        low=low,
        high=high,
        reset=all_of["reset_start"],
        **{name: all_of[name] for name in kept},
    )
    return Plan(lr=move, peak={"lr": rate}, notes=tuple(notes))


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
