"""The formulas of PyTorch's schedulers that are not compositions, as moves.

Each function takes a scheduler, the index of a group, its peak, and the total or None. It returns
the levels, or None where only running the scheduler tells (odd settings, mostly).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.live._curves import SLACK, Shape, level
from ratewise.convert.pieces.layout import join, ramp
from ratewise.schedule import Schedule

Maker = Callable[[Any, int, float, int | None], Shape | None]


def whole(value: Any, least: int = 1) -> int | None:
    """Return a number of at least `least` as an int if it is whole, else None."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == value and number >= least else None


def _usable(*levels: float) -> bool:
    return all(math.isfinite(level) and level >= 0.0 for level in levels)


def _lambda(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    return Shape(rw.Function(s.lr_lambdas[i]))


def _step(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    every = whole(s.step_size)
    if every is None or not _usable(s.gamma):
        return None
    return Shape(rw.Step(s.gamma, every=every, start=1.0))


def _multi_step(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    if not _usable(s.gamma):
        return None
    at = sorted(m for each in s.milestones.elements() if (m := whole(each, 0)) is not None)
    return Shape(rw.Step(s.gamma, at=at, start=1.0) if at else rw.Hold(1.0))


def _constant(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    n = whole(s.total_iters)
    if n is None:
        note = f"ConstantLR never leaves its factor: no update has the number {s.total_iters}."
        return Shape(rw.Hold(s.factor), notes=(note,))
    if s.factor == 0.0 and (total is None or total > n):
        return None  # PyTorch divides by it
    return Shape(join([rw.Hold(s.factor, over=n), rw.Hold(1.0)], total))


def _linear(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    n = whole(s.total_iters)
    if n is None and not s.total_iters <= 0:
        return None
    if n is None:
        note = f"LinearLR never leaves its start factor: total_iters is {s.total_iters}."
        return Shape(rw.Hold(s.start_factor), notes=(note,))
    return Shape(join([ramp(s.start_factor, s.end_factor, n), rw.Hold(s.end_factor)], total))


def _exponential(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    if not _usable(s.gamma):
        return None
    return Shape(
        rw.ExponentialDecay(s.gamma, start=1.0) if s.gamma else rw.Step(0.0, at=1, start=1.0)
    )


def _polynomial(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    n = whole(s.total_iters)
    if (n is None and s.total_iters <= 0) or s.power == 0:
        return Shape(rw.Hold(1.0))
    if n is None or not _usable(s.power):
        return None
    move = (
        rw.Linear(0.0, over=n, start=1.0) if s.power == 1 else rw.Polynomial(0.0, s.power, n, 1.0)
    )
    # PyTorch computes 1 - t/n, whose rounding counts most near the end of a small power.
    return Shape(join([move, rw.Hold(0.0)], total), slack=max(SLACK, 4e-16 * n ** (1 - s.power)))


def _cosine(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    n, low = whole(s.T_max), level(s.eta_min, peak)
    if n is None or not _usable(low):
        return None
    if total is not None and total <= n + 1:
        return Shape(join([rw.Cosine(low, over=n, start=1.0), rw.Hold(low)], total))
    there_and_back = join([rw.Cosine(low, over=n, start=1.0), rw.Cosine(1.0, over=n, start=low)])
    note = f"CosineAnnealingLR does not stop at T_max: from update {n} on the rate rises again."
    # On the way up PyTorch multiplies a tiny difference: its rounding grows with the square of n.
    return Shape(rw.Repeat(there_and_back, every=2 * n), sure=n <= 30, notes=(note,))


def _restarts(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    low = level(s.eta_min, peak)
    if not _usable(low):
        return None
    cycles = rw.Repeat(rw.Cosine(0.0, start=1.0), every=s.T_0, grow=s.T_mult)
    return Shape(cycles.between(low, 1.0) if low else cycles)


def _swa(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    n, low = s.anneal_epochs, level(s.optimizer.param_groups[i]["swa_lr"], peak)
    if not _usable(low):
        return None
    if n == 0:
        return Shape(rw.Hold(low), notes=("SWALR without annealing is at swa_lr from update 0.",))
    kind = rw.Linear if s.anneal_func(0.25) == 0.25 else rw.Cosine
    move = kind(low, over=n, start=1.0)
    # PyTorch finds the first rate again at each step, by a difference and a division.
    return Shape(join([move, rw.Hold(low)], total), slack=SLACK + 4e-16 * n)


def _cyclic(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    return _between_cycles(s, level(s.base_lrs[i], peak), level(s.max_lrs[i], peak), total)


def _cyclic_momentum(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    low, high = level(s.base_momentums[i], peak), level(s.max_momentums[i], peak)
    return _between_cycles(s, high, low, total)


def _between_cycles(s: Any, low: float, high: float, total: int | None) -> Shape | None:
    up, cycle = whole(round(s.total_size * s.step_ratio, 9), 0), whole(s.total_size)
    if up is None or cycle is None or up == 0 or not _usable(low, high) or not _known_scale(s):
        return None
    wave = [rw.Linear(1.0, over=up, start=0.0), rw.Linear(0.0, over=cycle - up, start=1.0)]
    shrink = 0.5 if s.mode == "triangular2" else 1.0
    cycles: Schedule = rw.Repeat(join(wave), every=cycle, shrink=shrink)
    if s.mode == "exp_range" and s.gamma != 1.0:
        cycles = cycles * rw.ExponentialDecay(s.gamma)
    # PyTorch takes the place in a cycle as a difference of numbers that grow with the run.
    slack = SLACK * (2 + (0 if total is None else total / cycle))
    return Shape(cycles.between(low, high), slack=slack)


def _known_scale(s: Any) -> bool:
    """Tell whether the scale is the one that the mode stands for, not a function of the user's."""
    scales: dict[str, Callable[[int], float]] = {
        "triangular": lambda x: 1.0,
        "triangular2": lambda x: 1 / 2.0 ** (x - 1),
        "exp_range": lambda x: s.gamma**x,
    }
    per = "iterations" if s.mode == "exp_range" else "cycle"
    if s.mode not in scales or s.scale_mode != per or (s.mode == "exp_range" and s.gamma <= 0):
        return False
    return all(s.scale_fn(x) == scales[s.mode](x) for x in (1, 2, 3, 7))


# OneCycleLR: phases that end between updates ---------------------------------------------------


def _one_cycle(s: Any, i: int, peak: float, total: int | None, key: str = "lr") -> Shape | None:
    """Return the phases as parts of moves: phase j covers the updates up to its `end_step`.

    Past the last of them the formula of PyTorch runs on, and only running it tells.
    """
    group, state = s.optimizer.param_groups[i], s.state_dict()
    if not {"_anneal_func_type", "_schedule_phases"} <= state.keys():
        return None  # of an older PyTorch, which had a function there
    kind = rw.Cosine if state["_anneal_func_type"] == "cos" else rw.Linear
    moves: list[Schedule] = []
    before, position = 0.0, 0
    for phase in state["_schedule_phases"]:
        stop = float(phase["end_step"])
        begin, of = position - before, stop - before
        n = max(0, min(math.floor(stop) + 1, s.total_steps) - position)
        if n:
            a, b = (level(group[phase[f"{end}_{key}"]], peak) for end in ("start", "end"))
            if begin < 0 or of <= 0 or not all(math.isfinite(x) and x >= 0 for x in (a, b)):
                return None
            moves.append(rw.Part(kind(b, start=a), begin=begin, of=of, over=n))
        before, position = stop, position + n
    if not moves:
        return None
    past = total is not None and total > s.total_steps
    return Shape(join(moves, total), sure=not past, notes=_past_the_end(s, total))


def _past_the_end(s: Any, total: int | None) -> tuple[str, ...]:
    if total is not None and total <= s.total_steps:
        return ()
    n = s.total_steps
    return (
        f"OneCycleLR ends at update {n - 1}: its formula gives update {n} a rate of no meaning, "
        f"and before update {n + 1} PyTorch raises.",
    )


SHAPES: dict[str, Maker] = {
    "LambdaLR": _lambda,
    "StepLR": _step,
    "MultiStepLR": _multi_step,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "ExponentialLR": _exponential,
    "PolynomialLR": _polynomial,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _restarts,
    "SWALR": _swa,
    "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
}
MOMENTUM: dict[str, Maker] = {
    "CyclicLR": _cyclic_momentum,
    "OneCycleLR": functools.partial(_one_cycle, key="momentum"),
}
