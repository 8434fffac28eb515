"""Handles: the places on a curve that can be taken and moved, and what moving one does.

A handle stands where a move of the chain ends. Moved sideways it changes the length of that move,
or, where the move takes the rest of the run, of the one behind it; moved up or down it changes
the level that the move ends on. The unit that a length was written in is kept.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.schedule.layout import lay_out
from ratewise.schedule.lengths import Horizon, Length
from ratewise.show.landmarks import name_of
from ratewise.studio.state import StudioState, drawn, with_move

MOST = 24
"""Handles on one curve: more lie on each other."""
HIGHEST = 10.0
"""Level up to which a handle can be dragged."""


@dataclass(frozen=True)
class Handle:
    """A place that can be taken and moved.

    Attributes:
        place: Which move ends here.
        update: The update where it does.
        level: The level it ends on.
        sideways: Which move gets another length, None if none can.
        upwards: Name of the field that says the level, "" if none does.
        what: What it is called, "end of Warmup".
    """

    place: int
    update: int
    level: float
    sideways: int | None
    upwards: str
    what: str


def handles(state: StudioState) -> tuple[Handle, ...]:
    """Return the handles of the chain that is worked on; none where it cannot be drawn."""
    moves, curves = state.moves, drawn(state)[state.active].curves
    curve = next((one for one in curves if one.row == "lr"), None)
    if curve is None or not moves or not state.at.shown:
        return ()
    bounds = _bounds(moves, state.horizon)
    found: list[Handle] = []
    for place, move in enumerate(moves):
        if len(found) == MOST:
            break
        at, last = bounds[place], place == len(moves) - 1
        sideways = _bounded_by(moves, place)
        upwards = _level_field(move)
        if (sideways is not None or upwards) and (last or at > (bounds[place - 1] if place else 0)):
            level = curve.schedule(at) if at < curve.length else curve.schedule.end
            what = f"end of {name_of(move)}"
            found.append(Handle(place, at, level, sideways, upwards, what))
    return tuple(found)


def _bounds(moves: tuple[Schedule, ...], horizon: Horizon) -> list[int]:
    """Return the update at which each move ends."""
    lengths, _ = lay_out(moves, horizon, horizon.total)
    found, at = [], 0
    for length in lengths:
        at += length or 0
        found.append(at)
    return found


def _bounded_by(moves: tuple[Schedule, ...], place: int) -> int | None:
    """Return the move whose length puts the end of a move where it is.

    Lengths count from the beginning up to the move that takes the rest, and from the end behind.
    """
    which = place if place < _open_at(moves) else place + 1
    known = which < len(moves) and _fields(moves[which]).get("over") is not None
    return which if known else None


def _open_at(moves: tuple[Schedule, ...]) -> int:
    """Return the place of the move that takes the rest of the run; behind the last without one."""
    return next((place for place, move in enumerate(moves) if move.open), len(moves))


def _level_field(move: Schedule) -> str:
    """Return the field that says on which level a move ends."""
    fields = _fields(move)
    return next((name for name in ("to", "level") if fields.get(name) is not None), "")


def _fields(move: Schedule) -> dict[str, Any]:
    return {f.name: getattr(move, f.name) for f in dataclasses.fields(move)}  # pyright: ignore


def moved(state: StudioState, place: int, update: float, level: float) -> StudioState:
    """Return the state after the handle of a move was let go at an update and a level.

    It goes as far as it can: no move gets a negative length, and none is pushed out of the run.

    Raises:
        ScheduleError: there is no such handle.
    """
    handle = next((one for one in handles(state) if one.place == place), None)
    if handle is None:
        raise ScheduleError(f"Handle {shorten(place)}", "is not there", "take one that is shown")
    if handle.sideways is not None and update == update:
        state = _with_length(state, handle, update)
    if handle.upwards and level == level and abs(level - handle.level) > 1e-12:
        move = state.moves[place]
        near = float(f"{min(max(level, 0.0), HIGHEST):.3g}")
        try:
            move = dataclasses.replace(move, **{handle.upwards: near})  # pyright: ignore
        except ScheduleError:  # a level of 0 where there has to be one
            return state
        state = with_move(state, place, move)
    return state


def _with_length(state: StudioState, handle: Handle, update: float) -> StudioState:
    """Return the state in which a move is as long as the place of its handle says."""
    moves, which = state.moves, handle.sideways
    assert which is not None
    bounds, open_at = [0, *_bounds(moves, state.horizon)], _open_at(moves)
    slack = bounds[open_at + 1] - bounds[open_at] if open_at < len(moves) else max(
        state.updates - bounds[-1], 0
    )  # fmt: skip
    at = bounds[handle.place + 1]
    if which == handle.place:
        count = min(max(update, bounds[handle.place]), at + slack) - bounds[handle.place]
    else:
        count = bounds[which + 1] - min(max(update, at - slack), bounds[which + 1])
    over = rewritten(_fields(moves[which])["over"], round(count), state.horizon)
    try:
        longer: Any = dataclasses.replace(moves[which], over=over)  # pyright: ignore
        changed = with_move(state, which, longer)
    except ScheduleError:
        return state
    return changed if drawn(changed)[state.active].curves else state


def rewritten(old: Length, updates: int, horizon: Horizon) -> Length:
    """Return a length of so many updates, in the unit that another was written in.

    >>> rewritten("5%", 750, Horizon(total=10_000)), rewritten(500, 750, Horizon())
    ('7.5%', 750)
    """
    if isinstance(old, int) or not updates:
        return updates
    text = str(old)
    if text.endswith("%"):
        assert horizon.total is not None
        share = Decimal(updates) * 100 / Decimal(horizon.total)
        return f"{_short(share)}%"
    unit = text.rpartition(" ")[2].rstrip("s")
    one = horizon.unit("length", f"1 {unit}s")
    amount = Fraction(updates) / one
    return f"{_short(Decimal(amount.numerator) / Decimal(amount.denominator))} {unit}s"


def _short(value: Decimal) -> str:
    """Return a number in few digits, never as 0 and never with an exponent."""
    near = value.quantize(Decimal("0.01")) if value >= 1 else Decimal(f"{value:.2g}")
    return format(near.normalize(), "f")
