"""The `lr_config` of MMCV 1, the policies of its hook: by epoch or by update, and a warm-up.

With T the epochs or updates of the run, x that of an update and g(x) the level of the policy, the
level is g(x), in the first W updates multiplied by the warm-up: r, 1 - (1 - t/W)(1 - r), or
r^(1 - t/W), with r its ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks, only_one
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section
from ratewise.convert.pieces.moves import Piece, changes, decay, fall, lay, rise, stay, whole
from ratewise.schedule import (
    Exponential,
    ExponentialDecay,
    Piecewise,
    Plan,
    Power,
    Product,
    Schedule,
    ScheduleError,
    Step,
)

_WHO = "mmcv lr_config"
_WARM = "warmup warmup_iters warmup_ratio warmup_by_epoch"
_FLOOR = "min_lr min_lr_ratio"
_KINDS = {
    "fixed": "",
    "step": "step gamma min_lr",
    "exp": "gamma",
    "poly": "power min_lr",
    "inv": "gamma power",
    "CosineAnnealing": _FLOOR,
    "FlatCosineAnnealing": f"start_percent {_FLOOR}",
    "CosineRestart": f"periods restart_weights {_FLOOR}",
    "LinearAnnealing": _FLOOR,
}
_NAMES = {
    **{name: name for name in _KINDS},
    **{name.capitalize(): name for name in ("fixed", "step", "exp", "poly", "inv")},
    **{"cosineannealing": "CosineAnnealing", "cosine": "CosineAnnealing"},
}
_MOST_EPOCHS = 100_000


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = section(_WHO, dig(source, "lr_config") or source)
    name = Keys(_WHO, given).choice("policy", _NAMES, what="policy")
    kind = _NAMES[name]
    keys = Keys(f"mmcv {name}", given).only(f"policy by_epoch {_WARM}", _KINDS[kind])
    by_epoch = keys.flag("by_epoch", True)
    ctx, steps, pace = _run(source, keys, ctx, by_epoch=by_epoch)
    peak = rate_at(_WHO, source, "optimizer.lr", ctx)
    case = Case(keys, ctx, peak)
    regular = lay(steps, *_pieces(case, kind, steps))
    if by_epoch and pace != 1:
        if steps > _MOST_EPOCHS:
            raise ScheduleError(keys.who, f"has {steps:,} epochs", f"give at most {_MOST_EPOCHS:,}")
        values = regular.resolve(steps).values(steps)
        regular = Piecewise(changes({k * pace: float(each) for k, each in enumerate(values)}))
    return case.of(_warmed(case, regular, pace))


def _run(source: Any, keys: Keys, ctx: RunFacts, *, by_epoch: bool) -> tuple[RunFacts, int, int]:
    """Return the facts of the run, its length in epochs or updates, and the updates of one."""
    runner = Keys("mmcv runner", section("mmcv runner", dig(source, "runner") or {}))
    given = source if isinstance(source, Mapping) else {}
    epochs = runner.given.get("max_epochs", given.get("total_epochs"))
    iters = runner.given.get("max_iters", given.get("total_iters"))
    own = Keys("mmcv runner", {"max_epochs": epochs, "max_iters": iters})
    if by_epoch:
        pace = ctx.need_epoch(keys.who)
        if ctx.total is None and own.has("max_epochs"):
            ctx = ctx.lasting(own.whole("max_epochs", low=1) * pace)
        total = ctx.need_total(keys.who)
        return ctx, -(-total // pace), pace
    if ctx.total is None and own.has("max_iters"):
        ctx = ctx.lasting(own.whole("max_iters", low=1))
    if ctx.total is None and own.has("max_epochs"):
        ctx = ctx.lasting(own.whole("max_epochs", low=1) * ctx.need_epoch(keys.who))
    return ctx, ctx.need_total(keys.who), 1


def _low(case: Case) -> float:
    """Return the level that is fallen to."""
    only_one(case.who, case.keys.given, "min_lr", "min_lr_ratio")
    if case.keys.has("min_lr_ratio"):
        return case.keys.number("min_lr_ratio")
    if not case.keys.has("min_lr") and not case.who.endswith("oly"):
        raise ScheduleError(case.who, "has no floor", "give min_lr or min_lr_ratio")
    return case.keys.level("min_lr", case.peak, high=True)


def _pieces(case: Case, kind: str, run: int) -> list[Piece]:
    """Return the pieces of a policy, in epochs or updates."""
    keys = case.keys
    if kind == "fixed":
        return [stay(1.0)]
    if kind == "step":
        return [(None, whole(_stairs(case)))]
    if kind == "exp":
        return [(None, whole(ExponentialDecay(keys.number("gamma", above=True), every=1)))]
    if kind == "inv":
        rate, power = keys.number("gamma", above=True), keys.number("power", 1.0, above=True)
        return [(None, whole(_inverse(case, rate, power)))]
    low = _low(case)
    if kind == "poly":
        power = keys.number("power", 1.0, above=True)
        return [fall(decay("polynomial", low, power=power), run)]
    if kind == "CosineRestart":
        return _restarts(case, low)
    if kind == "FlatCosineAnnealing":
        start = round(run * keys.number("start_percent", 0.75, high=1.0))
        return [stay(1.0, start), fall(decay("cosine", low), run - start)]
    return [fall(decay("cosine" if kind == "CosineAnnealing" else "linear", low), run)]


def _stairs(case: Case) -> Any:
    keys = case.keys
    factor = keys.number("gamma", 0.1)
    given = keys.need("step")
    if given in ([], ()):
        raise ScheduleError(case.who, "has steps at no epoch", "give some, or policy='fixed'")
    made = (
        Step(factor, at=keys.wholes("step"))
        if isinstance(given, list | tuple)
        else Step(factor, every=keys.whole("step", low=1))
    )
    if keys.has("min_lr"):
        raise ScheduleError(case.who, "has steps with a min_lr", "leave min_lr out")
    return made


def _inverse(case: Case, rate: float, power: float) -> Any:
    """Return (1 + gamma·x)^-power."""
    every = 1 / rate
    if not every.is_integer():
        rule = f"has gamma={rate:g}, of which 1/gamma is no whole number"
        raise ScheduleError(case.who, rule, "give gamma such as 0.001")
    return Power(power, every=int(every))


def _restarts(case: Case, low: float) -> list[Piece]:
    keys = case.keys
    periods, weights = keys.wholes("periods"), keys.items("restart_weights", [1])
    if len(periods) != len(weights) or 0 in periods:
        rule = f"has {len(periods)} periods and {len(weights)} restart_weights"
        raise ScheduleError(case.who, rule, "give one weight, and 1 or more steps, to each")
    peaks = [Keys(case.who, {"weight": weight}).number("weight") for weight in weights]
    return [
        # the weight scales how far it falls, from low + weight·(peak - low)
        fall(decay("cosine", low, low + peak * (1 - low)), period)
        for period, peak in zip(periods, peaks, strict=True)
    ]


def _warmed(case: Case, regular: Schedule, pace: int) -> Schedule:
    """Return a schedule with the warm-up by which its first updates are multiplied."""
    keys = case.keys
    if not keys.has("warmup"):
        return regular
    kind = keys.choice("warmup", ("constant", "linear", "exp"))
    count = keys.whole("warmup_iters", low=1)
    if keys.flag("warmup_by_epoch"):
        count *= pace if pace != 1 else case.ctx.need_epoch(case.who)
    ratio = keys.number("warmup_ratio", 0.1, high=1.0, above=True)
    pieces: dict[str, list[Piece]] = {
        "constant": [stay(ratio, count)],
        "linear": [rise(count, ratio)],
        "exp": [(count, whole(Exponential(to=1.0, start=ratio)))],
    }
    climb = lay(case.run, *pieces[kind], stay(1.0))
    return climb if regular == lay(None, stay(1.0)) else Product((climb, regular))


_MARKS = Marks(
    FormatMark("lr_config.policy", 5),
    FormatMark("policy", 3, [name for name in _NAMES if name != "fixed"]),
    *marks("warmup_iters warmup_ratio runner.type", 1),
    FormatMark("param_scheduler", -20),
)
_FACTS = {
    "lr": "optimizer.lr",
    "total": "runner.max_iters total_iters",
    "epochs": "runner.max_epochs total_epochs",
}
FORMATS = (
    Format("mmcv", "MMCV 1 lr_config", _MARKS, _read, _FACTS, "lr_config optimizer.type runner"),
)
