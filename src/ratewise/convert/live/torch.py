"""Reading the schedulers of PyTorch.

One call of `scheduler.step()` is one update, unless `interval="epoch"` says that it is called
once per epoch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live._border import guarded
from ratewise.convert.live._curves import (
    CLOSE,
    KeyLevels,
    Shape,
    by_epoch,
    epochs,
    needs_run,
    plan_of,
)
from ratewise.convert.live._described import called, is_described, refuse_unknown
from ratewise.convert.live._feedback import is_torch_plateau, torch_plateau
from ratewise.convert.live._torch_replay import leaves, milestones, parts, replay, stepped
from ratewise.convert.live._torch_shapes import MOMENTUM, SHAPES, Maker
from ratewise.convert.pieces.layout import join, padded
from ratewise.schedule import Plan, Product, Schedule, ScheduleError
from ratewise.schedule.errors import nearest, shorten

_FACTORS = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR")
_RESETS = (*_FACTORS, "LambdaLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts")


def _matches(source: Any) -> bool:
    return is_scheduler(source) or is_torch_plateau(source)


def is_scheduler(source: Any) -> bool:
    """Tell whether an object is a scheduler of PyTorch, or of a class made from one."""
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    own = type(source).__module__.startswith("ratewise.")
    return ("torch.optim.lr_scheduler", "LRScheduler") in kinds and not own


def name_of(source: Any) -> str:
    """Return the name of a class of PyTorch itself; of a class made from one, nothing."""
    if is_described(source):
        return called(source)
    kind = type(source)
    own = kind.__module__ in ("torch.optim.lr_scheduler", "torch.optim.swa_utils")
    return kind.__name__ if own else ""


def read(source: Any, context: RunFacts) -> Plan:
    """Return the plan of a scheduler.

    Raises:
        ScheduleError: it depends on metrics, goes below 0, or has to be run and no total is given.
    """
    who = f"PyTorch {called(source)}"
    if is_torch_plateau(source):
        return torch_plateau(who, source, context)
    refuse_feedback(who, source)
    interval = context.more.get("interval", "update")
    if interval not in ("update", "epoch"):
        fix = nearest(interval, ("update", "epoch"))
        raise ScheduleError(f"read(…, interval={shorten(interval)})", "is not an interval", fix)
    total = context.total
    if interval == "epoch":
        context.need_total(who)
        context.need(who, "epoch")
        total = epochs(context.horizon)
    groups = curves(who, source, total)
    if interval == "epoch":
        groups = [{key: _stretched(curve, context) for key, curve in g.items()} for g in groups]
    names = [group.get("name") for group in source.optimizer.param_groups]
    return plan_of(who, groups, names, tuple(dict.fromkeys(_remarks(source))))


def refuse_feedback(who: str, source: Any) -> None:
    """Refuse what depends on metrics."""
    for leaf in leaves(source):
        if is_torch_plateau(leaf):
            rule = "holds a scheduler that listens to metrics, which PyTorch does not run"
            raise ScheduleError(who, rule, "read its parts, and write Warmup(…) >> Plateau(…)")


def curves(who: str, source: Any, total: int | None) -> list[dict[str, KeyLevels]]:
    """Return what a scheduler does to each group's rate, and momentum if it has one.

    With a total, the scheduler is run to check the formula, or where there is none.
    """
    count = len(source.optimizer.param_groups)
    keys = ("lr", "momentum") if any(_cycles_momentum(leaf) for leaf in leaves(source)) else ("lr",)
    formulas = {(key, i): formula(source, key, i, total) for key in keys for i in range(count)}
    found: dict[str, list[Floats]] = {}
    if is_described(source):
        refuse_unknown(who, *(shape for _, shape in formulas.values()))
    elif needs_run((shape for _, shape in formulas.values()), total):
        assert total is not None
        found = replay(who, source, keys, total)
    close = CLOSE if _in_double(source) else 1e-5
    return [
        {key: KeyLevels(*formulas[key, i], found[key][i] if found else None, close) for key in keys}
        for i in range(count)
    ]


def _stretched(curve: KeyLevels, context: RunFacts) -> KeyLevels:
    values = curve.values
    if values is None:
        assert curve.shape is not None
        values = curve.peak * curve.shape.schedule.resolve(epochs(context.horizon)).values()
    return KeyLevels(curve.peak, None, by_epoch(context.horizon, values), curve.close)


def _in_double(source: Any) -> bool:
    """Tell whether rates are Python's own numbers, not tensors of 32 bits."""
    return all(isinstance(group["lr"], int | float) for group in source.optimizer.param_groups)


def _cycles_momentum(leaf: Any) -> bool:
    return name_of(leaf) in MOMENTUM and bool(leaf.cycle_momentum)


# Peaks and shapes ---------------------------------------------------------------------------


def _peak(source: Any, key: str, i: int) -> float:
    found = [_leaf_peak(leaf, key, i) for leaf in leaves(source)]
    return max((peak for peak in found if peak is not None), default=0.0)


def _leaf_peak(leaf: Any, key: str, i: int) -> float | None:
    name, group = name_of(leaf), leaf.optimizer.param_groups[i]
    if key == "momentum":
        if not _cycles_momentum(leaf):
            return None
        return max(float(group["max_momentum"]), float(group["base_momentum"]))
    if name == "OneCycleLR":
        return max(float(group["max_lr"]), float(group["initial_lr"]))
    if name == "CyclicLR":
        return max(float(leaf.max_lrs[i]), float(leaf.base_lrs[i]))
    return float(leaf.base_lrs[i])


def formula(source: Any, key: str, i: int, total: int | None) -> tuple[float, Shape | None]:
    """Return the peak of a group's key, and its levels; None where only running it tells."""
    peak = _peak(source, key, i)
    maker = (_RATES if key == "lr" else MOMENTUM).get(name_of(source))
    shape = maker(source, i, peak, total) if maker is not None and peak > 0.0 else None
    if shape is None or key != "lr" or is_described(source):
        return peak, shape
    if _is_there(source, i, peak, shape, total):
        return peak, shape
    return peak, None


def _is_there(source: Any, i: int, peak: float, shape: Shape, total: int | None) -> bool:
    """Tell whether a formula gives the rate that the group has now.

    It does not where something else sets the rate too, or where the optimizer's own was changed.
    """
    t = stepped(source)
    if total is not None and t >= total:
        return True
    now = float(source.optimizer.param_groups[i]["lr"])
    return abs(peak * shape.schedule(t) - now) <= 1e-5 * now + 1e-9 * peak


# Compositions -------------------------------------------------------------------------------


def _sequence(source: Any, i: int, peak: float, total: int | None) -> Shape | None:
    """Return one scheduler after the other, where each sets its own first rate when it begins."""
    inner, marks = parts(source), milestones(source)
    begins = [0, *marks]
    if any(a >= b for a, b in itertools.pairwise(begins)) or not _same_base(inner, i):
        return None
    if any(name_of(part) not in _RESETS for part in inner):
        return None
    if any(getattr(part, "total_iters", 1) <= 0 for part in inner[1:]):
        return None  # the formula that PyTorch uses when such a part begins gives something else
    moves: list[Schedule] = []
    shapes: list[Shape] = []
    for part, begin, end in zip(inner, begins, [*marks, total], strict=True):
        if total is not None and begin >= total:
            break
        n = None if end is None else end - begin
        shape = _RATES[name_of(part)](part, i, peak, n)
        if shape is None:
            return None
        shapes.append(shape)
        last = part is inner[-1]
        moves += [shape.schedule] if last or n is None else padded(shape.schedule, n)
    return _together(join(moves, total), shapes)


def _chain(source: Any, i: int, peak: float, total: int | None) -> Shape | None:
    """Return the product of schedulers that each multiply the rate they find."""
    inner = parts(source)
    if not _same_base(inner, i) or not all(_multiplies(part, total) for part in inner):
        return None
    shapes = [_RATES[name_of(part)](part, i, peak, total) for part in inner]
    found = [shape for shape in shapes if shape is not None]
    if len(found) < len(inner):
        return None
    factors = tuple(shape.schedule for shape in found)
    return _together(factors[0] if len(factors) == 1 else Product(factors), found)


def _multiplies(part: Any, total: int | None) -> bool:
    if name_of(part) == "CosineAnnealingLR":
        return part.eta_min == 0 and total is not None and total <= part.T_max + 1
    return name_of(part) in _FACTORS


def _together(schedule: Schedule, shapes: list[Shape]) -> Shape:
    notes = tuple(dict.fromkeys(note for shape in shapes for note in shape.notes))
    slack = sum(shape.slack for shape in shapes)
    return Shape(schedule, slack, all(shape.sure for shape in shapes), notes)


def _same_base(inner: list[Any], i: int) -> bool:
    """Tell whether all parts multiply the rate that the first of them found."""
    bases = {float(part.base_lrs[i]) for part in inner if hasattr(part, "base_lrs")}
    return bases == {float(inner[0].optimizer.param_groups[i]["initial_lr"])}


# What compositions do that one would not expect -----------------------------------------------

_OVERWRITE = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")


def _remarks(source: Any) -> Iterator[str]:
    inner = parts(source)
    if _is_sequence(source):
        yield from _of_sequence(inner, milestones(source))
    elif inner:
        yield from _of_chain(inner)
    for part in inner:
        yield from _remarks(part)


def _of_sequence(inner: list[Any], marks: list[int]) -> Iterator[str]:
    ends = [*marks, None]
    for i, (part, begin) in enumerate(zip(inner, [0, *marks], strict=True)):
        name, end = called(part), ends[i]
        length = getattr(part, "total_iters", 0)
        if end is not None and begin < end < begin + length:
            yield (
                f"SequentialLR leaves its {name} of {length} updates at update {end}, after "
                f"{end - begin}: the rate jumps."
            )
        if i and name in ("MultiplicativeLR", "SWALR"):
            yield f"{name} goes on from the rate that it finds at update {begin}, not the base."
        if _is_sequence(part) and i == 0:
            yield (
                "A SequentialLR at the beginning of another one is an update ahead: it reaches its "
                f"milestones {milestones(part)} one update early."
            )


def _of_chain(inner: list[Any]) -> Iterator[str]:
    for i, part in enumerate(inner):
        name = called(part)
        if name in _OVERWRITE and i:
            yield f"{name} sets the rate anew at each step: what comes before it has no effect."
        if name in _OVERWRITE and i < len(inner) - 1:
            yield (
                f"{name} sets the rate anew at each step: of the schedulers behind it, only what "
                "they do in the same step is left."
            )


def _is_sequence(source: Any) -> bool:
    return called(source) == "SequentialLR"


_RATES: dict[str, Maker] = {**SHAPES, "SequentialLR": _sequence, "ChainedScheduler": _chain}
FORMATS = (Format("torch", "a scheduler of PyTorch", _matches, guarded(read)),)
