"""The moves in steps, and the callable."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import (
    Fix,
    ScheduleError,
    Who,
    listed,
    number,
    one_of,
    paired,
    shorten,
)
from ratewise.schedule.lengths import Horizon, Length, LengthMap, length, nearest_update
from ratewise.schedule.move import Move
from ratewise.schedule.moves import Cosine, Hold, Linear
from ratewise.schedule.track import LARGEST, MANY, Inside, Track, chain, finite

__all__ = ["Function", "Piecewise", "Step"]


def settle_position(who: Who, horizon: Horizon, n: int | None, position: int | str) -> int:
    """Return a position inside a move of `n` updates; a share is a share of the move."""
    if isinstance(position, int):
        return position
    if position.endswith("%"):
        if n is None:
            last = "or positions in updates"
            alone = "give over=…, call resolve(total=…), or positions in updates"
            fix = Fix(f"give over=…, {{total}}, {last}", alone, total="…")
            raise ScheduleError(
                who, f"has a position ({position}) in a move of unknown length", fix
            )
        return nearest_update(Fraction(position[:-1]) / 100 * n)
    return nearest_update(horizon.unit(who, position))


def _ordered(who: Who, positions: Iterable[int | str]) -> None:
    for same in (int, str):
        known = [p for p in positions if isinstance(p, same)]
        if same is str:
            known = [Fraction(p[:-1]) for p in known if p.endswith("%")]  # pyright: ignore
        if any(a > b for a, b in itertools.pairwise(known)):  # pyright: ignore
            raise ScheduleError(who, "has positions out of order", "write them in rising order")


@dataclass(frozen=True, eq=False, repr=False)
class Step(Move, written=True):
    """Multiply the level by `factor` at given positions, or again and again.

    level(k) = start · factor^m,  m = number of positions ≤ k, or ⌊k/every⌋

    Args:
        factor: Multiplier in [0, inf).
        at: Positions in this move where the factor applies, in rising order: updates, shares of
            the move, or units; one or several. A position given twice counts twice.
        every: In place of `at`: the distance between steps, at least 1 update.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `factor` is negative or not finite; both or neither of `at` and `every`.

    Source: `StepLR` and `MultiStepLR` of PyTorch.

    >>> Step(0.1, at=("50%", "75%"), over=8).resolve().values()[[3, 4, 6]]
    array([1.  , 0.1 , 0.01])
    """

    factor: float = 0.1
    at: Any = None
    every: Length | None = None
    over: Length | None = None
    start: float | None = None
    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_ends()
        self.check("factor")
        who = f"Step(at={shorten(self.at)})"
        if (self.at is None) == (self.every is None):
            rule = "takes exactly one of at= and every="
            fix = 'write Step(0.1, at=("50%", "75%")) or Step(0.1, every=30)'
            raise ScheduleError(
                f"Step(at={shorten(self.at)}, every={shorten(self.every)})", rule, fix
            )
        if self.every is not None:
            every = length(f"Step(every={shorten(self.every)})", "every", self.every)
            if every == 0:
                raise ScheduleError("Step(every=0)", "needs every of 1 or more", "give a length")
            self.keep("every", every)
            return
        given = listed(self.at)
        positions = tuple(length(who, "at", p) for p in ([self.at] if given is None else given))
        _ordered(who, positions)
        self.keep("at", positions)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        who = repr(self)
        if self.every is not None:
            assert not isinstance(self.every, float)
            every = max(1, settle_position(who, horizon, n, self.every))
            return dataclasses.replace(self, every=every, over=n)
        at = tuple(settle_position(who, horizon, n, p) for p in self.at)
        return dataclasses.replace(self, at=tuple(sorted(at)), over=n)

    def map_lengths(self, change: LengthMap) -> Self:
        moved = super().map_lengths(change)
        if self.every is not None:
            return dataclasses.replace(moved, every=change(self.every))  # pyright: ignore
        return dataclasses.replace(moved, at=tuple(change(p) for p in self.at))

    def piece(self, start: float, n: int | None) -> Track:
        if self.every is None:
            points = [(p, self._level(start, i + 1)) for i, p in enumerate(self.at)]
            return _stairs([(0, start), *points], n)
        every = self.every

        def inside(xp: Any, k: Any) -> Any:
            with np.errstate(over="ignore", under="ignore"):
                count = xp.true_divide(xp.floor_divide(k, every), 1)
                return finite(xp, start * xp.power(self.factor, count))

        end = float("nan") if n is None else self._level(start, n // int(every))
        return Track(n, end, inside)

    def _level(self, start: float, count: int) -> float:
        with np.errstate(over="ignore", under="ignore"):
            power = np.power(self.factor, np.array([float(count)]))
            return float(np.minimum(start * power, LARGEST)[0])


def _stairs(points: list[tuple[int, float]], n: int | None) -> Track:
    """Return the track that goes to each level at its position and stays, for `n` updates."""
    return _through(points, n, lambda x, a, b: Hold(a, over=x))


def _through(
    points: list[tuple[int, float]], n: int | None, between: Callable[[int, float, float], Move]
) -> Track:
    """Return the track through points (the first at 0), the last level held; `n` updates long."""
    tracks: list[Track] = []
    for (x, a), (y, b) in itertools.pairwise(points):
        if n is not None and x >= n:
            break
        tracks.append(between(y - x, a, b).track(a))
    last, level = points[-1]
    step = between(1, level, level)
    if n is None or n > last:
        tracks.append(Hold(level, over=None if n is None else n - last).track(level))
    whole = chain(tracks, points[0][1])
    inside = whole.inside if len(points) <= MANY else _searched(whole.inside, points, step)
    if n is None:
        return Track(None, whole.end, inside)
    end = [level for x, level in points if x <= n][-1]
    if whole.length is not None and whole.length > n:  # cut inside a slope
        end = float(whole.levels(np, np.array([n], dtype=np.int64))[0])
    return Track(n, end, inside)


def _searched(chained: Inside, points: list[tuple[int, float]], move: Move) -> Inside:
    """Return the levels of a long chain; traced, the piece is looked up, not every one computed."""
    at, a = np.array([x for x, _ in points]), np.array([y for _, y in points])
    table = at, np.append(np.diff(at), 1), a, np.append(a[1:], a[-1])

    def inside(xp: Any, k: Any) -> Any:
        if xp is np:
            return chained(np, k)
        i = xp.sum(xp.greater_equal(xp.expand_dims(k, -1), at), axis=-1) - 1
        x, n, start, end = (xp.take(column, i) for column in table)
        if isinstance(move, Hold):
            return start
        k = xp.subtract(k, x)
        u = move.weight(xp, k, n)
        level = u * start + move.rest(xp, k, n, u) * end
        return xp.clip(level, xp.minimum(start, end), xp.maximum(start, end))

    return inside


@dataclass(frozen=True, eq=False, repr=False)
class Piecewise(Move, written=True):
    """Go through given levels at given positions, in steps or in between.

    "constant": level(k) = the level of the last position ≤ k.
    "linear", "cosine": from each point to the next as `Linear` and `Cosine` go.
    Before the first position the level is the one the last move ended on, as if it stood at 0;
    behind the last position its level is held.

    Args:
        points: Positions in this move (updates, shares of the move, or units, in rising order)
            and their levels in [0, inf): a dict, or pairs.
        shape: "constant", "linear" or "cosine".
        over: Length; left out, the rest of the run.

    Raises:
        ScheduleError: no point, positions out of order, a level negative or not finite.

    Source: `PiecewiseConstantDecay` of Keras, `piecewise_interpolate_schedule` of Optax.

    >>> Piecewise({0: 1, 2: 0.5, 4: 0.1}, over=6).values()
    array([1. , 1. , 0.5, 0.5, 0.1, 0.1])
    >>> Piecewise({0: 0, 4: 1}, shape="linear", over=6).values()
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
    """

    points: Any
    shape: str = "constant"
    over: Length | None = None
    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_ends()
        who = f"Piecewise({shorten(self.points)})"
        shapes = ("constant", "linear", "cosine")
        one_of(who, f"does not know shape={shorten(self.shape)}", self.shape, shapes)
        pairs = _pairs(who, self.points)
        if not pairs:
            raise ScheduleError(who, "has no point", "write Piecewise({0: 1, 500: 0.1})")
        points = tuple((length(who, "a position", x), number(who, "a level", y)) for x, y in pairs)
        _ordered(who, [x for x, _ in points])
        if len({x for x, _ in points}) < len(points):
            raise ScheduleError(who, "has a position twice", "give each position one level")
        self.keep("points", points)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        who = repr(self)
        points = {settle_position(who, horizon, n, x): y for x, y in self.points}
        return dataclasses.replace(self, points=dict(sorted(points.items())), over=n)

    def map_lengths(self, change: LengthMap) -> Self:
        moved = super().map_lengths(change)
        return dataclasses.replace(moved, points=tuple((change(x), y) for x, y in self.points))

    def piece(self, start: float, n: int | None) -> Track:
        points = list(self.points)
        if points[0][0] != 0:
            points.insert(0, (0, start))
        if self.shape == "constant":
            return _stairs(points, n)
        slope = Linear if self.shape == "linear" else Cosine
        return _through(points, n, lambda x, a, b: slope(to=b, over=x, start=a))


def _pairs(who: Who, points: Any) -> list[tuple[Any, Any]]:
    pairs = paired(points)
    if pairs is None:
        fix = "write Piecewise({0: 1, 500: 0.1})"
        raise ScheduleError(who, "needs positions with levels", fix)
    return pairs


@dataclass(frozen=True, eq=False, repr=False)
class Function(Move):
    """Any callable from an update (an int, counted from the start of this move) to a level.

    level(k) = f(k), k in [0, n); past its end the last value inside is held.

    It runs, saves and resumes like any other schedule, but it cannot be written down.

    Args:
        f: Callable from int to a finite level of 0 or more. Called once for each update.
        over: Length; left out, the rest of the run.

    Raises:
        ScheduleError: `f` cannot be called; while evaluating, `f` gives a level out of [0, inf).

    >>> Function(lambda t: 0.5 ** t, over=3).values()
    array([1.  , 0.5 , 0.25])
    """

    f: Callable[[int], float]
    over: Length | None = None
    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_ends()
        if not callable(self.f):
            rule = "needs a callable from an update to a level"
            raise ScheduleError(f"Function({shorten(self.f)})", rule, "give a function of one int")

    def piece(self, start: float, n: int | None) -> Track:
        def inside(xp: Any, k: Any) -> Any:
            if xp is not np:
                return xp.zeros_like(xp.true_divide(k, 1)) + self.f(k)
            return np.array([self._level(int(t)) for t in k])

        return Track(n, float("nan") if n is None else self._level(n - 1), inside)

    def _level(self, t: int) -> float:
        return number(repr(self), f"the level of its update {t}", self.f(t))
