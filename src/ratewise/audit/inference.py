"""The schedule that a log is of, found without being told."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit._shapes_candidate import Candidate, smooth
from ratewise.audit._shapes_cycles import cycles
from ratewise.audit._shapes_fit import SMALLEST, Points
from ratewise.audit._shapes_lag import lagging
from ratewise.audit._shapes_phases import phases
from ratewise.audit._shapes_products import products
from ratewise.audit._shapes_stairs import stairs
from ratewise.audit.families import WARMING
from ratewise.audit.recorded import Recorded
from ratewise.schedule import Plan, ScheduleError

FITS = 1.5
"""Tolerances up to which a curve fits: rounding, and a little for the arithmetic behind it."""
DECIDED = 0.75
"""By how much one reading has to be cheaper than another to be told from it."""
POOR = 0.05
"""Share of the rate from which on a curve is no explanation of a log."""
STOPS = "the log stops short of the schedule"
CONVENTIONS = {1: "this", 0: "next"}


@dataclass(frozen=True)
class Alternative:
    """Another family that a log may be of.

    Args:
        family: Its name.
        spec: Its plan as text, or "" where it is the same one by another name.
        misfit: The largest distance from the log, as a share of the rate there.
    """

    family: str
    spec: str
    misfit: float


@dataclass(frozen=True)
class Inferred:
    """What a log shows of the schedule behind it.

    Args:
        family: Its family, one of `FAMILIES`; "warm-up only" or "several phases" where it is none.
        spec: The plan as text, which `parse` reads.
        plan: The plan.
        peak: The peak rate.
        warmup: Updates of its warm-up, 0 for none.
        floor: The rate it ends on; 0 where it only approaches 0.
        total: Updates after which it has ended; None where it has no end.
        misfit: The largest distance between its rates and the log's, as a share of the rate there
            (of a thousandth of the peak, where that is more).
        rms: The root of the mean square of these shares.
        exact: Whether the rounding of the log explains every distance.
        convention: Which update's rate stands beside step k: "this", "next" or "unknown".
        skipped: Updates that were skipped, as far as the log shows it.
        alternatives: Other families that fit as well.
        notes: What to know besides, in sentences.
    """

    family: str
    spec: str
    plan: Plan
    peak: float
    warmup: int
    floor: float
    total: int | None
    misfit: float
    rms: float
    exact: bool
    convention: str
    skipped: int = 0
    alternatives: tuple[Alternative, ...] = ()
    notes: tuple[str, ...] = ()


def infer(recorded: Recorded, group: int = 0) -> Inferred:
    """Return the schedule that reproduces the rates of a log best.

    Curves of all families are fitted by least squares; their numbers are made as round as the
    digits that the logger kept allow; of those that fit, the one with the fewest digits in it is
    taken, and the others are named.

    Args:
        recorded: What the log says of the rates.
        group: Which group's rate.

    Raises:
        ScheduleError: the log has no such group, or no rate above 0 for it.
    """
    points = points_of(recorded, group)
    firsts = {"this": (1,), "next": (0,)}.get(recorded.convention, (0, 1))
    with np.errstate(all="ignore"):  # what a search tries on its way may be no number
        found = _candidates(points, firsts, recorded.total)
        return _told(found, points, recorded)


def points_of(recorded: Recorded, group: int = 0) -> Points:
    """Return what a log says of one group, with how far each rate may be from the true one."""
    who = f"infer(group={group})"
    if not 0 <= group < recorded.rates.shape[1]:
        rule = f"is not one of the {recorded.rates.shape[1]} groups of the log"
        raise ScheduleError(who, rule, "count them from 0")
    rates = recorded.rates[:, group]
    kept = np.isfinite(rates) & (rates >= 0)
    steps, rates = recorded.steps[kept].astype(np.float64), rates[kept]
    if not len(rates) or rates.max() <= 0:
        raise ScheduleError(who, "has no rate above 0", "log the learning rate")
    decimals = recorded.facts.get("decimals")
    return Points(steps, rates, tolerance(rates, recorded.digits, decimals))


def tolerance(rates: Floats, digits: int | None, decimals: int | None = None) -> Floats:
    """Return half of the last digit that was kept, and what arithmetic in float32 may add."""
    size = np.maximum(np.abs(rates), 1e-300)
    half = np.zeros_like(rates)
    if digits is not None:
        half = 0.5 * 10.0 ** (np.floor(np.log10(size)) + 1 - digits)
        half[rates == 0] = 0.0
    if decimals is not None:
        half = np.maximum(half, 0.5 * 10.0**-decimals)
    return half + 2e-7 * np.abs(rates) + SMALLEST * float(np.max(rates))


def _candidates(points: Points, firsts: tuple[int, ...], total: int | None) -> list[Candidate]:
    found = stairs(points, firsts, total)
    if not any(one.off <= FITS for one in found):
        found += cycles(points, firsts, total)
    if not any(one.off <= FITS for one in found):
        found += smooth(points, firsts, total)
    if not any(one.off <= FITS for one in found):
        found += products(points, firsts, total)
    if not any(one.off <= FITS for one in found):
        found += lagging(points, total)
    near = [one for one in found if one.off < math.inf and best_misfit(one, points) < POOR]
    return sorted(near or phases(points, firsts), key=_rank)


def _rank(one: Candidate) -> tuple[bool, float, float]:
    fits = one.off <= FITS
    return (not fits, one.cost if fits else one.off, one.off)


def _told(found: list[Candidate], points: Points, recorded: Recorded) -> Inferred:
    best = found[0]
    shares = distances(best.rates(points.steps), points, best.peak)
    plan = Plan(lr=best.schedule, peak={"lr": best.peak})
    exact = best.off <= FITS
    return Inferred(
        family=best.family,
        spec=repr(plan),
        plan=plan,
        peak=best.peak,
        warmup=best.warmup,
        floor=best.floor,
        total=best.total,
        misfit=float(shares.max()),
        rms=float(np.sqrt(np.mean(shares**2))),
        exact=exact,
        convention=_convention(found, recorded),
        skipped=max(best.first - 1, 0) + len(best.skips),
        alternatives=_alternatives(found, points),
        notes=(*best.notes, *_of_few(points), *_of_clock(best), *_of_end(best, points)),
    )


def _of_few(points: Points) -> tuple[str, ...]:
    """Return that there is too little to say anything of a shape, in a sentence."""
    if len(points.steps) > 1:
        return ()
    return (f"one row alone has a rate, step {points.steps[0]:,.0f}: what it was before and behind "
            "is not known",)  # fmt: skip


def _of_clock(best: Candidate) -> tuple[str, ...]:
    """Return what the log shows of updates that were skipped, in sentences."""
    skips = len(best.skips) + max(best.first - 1, 0)
    if not skips:
        return ()
    late = "1 update" if skips == 1 else f"{skips} updates"
    said = [f"the clock of the schedule is {late} late in the end, if the log shows the rate just "
            "used, and one more if it shows the one to come: so many updates were skipped, as fp16 "
            "skips those that overflow"]  # fmt: skip
    if best.skips and best.skips[-1] > best.skips[0]:
        said.append(f"the last one was skipped before step {best.skips[-1]}")
    return tuple(said)


def _of_end(best: Candidate, points: Points) -> tuple[str, ...]:
    """Return where the log ends, if it is before its schedule does, or long behind."""
    if best.total is None or len(points.steps) < 2:
        return ()
    last, gap = int(points.steps[-1]), float(np.median(np.diff(points.steps)))
    if last + 1.5 * gap + 1 < best.total:
        left = float(points.rates[-1]) / best.peak
        return (f"{STOPS}: at step {last:,} of {best.total:,}, with "
                f"the rate at {left:.0%} of the peak",)  # fmt: skip
    if last - best.total > max(2 * gap, 0.02 * best.total):
        return (f"the log goes on for {last - best.total:,} updates behind the end of the "
                "schedule",)  # fmt: skip
    return ()


def distances(rates: Floats, points: Points, peak: float) -> Floats:
    """Return how far rates are from the points', as shares of these."""
    return np.abs(rates - points.rates) / np.maximum(points.rates, 1e-3 * peak)


SOON = 1000
"""Updates within which skipped ones come together, while the loss is scaled for the first time."""


def _convention(found: list[Candidate], recorded: Recorded) -> str:
    if recorded.convention != "unknown":
        return recorded.convention
    skips = found[0].skips
    if skips and skips[0] <= SOON and recorded.steps[0] > 1:
        return "unknown"
    cheapest: dict[int, float] = {}
    for one in found:
        if one.off <= FITS:
            cheapest[one.first] = min(one.cost, cheapest.get(one.first, math.inf))
    best = found[0].first
    others = [cost for first, cost in cheapest.items() if first != best]
    if best not in CONVENTIONS or found[0].off > FITS:
        return "unknown"
    if others and min(others) < found[0].cost + DECIDED:
        return "unknown"
    return CONVENTIONS[best]


def _alternatives(found: list[Candidate], points: Points) -> tuple[Alternative, ...]:
    best = found[0]
    named = {best.family: Alternative(best.family, "", 0.0)}
    for family in best.also:
        named[family] = Alternative(family, "", best_misfit(best, points))
    if best.off <= FITS and best.family != WARMING:
        for one in found[1:]:
            if one.off <= FITS and one.family not in named:
                spec = repr(Plan(lr=one.schedule, peak={"lr": one.peak}))
                named[one.family] = Alternative(one.family, spec, best_misfit(one, points))
    del named[best.family]
    return tuple(named.values())


def best_misfit(one: Candidate, points: Points) -> float:
    """Return the largest distance of a candidate."""
    return float(distances(one.rates(points.steps), points, one.peak).max())
