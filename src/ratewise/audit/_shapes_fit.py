"""Least squares with a few numbers, and the roundest numbers that the rounding of a log allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats

LOOSE = 1.35
"""How far, in tolerances, a point may be from a curve whose numbers are made round one by one."""
SMALLEST = 6e-8
"""What float32 may lose of a rate, as a share of the peak, where larger numbers are subtracted."""
DEAR = 7.0
"""Cost of a number that is not round at all."""
Model = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Points:
    """What was logged of one group's rate.

    Args:
        steps: The steps it stands beside, float64[n], rising.
        rates: The rates, float64[n], 0 or more.
        tolerance: How far a rate may be from its true value, float64[n].
    """

    steps: Floats
    rates: Floats
    tolerance: Floats

    @property
    def sharp(self) -> Floats:
        """The tolerance where no rate is the difference of two that are larger."""
        return np.maximum(self.tolerance - SMALLEST * self.rates.max(), 1e-15)

    def off(self, rates: Floats) -> float:
        """Return the largest distance from other rates, in units of the tolerance."""
        return float(np.max(np.abs(rates - self.rates) / self.tolerance))

    def thinned(self, most: int) -> Points:
        """Return at most so many of the points, both ends among them, more where it is steep."""
        if len(self.steps) <= most:
            return self
        wide, high = np.diff(self.steps), np.abs(np.diff(self.rates))
        share = wide / wide.sum() + high / max(float(high.sum()), 1e-300)
        along = np.concatenate(([0.0], np.cumsum(share / share.sum())))
        at = np.unique(
            np.searchsorted(along, np.linspace(0, 1, most) - 1e-12).clip(0, len(along) - 1)
        )
        return Points(self.steps[at], self.rates[at], self.tolerance[at])

    def cut(self, start: int, stop: int | None = None) -> Points:
        """Return the points from one to before another."""
        part = slice(start, stop)
        return Points(self.steps[part], self.rates[part], self.tolerance[part])


def jacobian(model: Model, x: Floats, y: Floats) -> Floats:
    """Return how each rate changes with each number, by backward differences.

    Where a rate jumps at an update, the one just before is looked at: the jump itself is no slope.
    """
    columns = np.empty((len(y), len(x)))
    for i, value in enumerate(x):
        step = 1e-6 * max(abs(value), 1e-3)
        moved = x.copy()
        moved[i] = value - step
        columns[:, i] = (y - model(moved)) / step
    return np.nan_to_num(columns, nan=0.0, posinf=0.0, neginf=0.0)


def least_squares(
    model: Model, x: Floats, low: Floats, high: Floats, points: Points, rounds: int = 40
) -> Floats:
    """Return the numbers at which a model is nearest to the points (Levenberg, Marquardt)."""
    weight = 1 / points.tolerance
    x = np.clip(x, low, high)
    y = model(x)
    miss = (points.rates - y) * weight
    cost, damping = float(miss @ miss), 1e-3
    for _ in range(rounds):
        slopes = jacobian(model, x, y) * weight[:, None]
        for step, used in _steps(slopes, miss, damping):
            damping = used
            tried = np.clip(x + step, low, high)
            found = model(tried)
            missed = (points.rates - found) * weight
            new = float(missed @ missed)
            if new < cost:  # never of what is no number
                break
        else:
            break
        gain = (cost - new) / max(cost, 1e-300)
        x, y, miss, cost = tried, found, missed, new
        damping = max(damping / 10, 1e-14)
        if gain < 1e-7 or cost < 1e-9 * len(y):
            break
    return x


def _steps(slopes: Floats, miss: Floats, damping: float) -> Iterator[tuple[Floats, float]]:
    """Return steps to try, each more careful than the one before, with its damping."""
    size = np.sqrt((slopes**2).sum(axis=0))
    size[size == 0] = 1.0
    scaled = slopes / size
    normal, right = scaled.T @ scaled, scaled.T @ miss
    for _ in range(8):
        yield np.linalg.solve(normal + damping * np.eye(len(size)), right) / size, damping
        damping *= 6
        if damping > 1e12:
            return


# Round numbers ------------------------------------------------------------------------------


def digits_of(value: float, most: int = 7) -> int:
    """Return how many significant digits a number has, or `most` if it is not round.

    >>> digits_of(3e-4), digits_of(12030), digits_of(1 / 3)
    (1, 4, 7)
    """
    if value == 0 or not math.isfinite(value):
        return 0 if value == 0 else most
    for digits in range(1, most):
        if abs(float(f"{value:.{digits - 1}e}") - value) <= 1e-9 * abs(value):
            return digits
    return most


def price(value: float) -> float:
    """Return what a number costs: its digits, a half less where the last is a 5.

    >>> price(500.0), price(0.25), price(1234.0)
    (0.5, 1.5, 4)
    """
    digits = digits_of(value)
    if digits in (0, 7):
        return float(digits)
    last = f"{value:.{digits - 1}e}".partition("e")[0][-1]
    return digits - 0.5 if last in "15" else digits


def roundest(low: float, high: float, *, whole: bool = False) -> float:
    """Return the roundest number in [low, high], the nearest to the middle of several.

    >>> roundest(412, 538, whole=True), roundest(2.71e-4, 3.14e-4), roundest(7.2, 7.9)
    (500.0, 0.0003, 7.5)
    """
    if low <= 0 <= high:
        return 0.0
    middle = (low + high) / 2
    top = max(abs(low), abs(high))
    power = math.floor(math.log10(top)) + 1
    while power > math.floor(math.log10(top)) - 13:
        for part in (10, 5, 2.5, 2, 1):
            grain = part * 10.0 ** (power - 1)
            if whole and grain < 1:
                return middle
            if whole and grain % 1:
                continue
            first, last = math.ceil(low / grain - 1e-9), math.floor(high / grain + 1e-9)
            if first <= last:
                nearest = min(max(round(middle / grain), first), last)
                return float(f"{nearest * grain:.12g}")
        power -= 1
    return middle


@dataclass(frozen=True)
class Snap:
    """A number that is to be made round.

    Args:
        index: Its place among the numbers.
        whole: Whether it is a whole number.
        special: Values that are as good as round, each with its price.
        units: In which units it may be round: 1 itself, the peak for what is a share of it; below
            0, its inverse in that unit.
        within: Bounds that it keeps whatever the rates allow.
    """

    index: int
    whole: bool = False
    special: tuple[tuple[float, float], ...] = ()
    units: tuple[float, ...] = (1.0,)
    within: tuple[float, float] = (-math.inf, math.inf)


def snapped(
    model: Model, x: Floats, snaps: Iterable[Callable[[Floats], Snap]], points: Points
) -> tuple[Floats, float]:
    """Return the numbers made round one after the other, and what they cost together.

    A number may go as far as the others can make up for: no point leaves its tolerance. What a
    number may be is asked when those before it are known.
    """
    x, cost = x.copy(), 0.0
    free, order = list(range(len(x))), list(snaps)
    for place, asked in enumerate(order):
        snap = asked(x)
        others = [one(x) for one in order[place + 1 :]]
        y = model(x)
        slopes = jacobian(model, x, y) / points.tolerance[:, None]
        miss = (points.rates - y) / points.tolerance
        path = _path(slopes, free, snap.index)
        room = _room(slopes @ path, miss)
        for other in others:
            room = _kept(room, path[other.index], x[other.index], other.within)
        value, paid = _choice(float(x[snap.index]), room, snap)
        moved = x + path * (value - x[snap.index])
        moved[snap.index] = value
        free.remove(snap.index)
        x = _settled(model, moved, free, points)
        cost += paid
    return x, cost


def _path(slopes: Floats, free: list[int], index: int) -> Floats:
    """Return how all numbers go along with one, so that the rates change least."""
    path = np.zeros(slopes.shape[1])
    path[index] = 1.0
    others = [i for i in free if i != index]
    if others:
        columns = slopes[:, others]
        size = np.linalg.norm(columns, axis=0)
        size[size == 0] = 1.0
        path[others] = -np.linalg.lstsq(columns / size, slopes[:, index], rcond=1e-9)[0] / size
    return path


def _room(change: Floats, miss: Floats) -> tuple[float, float]:
    """Return how far down and up one may go until a point leaves its tolerance."""
    most = max(1.0, float(np.max(np.abs(miss)))) * LOOSE
    used = np.abs(change) > 1e-15
    if not used.any():
        return -math.inf, math.inf
    change, miss = change[used], miss[used]
    up = np.where(change > 0, miss + most, miss - most) / change
    down = np.where(change > 0, miss - most, miss + most) / change
    return min(float(down.max()), 0.0), max(float(up.min()), 0.0)


def _kept(
    room: tuple[float, float], along: float, value: float, within: tuple[float, float]
) -> tuple[float, float]:
    """Return how far one may go until a number that goes along leaves its bounds."""
    if along == 0.0:
        return room
    more = 0.03 * (within[1] - within[0]) if math.isfinite(within[1] - within[0]) else 0.0
    ends = sorted((edge - value) / along for edge in (within[0] - more, within[1] + more))
    return max(room[0], min(ends[0], 0.0)), min(room[1], max(ends[1], 0.0))


def _choice(value: float, room: tuple[float, float], snap: Snap) -> tuple[float, float]:
    """Return the cheapest value within reach, and its price."""
    slack = 1e-9 * max(abs(value), 1e-12)
    low, high = max(value + room[0] - slack, snap.within[0]), min(value + room[1] + slack,
                                                                  snap.within[1])  # fmt: skip
    found = [(paid, special) for special, paid in snap.special if low <= special <= high]
    low = max(low, value / 2 if value > 0 else -math.inf)
    high = min(high, value * 2 if value > 0 else math.inf)
    if math.isfinite(low) and math.isfinite(high):
        for unit in snap.units:
            found.append(_rounded(low, high, unit, whole=snap.whole))
    kept = min(max(value, snap.within[0]), snap.within[1])
    paid, best = min(found, key=lambda one: one[0]) if found else (DEAR, kept)
    return best, paid


def _rounded(low: float, high: float, unit: float, *, whole: bool) -> tuple[float, float]:
    if unit > 0:
        shown = roundest(low * unit, high * unit, whole=whole)
        return (DEAR if whole and shown % 1 else price(shown)), shown / unit
    if low <= 0:
        return DEAR, (low + high) / 2
    shown = roundest(-unit / high, -unit / low)
    return price(shown), -unit / shown


def _settled(model: Model, x: Floats, free: list[int], points: Points) -> Floats:
    """Return the numbers with those that are still free at their best once more."""
    if not free:
        return x

    def part(given: Floats) -> Floats:
        whole = x.copy()
        whole[free] = given
        return model(whole)

    limit = np.full(len(free), np.inf)
    x = x.copy()
    x[free] = least_squares(part, x[free], -limit, limit, points, rounds=4)
    return x
