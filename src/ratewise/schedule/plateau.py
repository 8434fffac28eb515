"""Plateau and Divergence: lower the rate when a metric says so."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ratewise.schedule.errors import ScheduleError, one_of, shorten, whole
from ratewise.schedule.feedback import Feedback, State, a_metric, record, smoothed
from ratewise.schedule.lengths import Length
from ratewise.schedule.schema import Reader, a_count, a_number, maybe

__all__ = ["Divergence", "Plateau"]

COUNTINGS = ("ratewise", "torch", "keras", "optax")


@dataclass(frozen=True, eq=False, repr=False)
class Plateau(Feedback):
    """Multiply the level by `factor` whenever a metric has stopped improving.

    level = max(start · factor^m, floor), m = reductions so far. An observation is bad unless it
    beats the best so far by more than the threshold; after `patience` + 1 bad ones in a row the
    level is reduced, and the next `cooldown` observations do not count.

    Other frameworks count differently, and can be had by name: "torch" compares with
    best·(1 ∓ threshold), which turns round for negative metrics; "keras" and "optax" reduce after
    `patience` bad observations, and count cooldowns in their own ways.

    Args:
        metric: Name of the metric, as it is shown to `observe`.
        mode: "min" if less is better, else "max".
        factor: Multiplier of a reduction, in [0, 1).
        patience: Bad observations that are tolerated, 0 or more.
        cooldown: Observations after a reduction that do not count, 0 or more.
        threshold: By how much an observation has to be better, in [0, inf).
        threshold_mode: "rel": times the size of the best so far; "abs": as it is.
        floor: Lowest level, in [0, inf).
        smoothing: Weight of the past in an exponential average of the metric, in [0, 1).
        counting: "ratewise", "torch", "keras" or "optax".
        least: Reductions by this much or less are not made, in [0, inf) (`eps` of PyTorch).
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval, or a name that is not known.

    Source: `ReduceLROnPlateau` of PyTorch and Keras, `reduce_on_plateau` of Optax.

    >>> Plateau(metric="val_loss", patience=3, factor=0.5)
    Plateau(metric="val_loss", factor=0.5, patience=3)
    """

    metric: str = "val_loss"
    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    cooldown: int = 0
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    floor: float = 0.0
    smoothing: float = 0.0
    counting: str = "ratewise"
    least: float = 0.0
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_listening()
        self.check("factor", high=math.nextafter(1.0, 0.0))
        self.check("smoothing", high=math.nextafter(1.0, 0.0))
        for name in ("threshold", "floor", "least"):
            self.check(name)
        who = f"Plateau(counting={shorten(self.counting)})"
        one_of(who, "is not a convention", self.counting, COUNTINGS)
        if self.counting == "optax" and self.mode != "min":
            who = 'Plateau(counting="optax")'
            raise ScheduleError(who, 'only knows mode="min"', "negate the metric")

    def init(self) -> State:
        fresh = {"best": None, "bad": 0, "cooling": 0, "scale": 1.0, "average": None}
        return {**super().init(), **fresh}

    def remembers(self) -> dict[str, Reader]:
        counts = {"bad": a_count(), "cooling": a_count(high=self.cooldown)}
        metrics = {"best": maybe(a_metric), "average": maybe(a_number(finite=False))}
        return {**super().remembers(), **counts, **metrics, "scale": a_number(0.0, 1.0)}

    def bounded(self, start: float, scale: float) -> float:
        return max(start * scale, min(self.floor, start))

    def observe(self, state: State, t: int, value: float, start: float = 1.0) -> State:
        value, average = smoothed(state, value, self.smoothing)
        better = self.improved(value, state["best"])
        count = {"keras": self._keras, "optax": self._optax}.get(self.counting, self._torch)
        bad, cooling, reduce = count(state, better)
        scale = state["scale"]
        if reduce:
            scale = self._reduced(scale, start)
            if self.counting == "keras" and scale == state["scale"]:
                bad, cooling = state["bad"] + 1, state["cooling"]
        best = value if better else state["best"]
        return record(state, t, best=best, bad=bad, cooling=cooling, scale=scale, average=average)

    def improved(self, value: float, best: float | None) -> bool:
        own = self.counting == "ratewise" or (self.counting == "keras" and best is not None)
        return super().improved(value, best) if own else self.improved_as_torch(value, best)

    def _reduced(self, scale: float, start: float) -> float:
        fall = self.bounded(start, scale) - self.bounded(start, scale * self.factor)
        return scale * self.factor if fall > self.least else scale

    def _torch(self, state: State, better: bool) -> tuple[int, int, bool]:
        bad, cooling = 0 if better else state["bad"] + 1, state["cooling"]
        if cooling > 0:
            bad, cooling = 0, cooling - 1
        if bad > self.patience:
            return 0, self.cooldown, True
        return bad, cooling, False

    def _keras(self, state: State, better: bool) -> tuple[int, int, bool]:
        bad, cooling = state["bad"], state["cooling"]
        if cooling > 0:
            bad, cooling = 0, cooling - 1
        if better:
            return 0, cooling, False
        if cooling > 0:
            return bad, cooling, False
        if bad + 1 >= self.patience:
            return 0, self.cooldown, True
        return bad + 1, cooling, False

    def _optax(self, state: State, better: bool) -> tuple[int, int, bool]:
        bad, cooling = 0 if better else state["bad"] + 1, state["cooling"]
        if cooling > 0:
            return 0, cooling - 1, False
        if bad == self.patience:
            return 0, self.cooldown, True
        return bad, 0, False


@dataclass(frozen=True, eq=False, repr=False)
class Divergence(Feedback):
    """Back off when a loss explodes or is not a number, and come back when it is calm.

    An observation is trouble if it is NaN or infinite, or above best + (threshold - 1)·|best|
    (below, with mode "max"). Trouble multiplies the level by `factor`; after `recover` calm
    observations in a row it is divided by it once, up to where it was.

    Args:
        metric: Name of the metric, as it is shown to `observe`.
        mode: "min" if less is better, else "max".
        factor: Multiplier on trouble, in (0, 1).
        threshold: Ratio to the best so far that is trouble, in (1, inf).
        recover: Calm observations after which one step back up is made; 0 for never.
        floor: Lowest multiplier, in [0, 1].
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    >>> Divergence("loss", factor=0.5)
    Divergence(metric="loss", factor=0.5)
    """

    metric: str = "loss"
    mode: str = "min"
    factor: float = 0.5
    threshold: float = 2.0
    recover: int = 10
    floor: float = 1e-3
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_listening()
        self.check("factor", above=True, high=math.nextafter(1.0, 0.0))
        self.check("threshold", low=1.0, above=True)
        self.check("floor", high=1.0)
        who = f"Divergence(recover={shorten(self.recover)})"
        self.keep("recover", whole(who, "recover", self.recover))

    def init(self) -> State:
        return {**super().init(), "best": None, "calm": 0, "steps": 0, "scale": 1.0}

    def remembers(self) -> dict[str, Reader]:
        counts = {"calm": a_count(), "steps": a_count()}
        own = {"best": maybe(a_number()), "scale": a_number(0.0, 1.0)}
        return {**super().remembers(), **counts, **own}

    def contradiction(self, state: State) -> str | None:
        same = math.isclose(state["scale"], self._scale(state["steps"]), rel_tol=1e-9)
        return super().contradiction(state) if same else "steps"

    def _scale(self, steps: int) -> float:
        return max(self.factor**steps, self.floor) if steps else 1.0

    def observe(self, state: State, t: int, value: float, start: float = 1.0) -> State:
        steps, calm, best = state["steps"], state["calm"] + 1, state["best"]
        if self._trouble(value, best):
            steps, calm = steps + (self.factor**steps > self.floor), 0
        elif steps and self.recover and calm >= self.recover:
            steps, calm = steps - 1, 0
        if math.isfinite(value) and (best is None or self._better(value, best)):
            best = value
        return record(state, t, best=best, calm=calm, steps=steps, scale=self._scale(steps))

    def _better(self, value: float, best: float) -> bool:
        return value < best if self.mode == "min" else value > best

    def _trouble(self, value: float, best: float | None) -> bool:
        if not math.isfinite(value):
            return True
        if best is None:
            return False
        room = (self.threshold - 1.0) * abs(best)
        return value > best + room if self.mode == "min" else value < best - room
