"""What is seldom meant in a plan: each trap by numbers, found in the levels of the whole run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.formats import put
from ratewise.convert.pieces.keys import as_number
from ratewise.convert.reading import Reading, read_source
from ratewise.convert.sources import load
from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.bends import Part
from ratewise.schedule.repeat import Cycles, Repeat

LONGEST = 20_000_000
"""Updates of a run whose every rate is looked at."""
MISSING = 0.05
"""Share of a schedule, or of a run, that may be left over."""
HIGH = 0.2
"""Share of the peak from which on a rate is high."""
REACHED = 0.98
"""Share of the peak from which on it is reached."""
DUMPS = ("timm_args",)
"""Formats that hold every default, so that a key is there whether it was meant or not."""
WIDE = 10.0
"""How far outside of what is published a peak may be."""


@dataclass(frozen=True)
class Trap:
    """Something in a plan that is seldom meant.

    Args:
        kind: A stable word: "peak_not_reached", "total_mismatch", "ends_before_run",
            "ends_after_run", "no_restart", "cycle_cut", "floor_above_peak", "floor_as_rate",
            "per_epoch", "no_effect", "zero_rate", "unusual_peak" or "does_not_fit".
        sentence: What will happen, with its numbers.
        fix: What to write, or to look at.
        minor: Whether it is so common, and costs so little, that it is told and not counted.
    """

    kind: str
    sentence: str
    fix: str
    minor: bool = False


@dataclass(frozen=True)
class PeakRange:
    """Which peaks are published for a task.

    Args:
        low: The lowest.
        high: The highest.
        source: By whom.
    """

    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Situation:
    """What is known of a run.

    Args:
        source: What was read.
        given: What was told.
        reading: The plan.
        stated: Updates in the run as the config has it, None where it says nothing or cannot.
        total: Updates in the run as it will be.
    """

    source: Any
    given: Mapping[str, Any]
    reading: Reading
    stated: int | None
    total: int | None


# Traps ----------------------------------------------------------------------------------------


def traps_in(facts: Situation, peaks: PeakRange | None) -> Iterator[Trap]:
    """Return what is seldom meant in a plan, the more important first."""
    plan = facts.reading.plan
    schedule = plan.lr
    yield from _unusual(plan.peak.get("lr"), peaks)
    yield from _without_effect(facts)
    ends: list[Trap] = []
    if schedule is not None and 0 < (facts.total or 0) <= LONGEST and not schedule.listens:
        ends = list(_of_levels(schedule, facts.total or 0, facts))
    yield from ends
    mismatch = facts.total is not None and facts.stated not in (None, facts.total)
    if mismatch and not any(trap.kind in ("ends_before_run", "ends_after_run") for trap in ends):
        yield _mismatch(facts)


def _of_levels(schedule: Schedule, total: int, facts: Situation) -> Iterator[Trap]:
    """Return what the levels of the whole run show."""
    levels, own, misfit = _levels(schedule, total)
    if misfit is not None:
        yield misfit
    if levels is None:
        return
    yield from _floors(levels, facts)
    short = list(_peak(levels))
    yield from short
    ends = list(_cycles(schedule, total, levels))
    if not ends and not short:
        ends = list(_ends(levels, own, schedule, facts))
    yield from ends
    yield from _zeros(levels, told=any(trap.kind == "ends_before_run" for trap in ends))


def _levels(schedule: Schedule, total: int) -> tuple[Floats | None, int | None, Trap | None]:
    """Return the levels of the run, and the length that the schedule has by itself."""
    try:
        own = schedule.resolve().length
    except ScheduleError:
        own = None
    try:
        return schedule.resolve(total=total).values(total), own, None
    except ScheduleError as error:
        if own is not None and own > total:
            return schedule.values(total), own, None
        trap = Trap("does_not_fit", f"{error.who} {error.broken}", error.fix)
        return None, own, trap


def _mismatch(facts: Situation) -> Trap:
    assert facts.stated is not None
    assert facts.total is not None
    return Trap(
        "total_mismatch",
        f"the config is made for {facts.stated:,} updates, and the run has {facts.total:,}"
        + _factor(facts.stated / facts.total, facts),
        "give the schedule the number of updates that the run will have",
    )


def _factor(ratio: float, facts: Situation) -> str:
    """Return what explains that a length is too long, or too short, by a factor."""
    known = {name: float(facts.given[name]) for name in ("accumulation", "processes", "epoch")
             if isinstance(facts.given.get(name), int | float)}  # fmt: skip
    path = "gradient_accumulation_steps"
    if "accumulation" not in known and isinstance(facts.source, Mapping):
        value = as_number(facts.source.get(path))
        known |= {"accumulation": float(value)} if isinstance(value, int | float) else {}
    if {"accumulation", "processes"} <= known.keys():
        known["accumulation times processes"] = known["accumulation"] * known["processes"]
    words = {"accumulation": "batches are counted in place of updates",
             "processes": "the batches of all processes are counted, not updates",
             "accumulation times processes": "the batches of all processes are counted",
             "epoch": "one counts epochs and the other updates"}  # fmt: skip
    for name, factor in known.items():
        if factor > 1 and any(abs(one / factor - 1) < 0.02 for one in (ratio, 1 / ratio)):
            what = "the updates in an epoch" if name == "epoch" else name
            return f": a factor of {factor:g}, {what}: {words[name]}"
    return ""


def _unusual(peak: float | None, peaks: PeakRange | None) -> Iterator[Trap]:
    if peak is None or peaks is None or peaks.low / WIDE <= peak <= peaks.high * WIDE:
        return
    within = f"{peaks.low:g}" if peaks.low == peaks.high else f"{peaks.low:g} to {peaks.high:g}"
    yield Trap(
        "unusual_peak",
        f"the peak is {peak:g}, more than {WIDE:g} times away from what is published for such a "
        f"task, {within} ({peaks.source})",
        "look at the exponent, or find the peak by a range test",
    )


def _without_effect(facts: Situation) -> Iterator[Trap]:
    """Keys of a schedule that change nothing, found by changing them."""
    try:
        content = load(facts.source)
    except ScheduleError:
        return
    if not isinstance(content, Mapping) or facts.reading.format.name in DUMPS:
        return
    for path, value in _numbers(content):
        name = path.rpartition(".")[2]
        if not ("warmup" in name or "min_lr" in name) or not value:
            continue
        other = value * 0.5 if isinstance(value, float) else max(1, value // 2) + (value == 1)
        try:
            changed = read_source(put(content, path, other), **dict(facts.given))
        except ScheduleError:
            continue
        if changed.plan == facts.reading.plan and changed.total == facts.reading.total:
            yield Trap(
                "no_effect",
                f"{path}={value} changes nothing: the schedule that is named has no use for it",
                "name the schedule that takes it, or leave it out",
            )


def _numbers(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, int | float]]:
    for key, value in content.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and "." not in str(key):
            yield path, value


def _peak(levels: Floats) -> Iterator[Trap]:
    """A warm-up that the run is too short for."""
    top = float(levels.max())
    rising = len(levels) > 1 and int(np.argmax(levels)) >= 0.95 * (len(levels) - 1)
    rising = rising and bool((np.diff(levels) >= 0).mean() > 0.95) and levels[0] < 0.5 * top
    if top > 1 + 1e-6 or (top >= REACHED and not rising):
        return
    if rising:
        said = f"the warm-up fills the run: its last update has a rate of {top:.0%} of the peak"
    else:
        said = f"the highest rate is {top:.0%} of the peak"
    yield Trap("peak_not_reached", said, "shorten the warm-up, or give it as a share of the run")


def _floors(levels: Floats, facts: Situation) -> Iterator[Trap]:
    """A floor that is a share where a rate is asked, or the other way round."""
    plan = facts.reading.plan
    peak = plan.peak.get("lr")
    if levels.max() > 1 + 1e-6:
        assert plan.lr is not None
        end = max(plan.lr.resolve(total=len(levels)).end, float(levels.max()))
        share = peak is not None and 1e-3 <= end * peak < 1
        hint = f"; {end * (peak or 1):g} looks like a share of it, where a rate is asked"
        yield Trap(
            "floor_above_peak",
            f"behind the peak the rate climbs on, to {end:g} times the peak{hint if share else ''}",
            "give the floor as it is asked, as a rate or as a share of the peak",
        )
    try:
        content = load(facts.source)
    except ScheduleError:
        return
    for path, value in _numbers(content) if isinstance(content, Mapping) else ():
        name = path.rpartition(".")[2].lower()
        share = any(word in name for word in ("ratio", "min_lr_rate", "min_lr_factor", "alpha_f"))
        low = share and ("min" in name or "alpha" in name or "final" in name)
        if low and 0 < value < 1e-3 and (peak is None or value <= peak):
            yield Trap(
                "floor_as_rate",
                f"{path}={value:g} is a share of the peak and looks like a rate: the floor will be "
                f"{value * (peak or 1):.3g}",
                "write the floor over the peak, such as 0.1",
            )


def _cycles(schedule: Schedule, total: int, levels: Floats) -> Iterator[Trap]:
    """Restarts that the run ends before, or ends in the middle of."""
    for part in _all(schedule):
        if not isinstance(part, Repeat) or part.times == 1 or not isinstance(part.every, int):
            continue
        cycles = Cycles(Fraction(part.every), part.grow)
        begin = total - (_span(schedule, part, total) or total)
        index = cycles.find(max(total - begin - 1, 0))
        start, stop = cycles.boundary(index), cycles.boundary(index + 1)
        done = (total - begin - start) / (stop - start)
        if index == 0 and done < 1 - MISSING:
            yield Trap(
                "no_restart",
                f"the first cycle has {stop - start:,} updates and the run ends in it, after "
                f"{total - begin:,}: there is no restart",
                "make the cycle shorter, or write the schedule without restarts",
            )
        elif done < 1 - MISSING and levels[-1] > HIGH:
            yield Trap(
                "cycle_cut",
                f"the run ends at {done:.0%} of cycle {index + 1}, with the rate at "
                f"{levels[-1]:.0%} of the peak",
                "choose the length of the cycles so that the last one ends with the run",
            )


def _span(schedule: Schedule, part: Repeat, total: int) -> int | None:
    """Return how many of the run's updates a part covers, where it is the last move."""
    resolved = schedule.resolve(total=total)
    moves = resolved.parts or (resolved,)
    for move in moves:
        if isinstance(move, Repeat) and isinstance(move.over, int) and move.every == part.every:
            return move.over
    return None


def _all(schedule: Schedule) -> Iterator[Schedule]:
    yield schedule
    for part in schedule.parts:
        yield from _all(part)


def _ends(levels: Floats, own: int | None, schedule: Schedule, facts: Situation) -> Iterator[Trap]:
    """A decay that is over long before the run, or long behind it."""
    total, last = len(levels), float(levels[-1])
    whole = _made_for(schedule, own, total)
    if whole is not None and whole > total * (1 + MISSING) and last > HIGH:
        yield Trap(
            "ends_after_run",
            f"the decay is made for {whole:,} updates and the run has {total:,}: its last is at "
            f"{last:.0%} of the peak" + _factor(whole / total, facts),
            "give the schedule the number of updates that the run will have",
        )
        return
    moved = np.flatnonzero(np.diff(levels) != 0)
    if not len(moved):
        return
    stairs = _stairs(levels)
    if stairs and levels.max() - last < MISSING and last > 1 - 2 * MISSING:
        yield Trap(
            "per_epoch",
            f"the rate changes {len(moved):,} times in {total:,} updates, once per epoch, and by "
            f"only {levels.max() - last:.1%}: its length looks like a count of updates",
            "count epochs in the schedule, or let it be stepped once per update",
        )
    end = int(moved[-1]) + 1
    smooth = len(moved) >= 8 and bool(np.diff(moved[-8:]).max() == 1)
    if smooth and end < total * (1 - MISSING) and last < 0.5 * levels.max():
        at = "0" if last == 0 else f"{last:.1%} of the peak"
        yield Trap(
            "ends_before_run",
            f"the schedule is over after {end:,} of {total:,} updates: the rest runs at {at}"
            + _factor(end / total, facts),
            "give the schedule the number of updates that the run will have",
        )


def _made_for(schedule: Schedule, own: int | None, total: int) -> int | None:
    """Return the updates that a schedule would take in full."""
    if own is not None and own > total:
        return own
    resolved = schedule.resolve(total=total) if own is None or own <= total else schedule
    parts = [part for part in (resolved, *resolved.parts) if isinstance(part, Part)]
    for part in parts:
        over = part.over if isinstance(part.over, int) else total
        if part.of is not None and part.of > part.begin + over + 1:
            return round(total - (part.begin + over) + part.of)
    return None


def _stairs(levels: Floats) -> bool:
    """Whether a rate stands still for most updates and moves at equal distances."""
    moved = np.flatnonzero(np.diff(levels) != 0)
    if len(moved) < 3 or len(moved) > 0.5 * len(levels):
        return False
    gaps = np.diff(moved)
    return bool(gaps.min() > 1 and gaps.max() - gaps.min() <= 1)


def _zeros(levels: Floats, *, told: bool) -> Iterator[Trap]:
    """Updates at rate 0 at the beginning, and at the end unless that was told of already."""
    above = np.flatnonzero(levels > 0)
    if not len(above):
        yield Trap("zero_rate", "every update has a rate of 0", "look at the peak")
        return
    first = int(above[0])
    if first:
        many = "the first update runs" if first == 1 else f"the first {first:,} updates run"
        yield Trap(
            "zero_rate",
            f"{many} at a rate of 0 and changes nothing"
            if first == 1
            else f"{many} at a rate of 0",
            "start the warm-up above 0",
            minor=first <= 2,
        )
    behind = len(levels) - 1 - int(above[-1])
    if behind and not told:
        many = "the last update runs" if behind == 1 else f"the last {behind:,} updates run"
        yield Trap("zero_rate", f"{many} at a rate of 0", "end one update later, or above 0",
                   minor=behind <= max(2, MISSING * len(levels)))  # fmt: skip
