"""Curves with one hump: which kinds a log may be of, and with which numbers to begin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit._shapes_fit import Points
from ratewise.audit.families import BODIES, ENDLESS, Template

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
    t = hump.points.steps
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


def _climbs(template: Template, hump: Hump) -> Iterator[dict[str, float]]:
    t, r = hump.points.steps, hump.points.rates
    i = hump.first
    top = float(r[i])
    if template.warm == "":
        yield {"p": top}
    elif template.warm == "hidden":
        yield from ({"p": top, "W": float(t[0]) * share} for share in (0.3, 0.9))
    elif template.warm in ("linear", "ahead"):
        if i >= 2:
            slope, offset = np.polyfit(t[:i], r[:i], 1)
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
