"""Schedules with cycles and names of their own, as compositions of moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ratewise.schedule.base import Schedule
from ratewise.schedule.compose import Sequence
from ratewise.schedule.decays import ExponentialDecay
from ratewise.schedule.errors import ScheduleError, flag, listed, number, one_of, shorten
from ratewise.schedule.lengths import Length
from ratewise.schedule.moves import Cosine, Hold, Linear
from ratewise.schedule.named import a_schedule, cooldown
from ratewise.schedule.plan import Plan
from ratewise.schedule.repeat import Repeat
from ratewise.schedule.strict import strict
from ratewise.schedule.warmup import Warmup

__all__ = ["Cyclic", "Jagged", "OneCycle", "Restarts", "WSDCycles"]


@strict
def OneCycle(
    pct_start: float = 0.3,
    *,
    div: float = 25.0,
    final_div: float = 1e4,
    shape: str = "cosine",
    three_phase: bool = False,
    momentum: tuple[float, float] | None = (0.85, 0.95),
) -> Plan:
    """Up to the peak and down far below the start, the momentum mirroring it.

    lr: 1/div → 1 over `pct_start` of the run, then → 1/(div·final_div); with three phases down to
    1/div over another `pct_start` first.

    Args:
        pct_start: Share of the run that climbs, in (0, 1); in (0, 0.5] with three phases.
        div: Peak over the first rate, in [1, inf).
        final_div: First rate over the last one, in [1, inf).
        shape: "cosine" or "linear".
        three_phase: Whether to come down symmetrically before the last phase.
        momentum: Momentum at the peak and at both ends, in [0, 1]; None leaves it alone.

    Raises:
        ScheduleError: a number outside its interval, or another shape.

    Source: Smith & Topin 2017, arXiv 1708.07120.

    >>> OneCycle(momentum=None)
    Plan(lr=Cosine(to=1, over="30%", start=0.04) >> Cosine(to=4e-06))
    """
    who = f"OneCycle(pct_start={shorten(pct_start)})"
    flag(f"OneCycle(three_phase={shorten(three_phase)})", "three_phase", three_phase)
    top = 0.5 if three_phase else 1.0
    number(who, "pct_start", pct_start, above=True, high=top)
    kinds: dict[str, Any] = {"cosine": Cosine, "linear": Linear}
    kind = kinds[one_of(f"OneCycle(shape={shorten(shape)})", "is not a shape", shape, kinds)]
    low = 1 / number(f"OneCycle(div={shorten(div)})", "div", div, low=1.0)
    end = low / number(f"OneCycle(final_div={shorten(final_div)})", "final_div", final_div, low=1.0)
    levels = (
        [(1.0, pct_start), (low, pct_start), (end, None)]
        if three_phase
        else [(1.0, pct_start), (end, None)]
    )
    lr = Sequence(
        tuple(
            kind(to, over=over, start=low if i == 0 else None)
            for i, (to, over) in enumerate(levels)
        )
    )
    if momentum is None:
        return Plan(lr=lr)
    pair = listed(momentum)
    who = f"OneCycle(momentum={shorten(momentum)})"
    if pair is None or len(pair) != 2:
        rule = "needs two values, the lowest first"
        raise ScheduleError(who, rule, "write momentum=(0.85, 0.95)")
    least, most = (number(who, "momentum", m, high=1.0) for m in pair)
    ratio = least / most if most else 0.0
    mirror = kind(ratio, over=pct_start, start=1.0) >> kind(
        1.0, over=pct_start if three_phase else None
    )
    return Plan(lr=lr, momentum=mirror, peak={"momentum": most})


@strict
def Cyclic(
    low: float = 0.1,
    up: Length = 2000,
    down: Length | None = None,
    *,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    """Up and down between `low` and 1, again and again.

    Args:
        low: Lowest level, in [0, 1].
        up: Length of the climb, at least 1 update.
        down: Length of the way down; left out, as long as the climb.
        mode: "triangular"; "triangular2" halves the height each cycle; "exp_range" multiplies it
            by gamma^t.
        gamma: Factor per update of "exp_range", in (0, 1].

    Raises:
        ScheduleError: a number outside its interval, or another mode.

    Source: Smith 2015, arXiv 1506.01186.

    >>> Cyclic(0, 2).values(6)
    array([0. , 0.5, 1. , 0.5, 0. , 0.5])
    """
    modes = ("triangular", "triangular2", "exp_range")
    one_of(f"Cyclic(mode={shorten(mode)})", "is not a mode", mode, modes)
    low = number(f"Cyclic(low={shorten(low)})", "low", low, high=1.0)
    wave = Linear(to=1, over=up, start=0) >> Linear(to=0, over=up if down is None else down)
    cycles: Schedule = Repeat(wave, shrink=0.5 if mode == "triangular2" else 1.0)
    if mode == "exp_range":
        number(f"Cyclic(gamma={shorten(gamma)})", "gamma", gamma, above=True, high=1.0)
        cycles = cycles * ExponentialDecay(gamma)
    return cycles.between(low, 1.0)


@strict
def Restarts(
    every: Length,
    grow: float = 1.0,
    shrink: float = 1.0,
    *,
    to: float = 0.0,
    times: int | None = None,
) -> Schedule:
    """Cosine with warm restarts, the floor staying where it is.

    Args:
        every: Length of the first cycle, at least 1 update.
        grow: Ratio of the lengths of a cycle and the one before it, 1 or in [1.01, inf).
        shrink: Ratio of the heights above the floor, in [0, inf).
        to: The floor, in [0, 1].
        times: Number of cycles; left out, to the end of the run.

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983.

    >>> Restarts(10, grow=2).values(30)[[0, 9, 10]].round(3)
    array([1.   , 0.024, 1.   ])
    """
    cycles = Repeat(Cosine(to=0), every=every, grow=grow, shrink=shrink, times=times)
    floor = number(f"Restarts(to={shorten(to)})", "to", to, high=1.0)
    return cycles.between(floor, 1.0) if floor else cycles


@strict
def Jagged(
    schedule: Schedule, every: Length, warmup: Length, low: float = 0.001, anneal: Length = 1
) -> Schedule:
    """Multiply a schedule by restarts: each cycle ends low, each but the first warms up.

    Args:
        schedule: What is multiplied.
        every: Length of a cycle, at least 1 update.
        warmup: Length of the climb from `low` at the start of each cycle but the first.
        low: Lowest multiplier, in [0, 1].
        anneal: Length of the fall to `low` at the end of each cycle.

    Source: Lialin et al. 2023, arXiv 2307.05695 (ReLoRA).

    >>> Jagged(Hold(), every=10, warmup=2, low=0).resolve(20).values()[[0, 9, 10, 11, 12]]
    array([1. , 1. , 0. , 0.5, 1. ])
    """
    first = Repeat(Hold(1.0) >> Linear(to=low, over=anneal), every=every, times=1)
    cycle = Linear(to=1, over=warmup, start=low) >> Hold() >> Linear(to=low, over=anneal)
    return a_schedule("Jagged", schedule) * (first >> Repeat(cycle, every=every))


@strict
def WSDCycles(
    periods: Iterable[Length],
    warmup: Length = 0,
    decay: float = 0.1,
    *,
    to: float = 0.0,
    shape: str = "linear",
) -> Schedule:
    """Several stable phases, each with a decay at its end, after one warm-up (WSD-S).

    Behind each decay the level is back at the peak at once.

    Args:
        periods: Length of each period with its decay, in updates or another unit.
        warmup: Length of the warm-up in front of the first.
        decay: Share of each period that decays, in (0, 1).
        to: Level at the end of each period, in [0, inf).
        shape: As of `WSD`.

    Raises:
        ScheduleError: no period, or a share outside (0, 1).

    Source: Wen et al. 2024, arXiv 2410.05192.

    >>> WSDCycles((10, 20), decay=0.5).values(30)[[4, 9, 10, 19, 29]]
    array([1. , 0.2, 1. , 1. , 0.1])
    """
    share = number(f"WSDCycles(decay={shorten(decay)})", "decay", decay, above=True, high=0.999999)
    pattern = Hold(1.0) >> cooldown(shape, to, share)
    cycles = tuple(Repeat(pattern, every=period, times=1) for period in listed(periods) or ())
    if not cycles:
        who = f"WSDCycles({shorten(periods)})"
        raise ScheduleError(who, "has no period", "write WSDCycles((1000, 2000))")
    return Sequence((Warmup(warmup), *cycles))
