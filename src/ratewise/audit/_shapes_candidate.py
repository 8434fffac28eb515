"""What a log may be of: a schedule with its peak, and what speaks for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit import families as of
from ratewise.audit._shapes_fit import Points, price, roundest
from ratewise.audit._shapes_smooth import Fitted, fit, nearest, rounded, shifted, variants
from ratewise.audit._shapes_starts import Hump
from ratewise.audit.families import body_move, tidy, warmup_move
from ratewise.schedule import Cosine, Hold, Linear, Schedule, ScheduleError
from ratewise.schedule.bends import Part

NEAR = 30.0
"""How far off, in tolerances, a curve may be to be made round, if nothing is nearer."""
SHORT = 2
"""Updates at the peak that are no plateau."""
FEW = 3
"""Curves that are made round all the same where none is near."""
KINDS = {"hold": 0.0, "linear": 0.5, "cosine": 0.5, "exponential": 0.5, "rsqrt": 0.5, "time": 1.0,
         "sqrt": 1.0, "polynomial": 2.0}  # fmt: skip
"""What a body costs; what is seen more often costs less."""
CLIMBS = {"": 0.0, "linear": 1.5, "ahead": 1.6, "early": 1.6, "hidden": 3.0}
"""What a warm-up costs; others 2, and half of one less where it starts at 0."""
MOVES = ("linear", "geometric", "constant", "hidden")
"""Warm-ups that are the same curve wherever updates are counted from."""
MOST_SKIPPED = 60
"""Updates at the beginning that may have been skipped."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A schedule that a log may be of.

    Args:
        family: Its family.
        schedule: The schedule; its level is 1 at the peak.
        peak: Its peak rate.
        first: The step that the rate of update 0 stands beside: 1 where the log shows the rate just
            used, 0 where it shows the one to come, more where updates were skipped.
        cost: What its numbers cost; of several that fit, the cheapest is taken.
        warmup: Updates of its warm-up.
        floor: The rate it ends on.
        total: The update at which it has ended, or None.
        off: The largest distance of a point, in tolerances.
        notes: What to know of it.
        also: Families of which it is a special case.
        skips: Steps up to which an update was skipped, one for each such update, rising.
    """

    family: str
    schedule: Schedule
    peak: float
    first: int
    cost: float
    warmup: int = 0
    floor: float = 0.0
    total: int | None = None
    off: float = math.inf
    notes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    skips: tuple[int, ...] = ()

    def rates(self, steps: Floats) -> Floats:
        """Return its rates beside steps, by the schedule itself."""
        t = steps.astype(np.int64) - self.first
        if self.skips:
            t = t - np.searchsorted(np.array(self.skips), steps, side="right")
        t = np.maximum(t, 0)
        try:
            resolved = self.schedule.resolve(total=self.length(int(t[-1]) + 1))
        except ScheduleError:  # it is longer than what was seen of it
            resolved = self.schedule.resolve()
        return self.peak * resolved(t)

    def length(self, seen: int) -> int:
        """Return how long a run has to be for the schedule to fit in it."""
        return max(seen, self.total or 1, self.warmup + 2)

    def measured(self, points: Points) -> Candidate:
        """Return the same with its distance from points, infinite where it is no schedule."""
        try:
            off = points.off(self.rates(points.steps))
        except ScheduleError:
            off = math.inf
        return replace(self, off=off if math.isfinite(off) else math.inf)


def smooth(
    points: Points,
    firsts: tuple[int, ...],
    total: int | None,
    bodies: Collection[str] = tuple(of.BODIES),
) -> list[Candidate]:
    """Return what a log with one hump may be of, the steps of update 0 being one of `firsts`.

    Beyond those, updates that were skipped at the beginning are thought of.
    """
    found: list[Candidate] = []
    hump = Hump.of(points)
    if hump.first == len(points.rates) - 1 and hump.first > 1:
        found += warming(points, firsts)
    by_steps = nearest(hump, bodies)
    if not by_steps:
        return found
    limit = max(4 * NEAR, 3 * by_steps[0].off)
    close = [one for one in by_steps if one.off <= limit]
    for one in close if by_steps[0].off <= NEAR else close[:FEW]:
        skipped = _skipped(one, firsts, total)
        for first in (*firsts, *skipped):
            for candidate in _counted(one, first, points, total, hump.over < len(points.rates)):
                extra = 0.0 if first in firsts else 2.5
                extra += _unfinished(candidate, points)
                found.append(replace(candidate, cost=candidate.cost + extra).measured(points))
    return found


def warming(points: Points, firsts: tuple[int, ...]) -> list[Candidate]:
    """Return a warm-up that the log does not see the end of, if it is a straight line.

    How far it climbs is not known; the peak is the roundest rate that is not much above the last.
    """
    slope, offset = np.polyfit(points.steps, points.rates, 1)
    found: list[Candidate] = []
    for first in firsts:
        start = offset + slope * first
        if abs(start) < 0.02 * slope:
            start = 0.0
        seen = int(points.steps[-1]) - first
        ends = [(price(float(f"{start + slope * n:.6g}")) + price(float(n)), n)
                for n in range(seen, seen + max(3, seen // 8))]  # fmt: skip
        cost, length = min(ends)
        peak = float(f"{start + slope * length:.6g}")
        climb = Linear(1.0, over=length, start=tidy(max(start, 0.0) / peak))
        note = "the log ends inside the warm-up: how far it was to climb is not known"
        extra = 0.0 if start == 0.0 else 4.0
        found.append(Candidate(of.WARMING, climb, peak, first, cost + extra, length, peak,
                               notes=(note,)).measured(points))  # fmt: skip
    return found


UNSEEN = ("linear", "polynomial", "exponential", "time")
"""Bodies of which a log tells nothing of where they began: a warm-up may have come before."""


def _unseen(one: Fitted, here: Points, total: int | None, first: int) -> Iterator[Candidate]:
    """Return the same body behind a warm-up that ended before the first point.

    Its end and the peak go together: of all updates, those are taken at which the peak is round.
    """
    if one.template.body not in UNSEEN or one.template.floor or one.off > NEAR:
        return
    before = np.arange(2.0, min(float(here.steps[0]), 5000.0) + 1)
    peaks = one.template.rates(before, one.values)
    slack = 2 * float(here.tolerance[0] / here.rates[0]) * peaks
    offers: list[tuple[float, float, float]] = []
    for length, peak, blur in zip(before.tolist(), peaks.tolist(), slack.tolist(), strict=True):
        round_peak = roundest(peak - blur, peak + blur)
        if price(round_peak) <= 3:
            offers.append((price(round_peak) + 0.7 * price(length), length, round_peak))
    for _, length, peak in sorted(offers)[:2]:
        known = (("p", peak), ("W", length))
        hidden = of.Template(one.template.body, "hidden", fixed=known)
        begin = {name: one.values[name] for name in hidden.names}
        if "f" in begin:
            begin["f"] = one.values["f"] * one.values["p"] / peak
        tried = fit(hidden, begin, here.thinned(120), 25)
        made = schedule_of(rounded(tried, here, total), here) if tried.off <= NEAR else None
        if made is not None:
            yield replace(made, first=first, cost=made.cost + price(peak) + price(length))


def _skipped(one: Fitted, firsts: tuple[int, ...], total: int | None) -> list[int]:
    """Return steps of update 0 that are later than can be without skipped updates."""
    v, found = one.template.filled(one.values), set[int]()
    if one.template.warm == "linear" and 0 > v["s"] > -1 and v["W"] > 0:
        found.add(round(-v["s"] * v["W"] / (1 - v["s"])))
    if total is not None and "T" in one.values and one.template.warm in ("", "hidden"):
        found.add(round(one.values["T"]) - total)
    return [first for first in found if max(firsts) < first <= MOST_SKIPPED]


def _unfinished(one: Candidate, points: Points) -> float:
    """Return what it costs that a log ends long before its schedule does."""
    if one.total is None or len(points.steps) < 2:
        return 0.0
    gap = float(np.median(np.diff(points.steps)))
    return 2.0 if one.total + one.first > points.steps[-1] + 1.5 * gap + 1 else 0.0


FLOORS = (0.0, 0.1, 0.01, 0.05, 0.2, 0.001, 0.02, 0.3, 0.5)
"""Floors of a straight line that a log does not see the end of: it tells the slope alone."""


def with_floors(several: Iterator[of.Template], ends: bool, one: Fitted) -> Iterator[of.Template]:
    start = one.values.get("s", 0.0)
    floors = (*FLOORS, *(tidy(float(f"{start:.5g}") / k) for k in (1e4, 1e3, 1e5) if start > 1e-6))
    for template in several:
        open_ended = template.body in ("linear", "sqrt") and not ends and one.off <= NEAR
        if open_ended and "f" in template.names:
            yield from (replace(template, fixed=(*template.fixed, ("f", f))) for f in floors)
        yield template


def _counted(
    one: Fitted, first: int, points: Points, total: int | None, hump_over: bool
) -> Iterator[Candidate]:
    """Return a curve as schedules, update 0 standing beside a step."""
    here = Points(points.steps - first, points.rates, points.tolerance)
    moved = Fitted(one.template, shifted(one, first), one.off)
    if not one.template.warm and first <= 1 and one.off <= NEAR:
        counted = fit(one.template, moved.values, here.thinned(120)) if first else moved
        yield from _unseen(counted, here, total, first)
    for template in with_floors(variants(moved), hump_over, moved):
        given = {name: moved.values[name] for name in template.names}
        tried = Fitted(template, given, moved.off)
        moves_along = template.warm in MOVES
        if template != moved.template or (first and not moves_along):
            few = here.thinned(120)
            if dict(template.fixed).get("f") is not None and "T" in given:
                given["T"] = _stretched(moved, dict(template.fixed)["f"])
            tried = fit(template, given, few, 15)
        if tried.off > max(NEAR, 3 * one.off):
            continue
        made = schedule_of(rounded(tried, here, total), here)
        if made is None:
            continue
        made = replace(made, first=first)
        yield _of_deepspeed(made, template) if template.warm == "log" and first == 1 else made


def _of_deepspeed(one: Candidate, template: of.Template) -> Candidate:
    """Return a logarithmic warm-up as DeepSpeed counts it, which alone has one.

    Its first update goes by before the clock starts, and it warms up to log n, not to log(1 + n).
    """
    start = next(iter(one.schedule.parts), one.schedule)
    level = getattr(start, "start", None) or 0.0
    note = "the warm-up is DeepSpeed's, whose clock starts one update late"
    return replace(one, schedule=Hold(level, over=1) >> one.schedule, first=0, cost=one.cost - 1,
                   warmup=one.warmup + 1, notes=(*one.notes, note))  # fmt: skip


def _stretched(one: Fitted, floor: float) -> float:
    """Return where a fall of the same slope ends that goes to another floor."""
    v = one.template.filled(one.values)
    ratio = (1 - floor) / max(1 - v["f"], 1e-9)
    return v["H"] + (v["T"] - v["H"]) * (ratio if one.template.body == "linear" else ratio**2)


def schedule_of(one: Fitted, points: Points) -> Candidate | None:
    """Return a curve with round numbers as a schedule, or None if it cannot be one."""
    v, template = one.template.filled(one.values), one.template
    if v["p"] <= 0 or min(v["f"], v["s"]) < -1e-6 or v["W"] < 0:
        return None
    if v["H"] < v["W"] - 1e-6 and not template.product:
        return None
    endless = "T" not in one.values
    if not endless and v["T"] <= v["H"]:
        return None
    if template.hold and v["H"] - v["W"] <= SHORT:
        return None  # the same without a plateau is tried too
    try:
        schedule = _moves(template, v)
    except (ScheduleError, ZeroDivisionError, OverflowError):
        return None
    family, also = _family(template, v, points)
    cost = one.cost + KINDS[template.body] + CLIMBS.get(template.warm, 2.0) + template.hold
    floor = dict(template.fixed).get("f", 0.0)
    cost += price(floor) + (floor > 0)
    cost += template.floor - (0.5 if ("s", 0.0) in template.fixed and template.warm else 0)
    floor = v["p"] * (v["f"] if not endless or template.floor else 0.0)
    if template.body == "hold":
        floor = v["p"]
    notes: list[str] = []
    if template.warm == "hidden" and v["W"] > 0:
        notes.append("its warm-up ended before the first point: its length follows from what comes "
                     "behind it, and its beginning is a guess")  # fmt: skip
    return Candidate(
        family, schedule, tidy(v["p"]), 0, cost, nominal_warmup(template, v), tidy(floor),
        None if endless else _nominal_total(family, v), notes=tuple(notes), also=also,
    )  # fmt: skip


def nominal_warmup(template: of.Template, v: of.Numbers) -> int:
    """Return how long a warm-up is by the words of whoever set it.

    What starts at 1/n is one of n updates of which the last is at the peak.
    """
    length = round(v["W"])
    if template.warm == "ahead" and of_digits(length + 1) < of_digits(length):
        return length + 1
    return length


def of_digits(count: int) -> int:
    """Return the digits of a count without the zeros at its end."""
    return len(str(count).rstrip("0"))


def _nominal_total(family: str, v: of.Numbers) -> int:
    end = round(v["T"])
    if family == of.ONE_CYCLE and of_digits(end + 1) < of_digits(end):
        return end + 1
    return end


def _moves(template: of.Template, v: of.Numbers) -> Schedule:
    """Return the schedule of a curve."""
    length, hold, end = v["W"], v["H"], v.get("T", 0.0)
    kinked = abs(length - round(length)) > 1e-3
    moves: list[Schedule] = []
    if kinked and template.body in ("linear", "cosine") and not template.hold:
        return _between_updates(template, v)
    warm, start = template.warm, v["s"]
    if warm == "hidden":
        warm, start = "linear", 0.0
    over = round(length)
    if warm and over > 0:
        moves.append(warmup_move(warm, start, over))
    if template.hold and round(hold) > over:
        moves.append(Hold(1.0 if warm == "constant" else None, over=round(hold) - over))
    last = body_move(template.body, round(end) - round(hold) if "T" in v else None, v)
    if template.floor:
        last = last.clip(low=tidy(max(v["f"], 0.0)))
    if template.product and moves:
        return (moves[0] >> Hold(1.0) if warm == "constant" else moves[0]) * last
    moves.append(Hold(1.0) if warm == "constant" and template.body == "hold" else last)
    if warm == "constant" and template.body != "hold" and not template.hold:
        moves[-1] = replace(last, start=1.0)  # pyright: ignore[reportArgumentType]
    return moves[0] if len(moves) == 1 else _joined(moves)


def _joined(moves: list[Schedule]) -> Schedule:
    whole = moves[0]
    for move in moves[1:]:
        whole = whole >> move
    return whole


def _between_updates(template: of.Template, v: of.Numbers) -> Schedule:
    """Return a rise and a fall that meet between two updates, as PyTorch's one-cycle has them."""
    peak, end = tidy(v["W"]), v["T"]
    kind = Cosine if template.warm == "cosine" else Linear
    rise = math.floor(peak) + 1
    up = Part(kind(1.0, start=tidy(max(v["s"], 0.0))), of=peak, over=rise)
    down = Cosine if template.body == "cosine" else Linear
    fall = Part(down(tidy(max(v["f"], 0.0)), start=1.0), begin=tidy(rise - peak),
                of=tidy(end - peak), over=math.ceil(end) - rise)  # fmt: skip
    return up >> fall


def _family(template: of.Template, v: of.Numbers, points: Points) -> tuple[str, tuple[str, ...]]:
    """Return the family of a curve, and those that it is a special case of."""
    body = template.body
    if body == "hold":
        reached = int((points.steps >= v["W"] - 1e-6).sum())
        return (of.WARMING if template.warm and reached == 0 else of.CONSTANT), ()
    if template.hold or body == "sqrt":
        return of.STABLE, ()
    if (
        template.warm not in ("", "hidden")
        and body in ("linear", "cosine")
        and not template.product
    ):
        long = v["W"] >= 0.08 * v["T"]
        if template.warm == "cosine" and body == "cosine":
            return of.ONE_CYCLE, ()
        if template.warm == body == "linear" and v["s"] * v["W"] > 1.5 and long:
            return of.ONE_CYCLE, (of.LINEAR,)
    if body == "linear":
        return of.LINEAR, (of.POLYNOMIAL,)
    if body == "polynomial" and abs(v["q"] - 1) < 1e-9:
        return of.LINEAR, (of.POLYNOMIAL,)
    names = {"cosine": of.COSINE, "polynomial": of.POLYNOMIAL, "exponential": of.EXPONENTIAL,
             "time": of.TIME_BASED, "rsqrt": of.INVERSE_SQRT}  # fmt: skip
    return names[body], ()


def runs(points: Points) -> list[tuple[int, int]]:
    """Return the runs of points with the same rate, first and behind last."""
    rates, tolerance = points.rates, points.tolerance
    apart = np.abs(np.diff(rates)) > 2 * np.maximum(tolerance[1:], tolerance[:-1])
    cuts = [0, *(np.flatnonzero(apart) + 1).tolist(), len(rates)]
    return list(itertools.pairwise(cuts))
