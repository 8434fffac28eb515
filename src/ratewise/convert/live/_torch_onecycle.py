"""The formula of OneCycleLR: phases that end between updates."""

from __future__ import annotations

import math
from typing import Any

from ratewise.convert.live._curves import Shape, level
from ratewise.convert.live._moves import join
from ratewise.schedule import Cosine, Linear, Part, Schedule


def rate(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    """Return the levels of the rate."""
    return _shape(s, i, peak, total, "start_lr", "end_lr")


def momentum(s: Any, i: int, peak: float, total: int | None) -> Shape | None:
    """Return the levels of the momentum."""
    return _shape(s, i, peak, total, "start_momentum", "end_momentum")


def _shape(s: Any, i: int, peak: float, total: int | None, start: str, end: str) -> Shape | None:
    """Return the phases as parts of moves: phase j covers the updates up to its `end_step`.

    Past the last of them the formula of PyTorch runs on, and only running it tells.
    """
    group, state = s.optimizer.param_groups[i], s.state_dict()
    kind = Cosine if state["_anneal_func_type"] == "cos" else Linear
    moves: list[Schedule] = []
    before, position = 0.0, 0
    for phase in state["_schedule_phases"]:
        stop = float(phase["end_step"])
        begin, of = position - before, stop - before
        n = max(0, min(math.floor(stop) + 1, s.total_steps) - position)
        if n:
            a, b = (level(group[phase[key]], peak) for key in (start, end))
            if begin < 0 or of <= 0 or not all(math.isfinite(x) and x >= 0 for x in (a, b)):
                return None
            moves.append(Part(kind(b, start=a), begin=begin, of=of, over=n))
        before, position = stop, position + n
    if not moves:
        return None
    past = total is not None and total > s.total_steps
    return Shape(join(moves, total), sure=not past, notes=_notes(s, total))


def _notes(s: Any, total: int | None) -> tuple[str, ...]:
    if total is not None and total <= s.total_steps:
        return ()
    n = s.total_steps
    return (
        f"OneCycleLR ends at update {n - 1}: its formula gives update {n} a rate of no meaning, "
        f"and before update {n + 1} PyTorch raises.",
    )
