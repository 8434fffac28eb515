"""What the page shows, as one frozen value, and the changes that can be made to it.

Every change returns a new state or raises a `ScheduleError`; so what is on the page is always
something that could be written down, and a link to it is a link to all of it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ratewise._printable import printable
from ratewise.schedule import Cosine, Plan, Schedule, ScheduleError, Warmup
from ratewise.schedule.errors import Call, number, whole
from ratewise.schedule.lengths import Horizon, Length, length
from ratewise.show.curves import ScheduleCurve, gather
from ratewise.studio.fields import moves_of, with_moves

MOST_DRAWINGS = 12
"""Schedules over each other: more cannot be told apart."""
LONGEST_NAME = 80
LONGEST_RUN = 10**12
"""Updates of a run that is drawn."""

MOST_PARTS, DEEPEST = 1500, 12
"""Schedules in all drawings, and inside of each other: more takes seconds to be drawn."""

FIRST = Warmup("5%") >> Cosine(to=0.1)
"""What is there to begin with."""


@dataclass(frozen=True)
class Drawing:
    """One schedule or plan on the page.

    Args:
        value: What is drawn.
        name: What it is called; "" for its own text.
        shown: Whether its curve is on the screen.

    Raises:
        ScheduleError: it is none, is a function that no text can say, or its name is too long.
    """

    value: Schedule | Plan
    name: str = ""
    shown: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.value, Schedule | Plan):
            fix = "give a schedule such as Cosine(to=0)"
            raise ScheduleError("The studio", "draws schedules", fix, given=self.value)
        self.value.to_dict()  # refuses a function, which no link could hold
        object.__setattr__(self, "name", printable(self.name).strip())
        if len(self.name) > LONGEST_NAME:
            rule = f"has {len(self.name):,} characters"
            raise ScheduleError("The name", rule, f"use at most {LONGEST_NAME}")

    @property
    def title(self) -> str:
        """What stands in the legend."""
        text = self.name or repr(self.value)
        return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


@dataclass(frozen=True)
class StudioState:
    """All that the page shows of schedules.

    Args:
        drawings: What is drawn, 1 to 12.
        active: Place of the one that is worked on.
        total: Updates in the run, or a length such as "3 epochs".
        epoch: Updates in an epoch, or None.
        samples: Samples in an update, or None.
        tokens: Tokens in an update, or None.
        lr: Peak rate; None for that of each plan, or for levels alone.
        log: Whether the axis of rates is logarithmic.
        cursor: Update that is read off.
        what_if: Updates of another run that the schedules are drawn for as well, or None.

    Raises:
        ScheduleError: any of these cannot be.
    """

    drawings: tuple[Drawing, ...] = (Drawing(FIRST),)
    active: int = 0
    total: Length = 10_000
    epoch: float | None = None
    samples: float | None = None
    tokens: float | None = None
    lr: float | None = None
    log: bool = False
    cursor: int = 0
    what_if: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.drawings) <= MOST_DRAWINGS:
            rule = f"holds {len(self.drawings)} schedules"
            raise ScheduleError("The page", rule, f"draw 1 to {MOST_DRAWINGS}")
        whole("active", "the place of a schedule", self.active, high=len(self.drawings) - 1)
        object.__setattr__(self, "total", length("total", "the run", self.total))
        for name in ("epoch", "samples", "tokens", "lr"):
            if getattr(self, name) is not None:
                value = number(Call("studio", name, getattr(self, name)), name,
                               getattr(self, name), above=True)  # fmt: skip
                object.__setattr__(self, name, value)
        for name, least in (("cursor", 0), ("what_if", 1)):
            if getattr(self, name) is not None:
                whole(name, name.replace("_", " "), getattr(self, name), low=least,
                      high=LONGEST_RUN)  # fmt: skip
        sizes = [_size(one.value) for one in self.drawings]
        if (
            sum(count for count, _ in sizes) > MOST_PARTS
            or max(deep for _, deep in sizes) > DEEPEST
        ):
            rule = f"draws at most {MOST_PARTS:,} schedules, {DEEPEST} inside of each other"
            raise ScheduleError("The studio", rule, "draw a simpler one, or use ratewise show")
        if self.updates > LONGEST_RUN:
            rule = f"needs a run of at most {LONGEST_RUN:,} updates"
            raise ScheduleError("The studio", rule, "give a shorter one", given=self.updates)

    @property
    def units(self) -> dict[str, float | None]:
        """What lengths in epochs, samples and tokens need."""
        return {"epoch": self.epoch, "samples": self.samples, "tokens": self.tokens}

    @property
    def horizon(self) -> Horizon:
        """The run, as lengths are resolved by it."""
        return Horizon.of(self.total, self.epoch, self.samples, self.tokens)

    @property
    def updates(self) -> int:
        """Updates in the run."""
        total = self.horizon.total
        assert total is not None
        return total

    @property
    def run(self) -> int | str:
        """The length of the run, as it was given."""
        assert not isinstance(self.total, float)  # a float is a share, and is refused
        return self.total

    @property
    def at(self) -> Drawing:
        """What is worked on."""
        return self.drawings[self.active]

    @property
    def moves(self) -> tuple[Schedule, ...]:
        """The chain that is worked on."""
        return moves_of(self.at.value)


def _size(value: Schedule | Plan) -> tuple[int, int]:
    """Return how many schedules something holds, and how many are inside of each other."""
    if isinstance(value, Plan):
        inside = [_size(one) for one in (*value.schedules().values(), *value.groups.values())]
        return sum(count for count, _ in inside), max(deep for _, deep in inside)
    inside = [_size(part) for part in value.parts]
    return 1 + sum(count for count, _ in inside), 1 + max((deep for _, deep in inside), default=0)


# Changes -----------------------------------------------------------------------------------


def changed(state: StudioState, **fields: Any) -> StudioState:
    """Return the state with other settings of the run; another total begins without a what-if."""
    if fields.get("total", state.total) != state.total:
        fields = {"what_if": None, **fields}
    return dataclasses.replace(state, **fields)


def with_value(state: StudioState, value: Schedule | Plan) -> StudioState:
    """Return the state with something else in place of what is worked on."""
    return with_drawing(state, dataclasses.replace(state.at, value=value))


def with_drawing(state: StudioState, drawing: Drawing, place: int | None = None) -> StudioState:
    """Return the state with another drawing at a place, that of what is worked on if not told."""
    at = state.active if place is None else place
    drawings = (*state.drawings[:at], drawing, *state.drawings[at + 1 :])
    return dataclasses.replace(state, drawings=drawings)


def added(state: StudioState, value: Schedule | Plan, name: str = "") -> StudioState:
    """Return the state with one more drawing, which is worked on."""
    drawings = (*state.drawings, Drawing(value, name))
    return dataclasses.replace(state, drawings=drawings, active=len(drawings) - 1)


def removed(state: StudioState, place: int) -> StudioState:
    """Return the state without a drawing.

    Raises:
        ScheduleError: it is the only one.
    """
    drawings = (*state.drawings[:place], *state.drawings[place + 1 :])
    active = min(state.active - (place < state.active), max(len(drawings) - 1, 0))
    return dataclasses.replace(state, drawings=drawings, active=active)


def with_move(state: StudioState, place: int, move: Schedule) -> StudioState:
    """Return the state with another move at a place of the chain that is worked on."""
    moves = (*state.moves[:place], move, *state.moves[place + 1 :])
    return with_value(state, with_moves(state.at.value, moves))


def with_new_move(state: StudioState, new: Schedule | Plan) -> StudioState:
    """Return the state with a move behind the chain; a plan takes the place of everything.

    A chain has one move at most that takes the rest of the run. Where its last one does and the
    new one would, the new one is given a tenth of the run.
    """
    if isinstance(new, Plan):
        return with_value(state, new)
    moves = (*state.moves, *moves_of(new))
    opened = [place for place, move in enumerate(moves) if move.open]
    for place in opened[1:]:
        if "over" in {f.name for f in dataclasses.fields(moves[place])}:  # pyright: ignore
            bounded: Any = dataclasses.replace(moves[place], over="10%")  # pyright: ignore
            moves = (*moves[:place], bounded, *moves[place + 1 :])
    return with_value(state, with_moves(state.at.value, moves))


def without_move(state: StudioState, place: int) -> StudioState:
    """Return the state without a move of the chain."""
    moves = (*state.moves[:place], *state.moves[place + 1 :])
    return with_value(state, with_moves(state.at.value, moves))


def with_move_shifted(state: StudioState, place: int, by: int) -> StudioState:
    """Return the state with a move earlier (by = -1) or later (1) in the chain."""
    moves, other = list(state.moves), place + by
    if not 0 <= other < len(moves):
        return state
    moves[place], moves[other] = moves[other], moves[place]
    return with_value(state, with_moves(state.at.value, tuple(moves)))


# Curves ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """What became of one drawing: its curves, or why there are none.

    Attributes:
        place: Its place among the drawings.
        curves: One for each key and group of a plan, ready to be evaluated.
        notes: What a reader should know.
        error: What is wrong with it, "" if nothing is.
    """

    place: int
    curves: tuple[ScheduleCurve, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


def drawn(state: StudioState, total: int | None = None) -> tuple[Drawn, ...]:
    """Return what becomes of every drawing, in a run of the state's length or of another."""
    return tuple(
        _drawn(place, one.value, one.title, state.updates if total is None else total,
               tuple(state.units.items()), state.lr)
        for place, one in enumerate(state.drawings)
    )  # fmt: skip


@lru_cache(maxsize=256)
def _drawn(
    place: int,
    value: Schedule | Plan,
    title: str,
    total: int,
    units: tuple[tuple[str, float | None], ...],
    lr: float | None,
) -> Drawn:
    try:
        curves, notes = gather({title: value}, total, dict(units), lr)
    except ScheduleError as error:
        return Drawn(place, error=str(error))
    return Drawn(place, tuple(dataclasses.replace(c, row=c.row or "lr") for c in curves), notes)
