"""Curves with one hump: the nearest of each kind, and its round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit._shapes_fit import Points, Snap, least_squares, snapped
from ratewise.audit._shapes_starts import BOUNDS, Hump, starts, templates
from ratewise.audit.families import BODIES, Template

COARSE = 60
"""Points that a first fit looks at."""
FINE = 240
"""Points that numbers are made round with; all are looked at in the end."""
PROMISING = 300.0
"""How far off, in tolerances, a first fit may be to be looked at again, if others are better."""
NO_LIMITS: Mapping[str, tuple[float, float]] = {}
RATES = (0.5, 0.8, 0.9, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, 0.1, 0.2, 0.25, 0.3)
PERIODS = (1, 10, 100, 200, 500, 1000, 2000, 2500, 5000, 10_000, 20_000)
"""What rates of exponential decay, and the updates that they are for, usually are."""


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
