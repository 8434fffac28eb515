"""Curves with one hump: where to begin, the nearest of each kind, and its round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit._shapes_fit import Points, Snap, least_squares, snapped
from ratewise.audit.families import BODIES, ENDLESS, Template

COARSE = 60
"""Points that a first fit looks at."""
FINE = 240
"""Points that numbers are made round with; all are looked at in the end."""
PROMISING = 300.0
"""How far off, in tolerances, a first fit may be to be looked at again, if others are better."""
BOUNDS: dict[str, tuple[float, float]] = {
    "p": (1e-30, 1e6),
    "s": (-0.5, 2.0),
    "W": (0.0, 1e12),
    "H": (0.0, 1e12),
    "T": (1.0, 1e12),
    "f": (-0.2, 2.0),
    "q": (0.05, 30.0),
    "c": (1e-3, 1e12),
}
NO_LIMITS: Mapping[str, tuple[float, float]] = {}
RATES = (0.5, 0.8, 0.9, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.1, 0.2, 0.25, 0.3)
PERIODS = (1, 10, 100, 200, 500, 1000, 2000, 2500, 5000, 10_000, 20_000)
"""What rates of exponential decay, and the updates that they are for, usually are."""


@dataclass(frozen=True, eq=False)
class Hump:
    """What is seen at a glance of points: which climb, which stay, which fall, which are over.

    Args:
        points: The points, their steps taken for updates.
        first: The first point at the top.
        last: The last one of those that follow it there.
        over: The first point of those at the end that are all the same, len(points) if none.
    """

    points: Points
    first: int
    last: int
    over: int

    @classmethod
    def of(cls, points: Points) -> Hump:
        """Look at points."""
        rates, tolerance = points.rates, points.tolerance
        top = rates >= rates.max() - 2 * tolerance
        first = last = int(np.argmax(top))
        while last + 1 < len(rates) and top[last + 1]:
            last += 1
        same = np.abs(rates - rates[-1]) <= 2 * tolerance
        over = len(rates) - int(np.argmin(same[::-1])) if not same.all() else len(rates)
        return cls(points, first, last, over if len(rates) - over >= 2 else len(rates))

    @property
    def warms(self) -> bool:
        """Whether it climbs at first."""
        return self.first > 0

    @property
    def falls(self) -> bool:
        """Whether it falls in the end."""
        return self.last + 1 < len(self.points.rates)

    def limits(self, template: Template) -> dict[str, tuple[float, float]]:
        """Return between which updates a warm-up ends that jumps to the peak, and a body."""
        found: dict[str, tuple[float, float]] = {}
        t = self.points.steps
        if template.warm == "constant" and self.first:
            found["W"] = float(t[self.first - 1]) + 0.25, float(t[self.first]) - 0.25
        if template.body == "polynomial":  # it would rather be over than bend
            found["T"] = float(t[self.over - 1]), BOUNDS["T"][1]
        return found


@dataclass(frozen=True, eq=False)
class Fitted:
    """A curve fitted to points.

    Args:
        template: Its kind.
        values: Its numbers.
        off: The largest distance of a point, in tolerances.
        cost: What its numbers cost, once they are round.
    """

    template: Template
    values: dict[str, float]
    off: float
    cost: float = 0.0


def model_of(template: Template, t: Floats) -> Callable[[Floats], Floats]:
    """Return the rates at updates t, as a function of the free numbers in their order."""
    names = template.names
    return lambda x: template.rates(t, dict(zip(names, x.tolist(), strict=True)))


# Which kinds, and where to begin --------------------------------------------------------------


def templates(hump: Hump) -> Iterator[Template]:
    """Return the kinds of curves that points may be of."""
    bodies = list(BODIES) if hump.falls else ["hold"]
    for warm in _warmups(hump):
        for body in bodies:
            if body == "hold" and hump.falls:
                continue
            if body in ENDLESS and warm == "hidden" and body != "rsqrt":
                continue
            yield Template(body, warm)
            if body in ENDLESS and hump.over < len(hump.points.rates):
                yield Template(body, warm, floor=True)
            ends = body in ("linear", "cosine", "sqrt", "exponential")
            if ends and hump.last > hump.first and warm != "hidden":
                yield Template(body, warm, hold=True, floor=_has_floor(body, hump))
            elif ends and hump.falls and not hump.warms and warm == "hidden":
                continue


def _has_floor(body: str, hump: Hump) -> bool:
    return body in ENDLESS and hump.over < len(hump.points.rates)


def _warmups(hump: Hump) -> list[str]:
    if not hump.warms:
        return ["", "hidden"] if hump.falls else [""]
    up = hump.points.cut(0, hump.first)
    if len(up.rates) >= 2 and np.ptp(up.rates) <= 2 * up.tolerance.max():
        return ["constant"]
    if len(up.rates) < 3:
        return ["linear", "geometric", "cosine"] if len(up.rates) == 2 else ["linear"]
    for warm, bent in (("linear", up.rates), ("geometric", np.log(np.maximum(up.rates, 1e-300))),
                       ("quadratic", np.sqrt(up.rates))):  # fmt: skip
        if _is_straight(up, bent):
            return [warm]
    return ["linear", "cosine", "log"]


def _is_straight(up: Points, bent: Floats) -> bool:
    """Whether points that were bent by a function are in a straight line, as well as is known."""
    line = np.polynomial.Polynomial.fit(up.steps, bent, 1)
    share = up.tolerance / np.maximum(up.rates, 1e-300) + 1e-7
    slack = 4 * share * np.maximum(np.abs(bent), 1.0 if bent.min() < 0 else 0.0) + 1e-5 * np.ptp(
        bent
    )
    return bool((np.abs(line(up.steps) - bent) <= slack).all())


def starts(template: Template, hump: Hump) -> Iterator[dict[str, float]]:
    """Return numbers to begin with."""
    t, r = hump.points.steps, hump.points.rates
    for climb in _climbs(template, hump):
        begin = {**climb, "H": float(t[hump.last]) if template.hold else climb.get("W", 0.0)}
        if not hump.falls:
            yield begin
            continue
        fall = hump.points.cut(hump.last if hump.last > 0 or not hump.warms else 1)
        yield {**begin, **_fall(template, begin, fall, hump)}
        if template.hold and hump.last + 1 < len(t):
            begin = {**begin, "H": float(t[hump.last] * 0.3 + t[hump.last + 1] * 0.7)}
            yield {**begin, **_fall(template, begin, fall, hump)}
    del r


def _climbs(template: Template, hump: Hump) -> Iterator[dict[str, float]]:
    t, r = hump.points.steps, hump.points.rates
    i = hump.first
    top = float(r[i])
    if template.warm == "":
        yield {"p": top}
    elif template.warm == "hidden":
        yield from ({"p": top, "W": float(t[0]) * share} for share in (0.3, 0.9))
    elif template.warm in ("linear", "ahead"):
        n = i if i > 1 or hump.last > i or not hump.falls else i
        if n >= 2:
            slope, offset = np.polyfit(t[:n], r[:n], 1)
        else:
            slope, offset = r[0] / max(float(t[0]), 1.0), 0.0
        if slope <= 0:
            slope = top / max(float(t[i]), 1.0)
        meet = max(float((top - offset) / slope), 1.0)
        places = [meet]
        if hump.falls and hump.last == i:
            after = float(t[i] + t[i + 1]) / 2
            places += [float(t[i - 1] + t[i]) / 2, after]
        for place in places:
            yield {"p": max(float(offset + slope * place), top), "W": place,
                   "s": float(offset / max(offset + slope * place, top))}  # fmt: skip
    elif template.warm in ("geometric", "quadratic") and i >= 2 and r[0] > 0:
        seen = np.log(r[:i] / top) if template.warm == "geometric" else np.sqrt(r[:i] / top)
        slope, offset = (float(v) for v in np.polyfit(t[:i], seen, 1))
        if slope > 0:
            share = math.exp(min(offset, 0.0)) if template.warm == "geometric" else max(offset, 0)
            end = -offset / slope if template.warm == "geometric" else (1 - offset) / slope
            yield {"p": top, "W": max(end, 1.0), "s": share}
    else:
        low = float(r[0]) / top if template.warm != "log" or t[0] <= 2 else 0.0
        places = (float(t[i]), float(t[i - 1] + t[i]) / 2)
        for place in places[template.warm == "constant" :]:
            yield {"p": top, "W": place, "s": low}


def _fall(
    template: Template, begin: dict[str, float], fall: Points, hump: Hump
) -> dict[str, float]:
    """Return the numbers of the body that fit the falling points best, of a grid."""
    t, r = fall.steps, fall.rates
    x = np.maximum(t - begin["H"], 0.0)
    body, length = BODIES[template.body], max(float(t[-1] - begin["H"]), 1.0)
    if "T" not in body.numbers:
        floor = {"f": float(r[-1] / begin["p"])} if template.floor else {}
        inside = slice(0, None) if not template.floor else slice(0, max(2, hump.over - hump.last))
        return {**_scale(template.body, x[inside], r[inside], begin["p"]), **floor}
    near = 1 + np.array([0.1, 0.5, 1.0, 2.0]) * float(t[-1] - t[-2]) / length
    ends = begin["H"] + length * np.concatenate((near, np.geomspace(1.02, 30.0, 24)))
    if hump.over < len(hump.points.rates):
        a, b = hump.points.steps[hump.over - 1], hump.points.steps[hump.over]
        ends = np.linspace(a, b, 5)
    powers = (0.3, 0.5, 0.9, 1.5, 2.0, 3.0, 5.0) if "q" in body.numbers else (1.0,)
    best, found = np.inf, {"T": float(ends[0]), "f": 0.0}
    for end in ends:
        for power in powers:
            v = {"H": begin["H"], "T": float(end), "f": 0.0, "q": power}
            u = body.level(x, v)
            basis = np.stack([u, np.ones_like(u)], axis=1)
            (a, b), *_ = np.linalg.lstsq(basis, r, rcond=None)
            miss = float(np.square(basis @ np.array([a, b]) - r).sum())
            if miss < best and a + b > 0 and b / (a + b) > -0.2:
                best = miss
                found = {"T": float(end), "f": float(b / (a + b)), "q": power}
                if not template.warm:
                    found["p"] = float(a + b)
    return found


def _scale(body: str, x: Floats, r: Floats, p: float) -> dict[str, float]:
    """Return the time scale of a body that has no end, by the straight line that it is."""
    r = np.maximum(r, 1e-12 * p)
    if body == "exponential":
        slope, offset = np.polyfit(x, np.log(r), 1)
        return {"c": float(-1 / slope) if slope < 0 else 1e6, "p": float(np.exp(offset))}
    power = 1 if body == "time" else 2
    slope, offset = np.polyfit(x, r ** -float(power), 1)
    if slope <= 0 or offset <= 1e-3 * slope * float(x[-1]):
        return {"c": float(x[-1]) + 1, "p": p}
    return {"c": float(offset / slope), "p": float(offset ** (-1 / power))}


# Fitting --------------------------------------------------------------------------------------


def fit(template: Template, begin: dict[str, float], points: Points, rounds: int = 40,
        limits: Mapping[str, tuple[float, float]] = NO_LIMITS) -> Fitted:  # fmt: skip
    """Return the curve of a kind that is nearest to points.

    Args:
        template: The kind.
        begin: Numbers to begin with.
        points: The points, their steps taken for updates.
        rounds: Steps of the search at most.
        limits: Between what some of the numbers lie.
    """
    names = template.names
    model = model_of(template, points.steps)
    whole = {"s": 0.0, "f": 0.0, "q": 1.0, "W": 0.0, "H": 0.0, **begin}
    x = np.array([whole[name] for name in names], dtype=np.float64)
    bounds = {**BOUNDS, **limits}
    low, high = (np.array([bounds[name][side] for name in names]) for side in (0, 1))
    rough = points.tolerance + 2e-4 * points.rates.max()
    loose = Points(points.steps, points.rates, rough)
    x = least_squares(model, x, low, high, loose, rounds)
    x = least_squares(model, x, low, high, points, rounds)
    return Fitted(template, dict(zip(names, x.tolist(), strict=True)), points.off(model(x)))


def nearest(hump: Hump, bodies: Collection[str] = tuple(BODIES)) -> list[Fitted]:
    """Return the curves of all kinds with these bodies that come near, the nearest first."""
    few = hump.points.thinned(COARSE)
    found: list[Fitted] = []
    for template in (each for each in templates(hump) if each.body in bodies):
        limits = hump.limits(template)
        tried = [fit(template, begin, few, 25, limits) for begin in starts(template, hump)]
        if tried:
            found.append(min(tried, key=lambda one: one.off))
    found.sort(key=lambda one: one.off)
    limit = max(PROMISING, 3 * found[0].off) if found else 0.0
    many = hump.points.thinned(FINE)
    again = [fit(one.template, one.values, many, 40, hump.limits(one.template))
             for one in found if one.off <= limit]  # fmt: skip
    return sorted(again, key=lambda one: one.off)


def shifted(one: Fitted, by: float) -> dict[str, float]:
    """Return the numbers of the same curve, where updates are counted from `by` later on."""
    v = one.template.filled(one.values)
    moved = dict(one.values)
    for name in ("W", "H", "T"):
        if name in moved:
            moved[name] -= by
    if "s" in moved and one.template.warm == "linear" and v["W"] > 0:
        moved["s"] = v["s"] + (1 - v["s"]) * by / v["W"]
    if "s" in moved and one.template.warm == "geometric" and v["W"] > 0:
        moved["s"] = max(v["s"], 1e-12) ** (1 - by / v["W"])
    return moved


def variants(one: Fitted) -> Iterator[Template]:
    """Return the kinds that say the same with fewer numbers."""
    if one.template.warm == "linear":
        yield replace(one.template, fixed=(("s", 0.0),))
        yield replace(one.template, warm="ahead", fixed=(("s", 0.0),))
        yield replace(one.template, warm="early", fixed=(("s", 0.0),))
    elif one.template.warm in ("log", "quadratic", "cosine"):
        yield replace(one.template, fixed=(("s", 0.0),))
    yield one.template


def rounded(one: Fitted, points: Points, total: int | None = None) -> Fitted:
    """Return a curve with its numbers as round as the rounding of the log allows."""
    first = _in_order("p f s q T W H c", one, points, total)
    if {"f", "T"} <= {*first.values} and abs(first.values["T"] - round(first.values["T"])) > 1e-6:
        second = _in_order("p T f s q W H c", one, points, total)
        return min(first, second, key=lambda each: each.cost)
    if one.template.body == "rsqrt" and one.template.warm == "hidden":  # any W has its peak
        return _in_order("W c p f", one, points, total)
    if one.template.warm == "constant":  # where the rate jumps and how high it is go together
        second = _in_order("W p f s q T H c", one, points, total)
        return min(first, second, key=lambda each: (each.off > 2, each.cost))
    return first


def _in_order(order: str, one: Fitted, points: Points, total: int | None) -> Fitted:
    """Return a curve with its numbers made round, each in its turn."""
    names = one.template.names
    few = points.thinned(FINE)
    x = np.array([one.values[name] for name in names])
    asked = [_asks(name, one.template, points, total) for name in order.split() if name in names]
    x, cost = snapped(model_of(one.template, few.steps), x, asked, few)
    off = points.off(model_of(one.template, points.steps)(x))
    return Fitted(one.template, dict(zip(names, x.tolist(), strict=True)), off, cost)


def _asks(
    name: str, template: Template, points: Points, total: int | None
) -> Callable[[Floats], Snap]:
    names = template.names
    index = names.index(name)

    def snap(x: Floats) -> Snap:
        v = template.filled(dict(zip(names, x.tolist(), strict=True)))
        if name in ("f", "s"):
            within = (-1e-7, 1.5) if min(v[name], 1.0) > -1e-7 else (-math.inf, math.inf)
            return Snap(index, special=((0.0, 0.0), (1.0, 1.0)), units=(1.0, v["p"]), within=within)
        if name == "T":
            known = () if total is None else ((float(total), 0.0),)
            return Snap(index, whole=True, special=known)
        if name in ("W", "H"):
            whole = v["T"] if "T" in names else total
            special = () if whole is None or not math.isfinite(whole) else shares(name, whole)
            return Snap(index, whole=True, special=special, within=_gap(name, template, v, points))
        if name == "q":
            return Snap(index, special=((1.0, 0.0), (0.5, 0.5), (2.0, 0.5)))
        if name == "c":
            return _scale_snap(index, template.body, v)
        return Snap(index)

    return snap


def _gap(name: str, template: Template, v: dict[str, float], points: Points) -> tuple[float, float]:
    """Return between which updates the end of a constant warm-up lies: the rate jumps there."""
    if name != "W" or template.warm != "constant":
        return -math.inf, math.inf
    after = int(np.searchsorted(points.steps, v["W"]))
    if not 0 < after < len(points.steps):
        return -math.inf, math.inf
    return float(points.steps[after - 1]) + 1, float(points.steps[after])


def shares(name: str, total: float) -> tuple[tuple[float, float], ...]:
    """Return the updates that are a round share of a run, rounded as frameworks do, with prices."""
    percents = (1, 2, 3, 5, 6, 10, 15, 20, 25, 30) if name == "W" else (50, 60, 70, 75, 80, 90, 95)
    exact = [total * percent / 100 for percent in percents]
    found = {float(way(share)) for share in exact for way in (math.floor, math.ceil)}
    return tuple((share, 1.5) for share in sorted(found) if share >= 2)


def _scale_snap(index: int, body: str, v: dict[str, float]) -> Snap:
    if body == "rsqrt":
        special = ((v["W"], 0.0),) if v["W"] > 0 else ()
        return Snap(index, whole=True, special=special)
    if body == "time":
        return Snap(index, units=(-1.0, 1.0))
    special = tuple((-every / float(np.log(rate)), 2.0) for rate in RATES for every in PERIODS)
    gammas = tuple((-1 / float(np.log1p(-k * 10.0**-e)), 2.0) for e in range(2, 7)
                   for k in range(1, 10))  # fmt: skip
    return Snap(index, special=(*special, *gammas), units=(-1.0,))
