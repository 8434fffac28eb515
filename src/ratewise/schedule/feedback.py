"""Schedules that listen: moves whose level depends on metrics, as pure state machines."""

from __future__ import annotations

import abc
import itertools
import math
from typing import Any, ClassVar

from ratewise.schedule.errors import ScheduleError, one_of, shorten, whole
from ratewise.schedule.move import Move
from ratewise.schedule.schema import (
    Mismatch,
    Reader,
    a_count,
    a_dict,
    a_list,
    a_number,
    a_primitive,
    maybe,
)
from ratewise.schedule.steps import Piecewise
from ratewise.schedule.track import Track

State = dict[str, Any]
"""What a listening move remembers: None, bools, ints, floats, texts, lists and dicts of these."""

MODES = ("min", "max")
THRESHOLDS = ("rel", "abs")


class Feedback(Move, abc.ABC):
    """A move that is shown metrics and decides by them.

    It is a pure state machine: `init() -> state`, `observe(state, t, value) -> state`,
    `level(state, t, start) -> float`, with `t` counted in updates from its own start. States are
    never changed, only replaced, and `decisions` in a state lists what was decided so far as
    pairs of an update and the multiplier from there on.
    """

    endless: ClassVar[bool] = True
    later: ClassVar[tuple[str, ...]] = ()
    """What states of before do not hold."""
    metric: str

    @property
    def listens(self) -> bool:
        return True

    def init(self) -> State:
        """Return the state before the first observation."""
        return {"decisions": [], "last": None, "missing": 0, "nans": 0}

    def remembers(self) -> dict[str, Reader]:
        """Return what a state holds, by name; what a kind of its own adds may be any primitive."""
        own: dict[str, Reader] = dict.fromkeys(self.init(), a_primitive)
        counts = {"missing": a_count(), "nans": a_count(), "last": maybe(a_count())}
        return {**own, **counts, "decisions": a_list(_decision)}

    def contradiction(self, state: State) -> str | None:
        """Return the name of what in a state does not go with the rest of it, if anything.

        A scale is that of the last decision.
        """
        times = [t for t, _ in state["decisions"]]
        if any(a >= b for a, b in itertools.pairwise(times)):
            return "decisions"
        last = state["decisions"][-1][1] if times else 1.0
        return "scale" if state.get("scale", last) != last else None

    def read_state(self, value: Any, place: str) -> State:
        """Return the state of this move that a value is; a reader of `schema`."""
        later = [name for name in self.later if name in self.init()]
        readers = self.remembers()
        added = {name: readers.pop(name) for name in later}
        if type(self).remembers is Feedback.remembers and isinstance(value, dict):
            given: dict[Any, Any] = value
            added |= {key: a_primitive for key in given if key not in readers}
        state = a_dict(readers, added)(value, place)
        if (wrong := self.contradiction(state)) is not None:
            raise Mismatch(f"{place}.{wrong}", "does not go with the rest")
        return state

    @abc.abstractmethod
    def observe(self, state: State, t: int, value: float, start: float = 1.0) -> State:
        """Return the state after the metric was `value` when `t` updates had been made.

        `start` is the level at which the move started.
        """

    def level(self, state: State, t: int, start: float) -> float:
        """Return the level of update `t`, where the move started at `start`."""
        scale = 1.0
        for when, multiplier in reversed(state["decisions"]):
            if when <= t:
                scale = multiplier
                break
        return self.bounded(start, scale)

    def bounded(self, start: float, scale: float) -> float:
        """Return the level for a multiplier, within the bounds of this move."""
        return start * scale

    def stops(self, state: State, t: int) -> bool:
        """Whether the run may end before update `t`."""
        return False

    def replayed(self, state: State, start: float) -> Any:
        """Return the open-loop schedule that this move in fact was."""
        points = {0: self.bounded(start, 1.0)}
        points.update({t: self.bounded(start, scale) for t, scale in state["decisions"]})
        return Piecewise(points, over=self.over)

    def piece(self, start: float, n: int | None) -> Track:
        def inside(xp: Any, k: Any) -> Any:
            fix = "run it, use s.simulate(metrics, …), or s.replay(log) of a run"
            raise ScheduleError(repr(self), f"depends on {self.metric}", fix)

        return Track(n, math.nan, inside)

    # Checks that its kinds share --------------------------------------------------------------

    def check_listening(self) -> None:
        """Check the metric's name, the mode and the counts."""
        self.check_ends()
        name = type(self).__name__
        if not isinstance(self.metric, str) or not self.metric:
            who = f"{name}(metric={shorten(self.metric)})"
            raise ScheduleError(who, "needs the name of a metric", 'write metric="val_loss"')
        for field, allowed in (("mode", MODES), ("threshold_mode", THRESHOLDS)):
            value = getattr(self, field, allowed[0])
            one_of(f"{name}({field}={shorten(value)})", f"is not a {field}", value, allowed)
        for field in ("patience", "cooldown"):
            if hasattr(self, field):
                value = getattr(self, field)
                who = f"{name}({field}={shorten(value)})"
                self.keep(field, whole(who, field, value))

    def improved(self, value: float, best: float | None) -> bool:
        """Whether `value` is better than `best` by more than the threshold; NaN never is."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        mode, threshold = getattr(self, "mode", "min"), getattr(self, "threshold", 0.0)
        if getattr(self, "threshold_mode", "abs") == "rel":
            threshold = threshold * abs(best)
        return value < best - threshold if mode == "min" else value > best + threshold

    def improved_as_torch(self, value: float, best: float | None) -> bool:
        """The same as PyTorch compares: by best·(1 ∓ threshold), the first best being infinite."""
        low, threshold = getattr(self, "mode", "min") == "min", getattr(self, "threshold", 0.0)
        so_far = best if best is not None else math.inf if low else -math.inf
        if getattr(self, "threshold_mode", "abs") == "abs":
            return value < so_far - threshold if low else value > so_far + threshold
        return value < so_far * (1.0 - threshold) if low else value > so_far * (1.0 + threshold)


def _decision(value: Any, place: str) -> list[Any]:
    """Read a decision: an update, and the multiplier from there on."""
    t, scale = a_list(lambda one, _: one, 2)(value, place)
    return [a_count()(t, place), a_number(low=0.0)(scale, place)]


def a_metric(value: Any, place: str) -> float:
    """Read what was measured and may be the best so far: NaN never is."""
    number = a_number(finite=False)(value, place)
    if math.isnan(number):
        raise Mismatch.holds(place, value, "a number")
    return number


def record(state: State, t: int, **changes: Any) -> State:
    """Return a state with changes; a `scale` that differs is noted as a decision at `t`."""
    new = {**state, **changes, "last": t}
    if "scale" in changes and changes["scale"] != state["scale"]:
        decided = [d for d in state["decisions"] if d[0] < t]
        new["decisions"] = [*decided, [t, changes["scale"]]]
    return new


def smoothed(state: State, value: float, smoothing: float) -> tuple[float, float | None]:
    """Return the metric after smoothing, and the average to remember; NaN leaves it alone."""
    if smoothing == 0.0 or math.isnan(value):
        return value, state["average"]
    before = state["average"]
    average = value if before is None else smoothing * before + (1 - smoothing) * value
    return average, average
