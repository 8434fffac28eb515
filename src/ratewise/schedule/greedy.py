"""Greedy and EarlyCool: raise the rate while it pays, end the run when it stops paying."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ratewise.schedule.compose import Sequence
from ratewise.schedule.errors import ScheduleError, number, shorten, whole
from ratewise.schedule.feedback import Feedback, State, a_metric, record, smoothed
from ratewise.schedule.lengths import Length, length, nearest_update
from ratewise.schedule.moves import Hold
from ratewise.schedule.named import cooldown
from ratewise.schedule.schema import Mismatch, Reader, a_count, a_list, a_number, maybe

__all__ = ["EarlyCool", "Greedy"]


@dataclass(frozen=True, eq=False, repr=False)
class Greedy(Feedback):
    """Raise the rate while a metric improves, lower it while it does not.

    level = start · scale. More than `patience` good observations in a row divide the scale by
    `factor`, more than `patience` bad ones multiply it, within [low, high]; after `reset`
    reductions that were called for at the lowest it starts afresh.

    With `rates` it is `GreedyLR` of Transformers to the last bit, whose groups start afresh
    together: it goes by these rates, in place of `low` and `high`, and compares as PyTorch does.

    Args:
        metric: Name of the metric, as it is shown to `observe`.
        mode: "min" if less is better, else "max".
        factor: Multiplier on a reduction, in (0, 1).
        patience: Observations in a row that are awaited, 0 or more.
        threshold: By how much an observation has to be better, in [0, inf).
        threshold_mode: "rel" or "abs", as of `Plateau`.
        cooldown: Observations after a reduction that do not count, 0 or more.
        warmup: Observations after an increase that do not count, 0 or more.
        low: Scale below which it does not lower, in [0, inf).
        high: Scale above which it does not raise, in [0, inf).
        smoothing: Weight of the past in an exponential average of the metric, in [0, 1).
        reset: Reductions at the lowest scale after which it starts afresh; 0 for never.
        least: Changes by this much or less are not made, in [0, inf); a rate if there are `rates`.
        rates: (rate, lowest, highest) of this group, then of those that it starts afresh with.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Subramanian et al. 2025, arXiv 2512.14527 (GreedyLR).

    >>> Greedy("val_loss", patience=2)
    Greedy(metric="val_loss", factor=0.95, patience=2)
    """

    metric: str = "val_loss"
    mode: str = "min"
    factor: float = 0.95
    patience: int = 10
    threshold: float = 1e-6
    threshold_mode: str = "abs"
    cooldown: int = 0
    warmup: int = 0
    low: float = 0.01
    high: float = 10.0
    smoothing: float = 0.0
    reset: int = 0
    least: float = 0.0
    rates: tuple[tuple[float, float, float], ...] = ()
    over: Length | None = None
    start: float | None = None
    later: ClassVar[tuple[str, ...]] = ("rates",)

    def __post_init__(self) -> None:
        self.check_listening()
        self.check("factor", above=True, high=math.nextafter(1.0, 0.0))
        self.check("smoothing", high=math.nextafter(1.0, 0.0))
        self.check("threshold")
        for name in ("low", "high", "least"):
            self.check(name)
        for name in ("warmup", "reset"):
            value = getattr(self, name)
            self.keep(name, whole(f"Greedy({name}={shorten(value)})", name, value))
        self.keep("rates", _checked(self.rates))

    @property
    def _bounds(self) -> tuple[tuple[float, float, float], ...]:
        return self.rates or ((1.0, self.low, self.high),)

    def init(self) -> State:
        counts = {"good": 0, "bad": 0, "waiting": 0, "at_low": 0}
        fresh = {"best": None, "scale": 1.0, "average": None}
        return {**super().init(), **counts, **fresh, "rates": [first for first, *_ in self._bounds]}

    def remembers(self) -> dict[str, Reader]:
        waiting = a_count(high=max(self.cooldown, self.warmup))
        counts = {"good": a_count(), "bad": a_count(), "waiting": waiting, "at_low": a_count()}
        metrics = {"best": maybe(a_metric), "average": maybe(a_number(finite=False))}
        own = {"scale": a_number(low=0.0), "rates": self._read_rates}
        return {**super().remembers(), **counts, **metrics, **own}

    def _read_rates(self, value: Any, place: str) -> list[float]:
        rates = a_list(a_number(low=0.0), len(self._bounds))(value, place)
        for rate, (first, _, high) in zip(rates, self._bounds, strict=True):
            if rate > max(first, high):
                raise Mismatch.holds(place, value, "within its bounds")
        return rates

    def contradiction(self, state: State) -> str | None:
        scale = self._rates(state)[0] / self._bounds[0][0]
        same = math.isclose(state["scale"], scale, rel_tol=1e-9)
        return super().contradiction(state) if same else "rates"

    def improved(self, value: float, best: float | None) -> bool:
        return (self.improved_as_torch if self.rates else super().improved)(value, best)

    def observe(self, state: State, t: int, value: float, start: float = 1.0) -> State:
        value, average = smoothed(state, value, self.smoothing)
        if state["waiting"] > 0:
            waiting = state["waiting"] - 1
            return record(state, t, waiting=waiting, good=0, bad=0, average=average)
        better = self.improved(value, state["best"])
        new = record(
            state,
            t,
            best=value if better else state["best"],
            good=state["good"] + 1 if better else 0,
            bad=0 if better else state["bad"] + 1,
            average=average,
        )
        if new["good"] > self.patience:
            return record(new, t, good=0, waiting=self.warmup, at_low=0, **self._raised(new))
        return self._lower(new, t) if new["bad"] > self.patience else new

    def _raised(self, state: State) -> State:
        now = zip(self._rates(state), self._bounds, strict=True)
        ahead = [(rate, min(rate / self.factor, high)) for rate, (_, _, high) in now]
        return self._moved([new if new - rate > self.least else rate for rate, new in ahead])

    def _lower(self, state: State, t: int) -> State:
        now = zip(self._rates(state), self._bounds, strict=True)
        ahead = [(rate, max(rate * self.factor, low)) for rate, (_, low, _) in now]
        rates = [new if rate - new > self.least else rate for rate, new in ahead]
        lowest = all(rate <= low for rate, (_, low, _) in zip(rates, self._bounds, strict=True))
        at_low = state["at_low"] + lowest
        if self.reset and at_low >= self.reset:
            fresh = {k: v for k, v in self.init().items() if k not in ("decisions", "nans")}
            return record(state, t, **{**fresh, "waiting": self.cooldown})
        changes = self._moved(rates)
        return record(state, t, bad=0, waiting=self.cooldown, at_low=at_low, **changes)

    def _rates(self, state: State) -> list[float]:
        """Return the rates in a state; one that was saved before they were kept has its scale."""
        return state.get("rates") or [state["scale"] * first for first, *_ in self._bounds]

    def _moved(self, rates: list[float]) -> State:
        return {"rates": rates, "scale": rates[0] / self._bounds[0][0]}


def _checked(rates: Any) -> tuple[tuple[float, float, float], ...]:
    who, form = f"Greedy(rates={shorten(rates)})", "write rates=((1e-3, 1e-5, 1),)"
    if not isinstance(rates, tuple | list) or not all(
        isinstance(one, tuple | list) and len(one) == 3  # pyright: ignore
        for one in rates  # pyright: ignore
    ):
        raise ScheduleError(who, "needs three numbers for each group", form)
    triples: Any = [tuple(number(who, "a rate", x) for x in one) for one in rates]  # pyright: ignore
    if triples and not triples[0][0]:
        raise ScheduleError(who, "scales a rate of 0", "write Hold() for that group")
    return tuple(triples)


@dataclass(frozen=True, eq=False, repr=False)
class EarlyCool(Feedback):
    """Stay until a metric stops improving, then cool down to the end and stop the run.

    A warmup-stable-decay that finds its own length: before the plateau the level is the start;
    from the update at which it is seen, cooldown `shape` to `to`; behind it the run may end.
    A plateau that has not come when the room for the cooldown runs out is taken as come.

    Args:
        metric: Name of the metric, as it is shown to `observe`.
        mode: "min" if less is better, else "max".
        patience: Bad observations that are tolerated, 0 or more.
        threshold: By how much an observation has to be better, in [0, inf).
        threshold_mode: "rel" or "abs", as of `Plateau`.
        smoothing: Weight of the past in an exponential average of the metric, in [0, 1).
        decay: Length of the cooldown: updates, or a share of the updates of this move before it,
            "25%" for a fifth of the whole.
        to: Level at the end, in [0, inf).
        shape: "linear", "cosine", "sqrt", "polynomial" or "rex"; "exponential" with `to` above 0.
        over: The longest it may take, cooldown included; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval, or another shape.

    >>> EarlyCool("val_loss", patience=3)
    EarlyCool(metric="val_loss", patience=3, to=0)
    """

    metric: str = "val_loss"
    mode: str = "min"
    patience: int = 10
    threshold: float = 1e-3
    threshold_mode: str = "rel"
    smoothing: float = 0.0
    decay: Length = "25%"
    to: float = 0.0
    shape: str = "linear"
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_listening()
        self.check("threshold")
        self.check("smoothing", high=math.nextafter(1.0, 0.0))
        who = f"EarlyCool(decay={shorten(self.decay)})"
        cool = length(who, "decay", self.decay)
        if isinstance(cool, str) and not cool.endswith("%"):
            raise ScheduleError(who, "needs updates or a share", 'write decay=500 or decay="25%"')
        self.keep("decay", cool)
        cooldown(self.shape, self.to, 1)

    def init(self) -> State:
        return {**super().init(), "best": None, "bad": 0, "average": None, "at": None}

    def remembers(self) -> dict[str, Reader]:
        metrics = {"best": maybe(a_metric), "average": maybe(a_number(finite=False))}
        own = {"bad": a_count(), "at": maybe(a_count(low=1))}
        return {**super().remembers(), **metrics, **own}

    def contradiction(self, state: State) -> str | None:
        decided = [] if state["at"] is None else [[state["at"], 1.0]]
        return None if state["decisions"] == decided else "at"

    def observe(self, state: State, t: int, value: float, start: float = 1.0) -> State:
        if state["at"] is not None:
            return record(state, t)
        value, average = smoothed(state, value, self.smoothing)
        better = self.improved(value, state["best"])
        bad = 0 if better else state["bad"] + 1
        best = value if better else state["best"]
        at = t if bad > self.patience and t > 0 else None
        new = record(state, t, best=best, bad=bad, average=average, at=at)
        if at is not None:
            new["decisions"] = [*state["decisions"], [t, 1.0]]
        return new

    def cooling(self, at: int) -> int:
        """Return the length of a cooldown that starts at update `at` of this move."""
        if isinstance(self.decay, int):
            return self.decay
        return max(1, nearest_update(Fraction(str(self.decay)[:-1]) / 100 * at))

    def begins(self, state: State) -> int | None:
        """Return the update at which the cooldown begins, if that is known."""
        if self.over is None:
            return state["at"]
        assert isinstance(self.over, int)
        if isinstance(self.decay, int):
            latest = max(self.over - self.decay, 0)
        else:
            latest = nearest_update(self.over / (1 + Fraction(str(self.decay)[:-1]) / 100))
        return latest if state["at"] is None else min(state["at"], latest)

    def level(self, state: State, t: int, start: float) -> float:
        at = self.begins(state)
        if at is None or t < at:
            return start
        down = self._cooldown(at)
        position = np.array([t - at], dtype=np.int64)
        return float(down.track(start).levels(np, position)[0]) if down.over else start

    def _cooldown(self, at: int) -> Any:
        n = self.cooling(at)
        return cooldown(self.shape, self.to, n if self.over is None else min(n, self.over - at))  # pyright: ignore

    def stops(self, state: State, t: int) -> bool:
        at = self.begins(state)
        return at is not None and t >= at + self._cooldown(at).over

    def replayed(self, state: State, start: float) -> Any:
        at = self.begins(state)
        if at is None:
            return Hold(start, over=self.over)
        down = self._cooldown(at)
        rest = None if self.over is None else self.over - at - down.over  # pyright: ignore
        return Sequence((Hold(start, over=at), down, Hold(over=rest)))
