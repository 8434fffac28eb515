"""Schedules with names of their own, as compositions of moves."""

from __future__ import annotations

from typing import Any

from ratewise.schedule.base import Schedule
from ratewise.schedule.bends import Rex
from ratewise.schedule.decays import Power, Saturate
from ratewise.schedule.errors import ScheduleError, number, one_of, shorten, whole
from ratewise.schedule.lengths import Length, length
from ratewise.schedule.move import Move
from ratewise.schedule.moves import Cosine, Exponential, Hold, Linear, Polynomial, Sqrt
from ratewise.schedule.plan import Plan
from ratewise.schedule.strict import strict
from ratewise.schedule.warmup import Warmup

__all__ = ["SWA", "WSD", "FlatCosine", "InverseSqrt", "Noam", "SlantedTriangular", "UntunedWarmup"]

COOLDOWNS: dict[str, type[Move]] = {
    "linear": Linear,
    "cosine": Cosine,
    "sqrt": Sqrt,
    "exponential": Exponential,
    "polynomial": Polynomial,
    "rex": Rex,
}


def a_schedule(who: str, given: Any) -> Schedule:
    """Return what is given for a schedule, if it is one, or the text of one."""
    given = Schedule.read(who, given)
    if not isinstance(given, Schedule):
        rule, fix = "needs a schedule", f"write {who}(Cosine(to=0), …)"
        raise ScheduleError(f"{who}(schedule={shorten(given)})", rule, fix)
    return given


def cooldown(shape: str, to: float, over: Length | None) -> Move:
    """Return the cooldown of a shape known by name.

    Raises:
        ScheduleError: no such shape.
    """
    kind: Any = COOLDOWNS[one_of(f"shape={shorten(shape)}", "is not a cooldown", shape, COOLDOWNS)]
    return kind(to=to, over=over)


@strict
def WSD(
    warmup: Length | None = None,
    stable: Length | None = None,
    decay: Length | None = None,
    *,
    to: float = 0.0,
    shape: str = "linear",
) -> Schedule:
    """Warm up, stay, decay: from any two of its lengths, the third is the rest of the run.

    Args:
        warmup: Length of the warm-up; 0 for none.
        stable: Length of the phase at the peak.
        decay: Length of the decay.
        to: Level at the end, in [0, inf).
        shape: "linear", "cosine", "sqrt" (one minus square root), "exponential", "polynomial"
            (power 2) or "rex".

    Raises:
        ScheduleError: fewer than two lengths are given.

    Source: Hu et al. 2024, arXiv 2404.06395; Hägele et al. 2024, arXiv 2405.18392.

    >>> WSD("5%", decay="20%", shape="sqrt")
    Warmup("5%") >> Hold() >> Sqrt(to=0, over="20%")
    """
    given = f"WSD(warmup={shorten(warmup)}, stable={shorten(stable)}, decay={shorten(decay)})"
    if sum(part is None for part in (warmup, stable, decay)) > 1:
        raise ScheduleError(given, "needs two of its lengths", 'write WSD("5%", decay="20%")')
    return Warmup(warmup) >> Hold(over=stable) >> cooldown(shape, to, decay)


@strict
def InverseSqrt(warmup: Length = 0, every: Length | None = None) -> Schedule:
    """Warm up, then fall as one over the square root of time.

    Args:
        warmup: Length of the warm-up, from 0 (`t/W`).
        every: The time scale; left out, the warm-up (10,000 updates without one).

    Source: Vaswani et al. 2017, arXiv 1706.03762.

    >>> InverseSqrt(100)(400)
    0.5
    """
    over = length(f"InverseSqrt(warmup={shorten(warmup)})", "warmup", warmup)
    scale = every if every is not None else over or 10_000
    return Warmup(over, start=0) >> Power(0.5, every=scale)


@strict
def Noam(warmup: int, width: int, factor: float = 1.0) -> Plan:
    """The schedule of the first Transformer, with the peak that it implies.

    rate(t) = factor · width^(-1/2) · min(t^(-1/2), t·warmup^(-3/2))

    Args:
        warmup: Updates of the warm-up, at least 1.
        width: Width of the model (d_model), at least 1.
        factor: Multiplier in (0, inf).

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 3.

    >>> round(Noam(4000, 512).peak["lr"], 7)
    0.0006988
    """
    size = whole(f"Noam(width={shorten(width)})", "width", width, low=1)
    steps = whole(f"Noam(warmup={shorten(warmup)})", "warmup", warmup, low=1)
    scale = number(f"Noam(factor={shorten(factor)})", "factor", factor, above=True)
    return Plan(lr=InverseSqrt(steps), peak={"lr": scale * (size * steps) ** -0.5})


@strict
def SlantedTriangular(cut: float = 0.1, ratio: float = 32.0) -> Schedule:
    """A short climb and a long straight fall.

    Args:
        cut: Share of the run that climbs, in (0, 1).
        ratio: Peak over the lowest rate, in [1, inf).

    Source: Howard & Ruder 2018, arXiv 1801.06146.

    >>> SlantedTriangular()
    Linear(to=1, over="10%", start=0.03125) >> Linear(to=0.03125)
    """
    low = 1 / number(f"SlantedTriangular(ratio={shorten(ratio)})", "ratio", ratio, low=1.0)
    return Linear(1.0, over=cut, start=low) >> Linear(low)


@strict
def FlatCosine(flat: Length = "75%", to: float = 0.0) -> Schedule:
    """Stay at the peak, then fall along a cosine.

    Args:
        flat: Length of the flat phase.
        to: Level at the end, in [0, inf).

    Source: `fit_flat_cos` of fastai.

    >>> FlatCosine()
    Hold(over="75%") >> Cosine(to=0)
    """
    return Hold(over=flat) >> Cosine(to)


@strict
def SWA(
    schedule: Schedule, at: Length, level: float, over: Length = 0, shape: str = "cosine"
) -> Schedule:
    """Follow a schedule, then go to a constant level while weights are averaged.

    Args:
        schedule: What is followed at first, planned for the whole run.
        at: Length after which averaging begins.
        level: Level during averaging, in [0, inf).
        over: Length of the way there.
        shape: "cosine" or "linear".

    Source: Izmailov et al. 2018, arXiv 1803.05407; `SWALR` of PyTorch.

    >>> SWA(Cosine(), at="75%", level=0.05, over=10).resolve(100)(99)
    0.05
    """
    return a_schedule("SWA", schedule).until(at) >> cooldown(shape, level, over) >> Hold(level)


@strict
def UntunedWarmup(beta2: float = 0.999, shape: str = "linear") -> Schedule:
    """The warm-up that Adam's second beta asks for: 2/(1 - beta2) updates in a straight line.

    Args:
        beta2: Second beta of the optimizer, in [0, 1).
        shape: "linear", or "exponential" with time constant 1/(1 - beta2).

    Source: Ma & Yarats 2019, arXiv 1910.04209.

    >>> UntunedWarmup(0.999)
    Warmup(2000)
    """
    who = f"UntunedWarmup(beta2={shorten(beta2)})"
    beta = number(who, "beta2", beta2, high=1.0 - 1e-9)
    who = f"UntunedWarmup(shape={shorten(shape)})"
    if one_of(who, "is not a shape", shape, ("linear", "exponential")) == "exponential":
        return Saturate(round(1 / (1 - beta)))
    return Warmup(round(2 / (1 - beta)))
