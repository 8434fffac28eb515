"""The layout: how long each move is in a run, to the update."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from ratewise.schedule.base import Schedule
from ratewise.schedule.compose import Sequence
from ratewise.schedule.errors import Fix, ScheduleError
from ratewise.schedule.lengths import Horizon, nearest_update
from ratewise.schedule.moves import Hold
from ratewise.schedule.warmup import Warmup


def lay_out(
    moves: tuple[Schedule, ...], horizon: Horizon, total: int | None
) -> tuple[list[int | None], int | None]:
    """Return the lengths of moves in updates (None: without end), and their sum.

    Boundaries, not lengths, are rounded; behind an open move they count from the end of the run.
    """
    extents = [move.extent(horizon) for move in moves]
    opened = [i for i, extent in enumerate(extents) if extent is None]
    cut = opened[0] if opened else len(moves)
    head = _boundaries(extents[:cut])
    tail = _boundaries(extents[cut + 1 :][::-1])[::-1]
    lengths: list[int | None] = [b - a for a, b in itertools.pairwise(head)]
    known = head[-1] + tail[0]
    if total is not None and known > total:
        _refuse(moves, lengths, [a - b for a, b in itertools.pairwise(tail)], total)
    if opened:
        if total is None and len(tail) > 1:
            rule = "has no length, more follows, and the run has no total"
            alone = "give over=…, or call resolve(total=…)"
            fix = Fix("give over=…, or {total}", alone, total="…")
            raise ScheduleError(repr(moves[cut]), rule, fix)
        lengths.append(None if total is None else total - known)
        lengths += [a - b for a, b in itertools.pairwise(tail)]
        return lengths, total
    return lengths, known


def _boundaries(extents: list[Fraction | None]) -> list[int]:
    position, rounded = Fraction(0), [0]
    for extent in extents:
        position += extent if extent is not None else 0
        rounded.append(nearest_update(position))
    return rounded


def _refuse(moves: Any, head: list[Any], tail: list[int], total: int) -> None:
    lengths = [*head, *([0] if len(head) + len(tail) < len(moves) else []), *tail]
    used = 0
    for move, n in zip(moves, lengths, strict=True):
        if used + n > total:
            before = f" behind {used} updates of other moves" if used else ""
            limit = (
                f"use over < {total}" if not used else f"leave it {max(total - used, 0)} updates"
            )
            raise ScheduleError(
                repr(move), f"does not fit in total={total}{before}", f"{limit}, or a longer run"
            )
        used += n


def _refuse_long_warmups(
    moves: tuple[Schedule, ...], lengths: list[int | None], total: int
) -> None:
    position = 0
    for move, n in zip(moves, lengths, strict=True):
        position += n or 0
        if isinstance(move, Warmup) and n and position >= total:
            fix = f"use over < {total}, or a longer run"
            raise ScheduleError(repr(move), f"does not fit in total={total}", fix)


def fit(schedule: Schedule, horizon: Horizon, total: int | None) -> Schedule:
    """Return a schedule settled, each move in turn, and held up to `total` if it ends before."""
    moves = schedule.moves if isinstance(schedule, Sequence) else (schedule,)
    lengths, known = lay_out(moves, horizon, total)
    if total is not None and total == horizon.total:
        _refuse_long_warmups(moves, lengths, total)
    settled = [move.settle(horizon, n) for move, n in zip(moves, lengths, strict=True) if n != 0]
    rest = 0 if total is None or known is None else total - known
    if rest and settled and isinstance(settled[-1], Hold) and settled[-1].level is None:
        over = settled.pop().length  # one last Hold, not two
        rest += over or 0
    if rest or not settled:
        settled.append(Hold(over=rest))
    return settled[0] if len(settled) == 1 else Sequence(tuple(settled))
