"""The machine: a listening schedule at work, and what it did played again.

A machine walks the tree of a resolved schedule with a state of primitives beside it, one dict for
each listening move, keyed by its place in the tree ("1", "0.2"). It never changes a state.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule.base import Schedule
from ratewise.schedule.compose import Product, Sequence, span
from ratewise.schedule.errors import ScheduleError, nearest, shorten, whole
from ratewise.schedule.feedback import Feedback, State
from ratewise.schedule.frames import Frame
from ratewise.schedule.repeat import Repeat
from ratewise.schedule.schema import a_dict, a_list, a_text, read_state
from ratewise.schedule.strict import strict
from ratewise.schedule.track import Track


def never_measured(move: Feedback, seen: Collection[str]) -> ScheduleError:
    """Return the error for a move that waits for a metric that is not among those seen."""
    if not seen:
        fix = "measure it, as one number, or name a metric that is measured"
        return ScheduleError(repr(move), f"waits for {move.metric}, but nothing was measured", fix)
    rule = f"waits for {move.metric}, but measured were {', '.join(sorted(seen))}"
    return ScheduleError(repr(move), rule, nearest(move.metric, seen))


@strict
class Machine:
    """A resolved schedule as a pure state machine.

    Args:
        schedule: A schedule; it is resolved first if it is not.

    Raises:
        ScheduleError: a listening move inside a `Repeat`; lengths that need a horizon.

    >>> import ratewise as rw
    >>> m = Machine(rw.Plateau("loss", factor=0.5, patience=0))
    >>> state = m.observe(m.observe(m.init(), 5, {"loss": 1.0}), 10, {"loss": 1.0})
    >>> m.level(state, 9), m.level(state, 10)
    (1.0, 0.5)
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule.resolve()
        self.moves = dict(self._find(self.schedule, ""))
        self._tracks: dict[tuple[str, float | None], Track] = {}

    def _find(self, node: Schedule, path: str) -> Iterator[tuple[str, Feedback]]:
        if isinstance(node, Feedback):
            yield path, node
        for i, part in enumerate(node.parts):
            found = list(self._find(part, f"{path}.{i}" if path else str(i)))
            if found and isinstance(node, Repeat):
                fix = "write the cycles one after the other"
                raise ScheduleError(repr(found[0][1]), "cannot listen inside a Repeat", fix)
            yield from found

    def init(self) -> State:
        """Return the state before the first observation."""
        return {"moves": {path: move.init() for path, move in self.moves.items()}, "seen": []}

    def read_state(self, value: Any, place: str) -> State:
        """Return the state of this machine that a value is; a reader of `schema`."""
        moves = {path: move.read_state for path, move in self.moves.items()}
        return a_dict({"moves": a_dict(moves), "seen": a_list(a_text())})(value, place)

    # Listening --------------------------------------------------------------------------------

    def observe(self, state: State, t: int, metrics: Mapping[str, Any]) -> State:
        """Return the state after `metrics` were measured when `t` updates had been made.

        A move that is not on listens to nothing; so does one that has already been shown its
        metric at this update. A metric that is missing is no observation.

        Raises:
            ScheduleError: a name that no evaluation measures, once one comes round again.
        """
        t = whole("observe", "the updates made", t)
        if not isinstance(metrics, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            fix = 'write observe(state, t, {"val_loss": 1.2})'
            raise ScheduleError("observe", "needs metrics by name", fix, given=metrics)
        values = {_name(name): value for name, value in metrics.items()}
        if not values or not self.moves:
            return state
        again = bool(set(values) & set(state["seen"]))
        seen = sorted({*state["seen"], *values})
        moves = dict(state["moves"])
        for path, local, start in self._active(state, self.schedule, "", t, None):
            moves[path] = _shown(self.moves[path], moves[path], local, start, values)
        new = {"moves": moves, "seen": seen}
        for move in self.moves.values():
            if again and move.metric not in seen:
                raise never_measured(move, seen)
        return new

    def _active(
        self, state: State, node: Schedule, path: str, t: int, before: float | None
    ) -> Iterator[tuple[str, int, float]]:
        """Yield the listening moves that are on at `t`: place, update of their own, start level."""
        if isinstance(node, Feedback):
            yield path, t, self._start(node, before)
        elif isinstance(node, Sequence):
            i, local, level = self._find_move(state, node, path, t, before)
            n = span(node.moves[i])
            if n is None or local < n:
                yield from self._active(state, node.moves[i], _under(path, i), local, level)
        else:
            for i, part in enumerate(node.parts):
                level = before if i == 0 else None
                yield from self._active(state, part, _under(path, i), t, level)

    # Floats -----------------------------------------------------------------------------------

    def level(self, state: State, t: int) -> float:
        """Return the level of update `t`."""
        return self._level(state, self.schedule, "", t, None)

    def _level(self, state: State, node: Schedule, path: str, t: int, before: Any) -> float:
        if not any(p == path or p.startswith(f"{path}.") or not path for p in self.moves):
            return float(self._track(node, path, before).levels(np, np.array([t]))[0])
        if isinstance(node, Feedback):
            n = span(node)
            at = t if n is None else min(t, n)
            return node.level(state["moves"][path], at, self._start(node, before))
        if isinstance(node, Sequence):
            i, local, level = self._find_move(state, node, path, t, before)
            return self._level(state, node.moves[i], _under(path, i), local, level)
        levels = [
            self._level(state, part, _under(path, i), t, before if i == 0 else None)
            for i, part in enumerate(node.parts)
        ]
        return _framed(node, levels)

    def _find_move(
        self, state: State, node: Sequence, path: str, t: int, before: Any
    ) -> tuple[int, int, float | None]:
        """Return which move is on at `t`, the update of its own, and the level before it."""
        start, level, last = 0, before, len(node.moves) - 1
        for i, move in enumerate(node.moves):
            n = span(move)
            if i == last or n is None or t < start + n:
                return i, t - start, level
            if n:
                level = self._level(state, move, _under(path, i), n, level)
            start += n
        raise AssertionError("a sequence has moves")

    def _track(self, node: Schedule, path: str, before: float | None) -> Track:
        key = path, before
        if key not in self._tracks:
            self._tracks[key] = node.track(before)
        return self._tracks[key]

    def _start(self, node: Feedback, before: float | None) -> float:
        return node.start if node.start is not None else node.first if before is None else before

    def ahead(self, state: State, start: int, n: int) -> Floats:
        """Return the levels of updates start … start+n-1 if nothing more is observed, float64[n].

        They are `level(state, t)` to the last bit, all at once.
        """
        return self.replay(self.log(state)).resolve().values(n, start)

    # What became of it ------------------------------------------------------------------------

    def stops(self, state: State, t: int) -> bool:
        """Whether a move that ends the run has come to its end before update `t`."""
        return any(
            self.moves[path].stops(state["moves"][path], local)
            for path, local, _ in self._active(state, self.schedule, "", t, None)
        )

    def log(self, state: State) -> State:
        """Return the record of a run: what was decided when, enough to replay it."""
        return dict(state["moves"])

    def replay(self, log: State) -> Schedule:
        """Return the open-loop schedule that a run with this record followed.

        Raises:
            ScheduleError: a record of another schedule.
        """
        if not isinstance(log, Mapping) or set(log) != set(self.moves):
            rule = f"has moves at {sorted(self.moves)}, the record is of {shorten(log)}"
            raise ScheduleError("replay", rule, "give the record of a run of this schedule")
        given = {"moves": dict(log), "seen": []}
        state = read_state("replay", self.read_state, given, "give the record of a run")
        return self._replayed(state, self.schedule, "", None)

    def _replayed(self, state: State, node: Schedule, path: str, before: Any) -> Schedule:
        if isinstance(node, Feedback):
            return node.replayed(state["moves"][path], self._start(node, before))
        if isinstance(node, Sequence):
            moves, level = [], before
            for i, move in enumerate(node.moves):
                moves.append(self._replayed(state, move, _under(path, i), level))
                n = span(move)
                if n:
                    level = self._level(state, move, _under(path, i), n, level)
            return Sequence(tuple(moves))
        if not node.listens:
            return node
        return node.with_parts(
            tuple(
                self._replayed(state, part, _under(path, i), before if i == 0 else None)
                for i, part in enumerate(node.parts)
            )
        )


def _name(given: Any) -> str:
    try:
        return str(given)
    except Exception:  # Python writes no integer of more than 4,300 digits
        return shorten(given)


def _under(path: str, i: int) -> str:
    return f"{path}.{i}" if path else str(i)


def _framed(node: Schedule, levels: list[float]) -> float:
    if isinstance(node, Product):
        return math.prod(levels[1:], start=levels[0])
    return float(node.put(np, np.float64(levels[0]))) if isinstance(node, Frame) else levels[0]


def _shown(move: Feedback, state: State, t: int, start: float, values: Mapping[str, Any]) -> State:
    if move.metric not in values:
        return {**state, "missing": state["missing"] + 1}
    if state["last"] == t:
        return state
    try:
        value = float(values[move.metric])
    except Exception:  # whatever the number of another library raises
        rule = f"was shown {move.metric}={shorten(values[move.metric])}"
        raise ScheduleError(repr(move), rule, "show it a number") from None
    new = move.observe(state, t, value, start)
    return {**new, "nans": state["nans"] + 1} if math.isnan(value) else new


def offset(schedule: Schedule, path: str) -> int:
    """Return the update at which the move at a place in the tree starts."""
    start = 0
    for step in path.split(".") if path else ():
        i = int(step)
        if isinstance(schedule, Sequence):
            start += sum(span(move) or 0 for move in schedule.moves[:i])
        schedule = schedule.parts[i]
    return start
