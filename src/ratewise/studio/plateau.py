"""A schedule that listens, shown metrics that were recorded: when it would have acted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ratewise.schedule import Feedback, Plan, Schedule, ScheduleError, Simulation
from ratewise.schedule.errors import nearest
from ratewise.studio.fields import moves_of
from ratewise.studio.figure import WHOLE, Beside
from ratewise.studio.sources import Log
from ratewise.studio.state import StudioState


@dataclass(frozen=True)
class Simulated:
    """What a listening schedule would have done.

    Attributes:
        name: What was simulated on what.
        of: What was simulated.
        run: The simulation.
        length: Updates of the run.
        lines: What it decided, in words.
    """

    name: str
    of: Schedule | Plan
    run: Simulation
    length: int
    lines: tuple[str, ...]

    def drawn(self, slot: int) -> Beside:
        """Return the levels of the run."""
        count = min(self.length, WHOLE)
        at = np.unique(np.linspace(0, self.length - 1, count).round().astype(np.int64))
        return Beside(self.name, at, self.run.schedule(at), slot=slot, levels=True)


def listening(value: Schedule | Plan) -> tuple[Feedback, ...]:
    """Return the moves of a chain that listen to a metric, those inside of others included."""
    return tuple(one for move in moves_of(value) for one in _inside(move))


def _inside(move: Schedule) -> tuple[Feedback, ...]:
    if isinstance(move, Feedback):
        return (move,)
    return tuple(one for part in move.parts for one in _inside(part))


def simulated(state: StudioState, log: Log, metric: str) -> Simulated:
    """Return what the schedule that is worked on would have done to a recorded metric.

    The metric is shown to every move that listens, whatever name that move waits for.

    Raises:
        ScheduleError: nothing in it listens, or the log has no such metric.
    """
    value = state.at.value
    schedule = value.lr if isinstance(value, Plan) else value
    moves = listening(value)
    if schedule is None or not moves:
        fix = "add Plateau, Divergence, EarlyCool or Greedy to the chain"
        raise ScheduleError(state.at.title, "listens to no metric", fix)
    if metric not in log.names:
        raise ScheduleError(f"Log {log.name!r}", f"has no {metric}", nearest(metric, log.names))
    names = {move.metric for move in moves}
    shown = [(at, dict.fromkeys(names, row[metric])) for at, row in log.metrics
             if metric in row and at < state.updates]  # fmt: skip
    if not shown:
        rule = f"has no {metric} within {state.updates:,} updates"
        raise ScheduleError(f"Log {log.name!r}", rule, "give a longer total")
    run = schedule.resolve(state.run, **state.units).simulate(shown)
    return Simulated(
        f"{state.at.title} on {metric}", value, run, state.updates, _told(run, len(shown))
    )


def _told(run: Simulation, count: int) -> tuple[str, ...]:
    lines = [f"update {one.update:,}: {one.move.partition('(')[0]} × {one.scale:.4g}"
             for one in run.decisions]  # fmt: skip
    if not lines:
        lines = [f"nothing was decided by {count:,} observations"]
    if run.stops is not None:
        lines.append(f"the run may end at update {run.stops:,}")
    return tuple(lines)
