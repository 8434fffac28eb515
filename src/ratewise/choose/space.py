"""What is chosen from: schedules with their warm-ups, at peaks on a ladder."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise.advise import Advice
from ratewise.runs.specs import Candidate, RunSpec, read_candidates
from ratewise.schedule import Schedule, ScheduleError, parse
from ratewise.schedule.errors import Call
from ratewise.schedule.given import read_plan

SHAPES = {
    "linear": "Linear(to=0)",
    "cosine": "Cosine(to=0)",
    "cosine to 10%": "Cosine(to=0.1)",
    "wsd 20%": 'Hold() >> Linear(to=0, over="20%")',
    "wsd 20% 1-sqrt": 'Hold() >> Sqrt(to=0, over="20%")',
    "wsd 50%": 'Hold() >> Linear(to=0, over="50%")',
    "exponential": "Exponential(to=0.01)",
    "constant": "Hold()",
}
"""Shapes that are tried behind each warm-up, unless the candidates are given."""

WARMUPS = ("2%", "10%")
"""Shares of the run over which the rate climbs."""

FACTOR = 2.0
"""Ratio of neighbouring peaks of the ladder."""

BELOW, ABOVE = 4, 2
"""Peaks of the ladder below and above what the range test suggests: longer runs want lower ones."""


@dataclass(frozen=True, eq=False)
class Space:
    """Every schedule at every peak, with one seed.

    Args:
        runs: The runs, candidate by candidate, the peaks of each ascending.
        schedules: The candidates by name, as they were given.
        peaks: The peaks of the ladder, ascending; empty where candidates bring their own.
    """

    runs: tuple[RunSpec, ...]
    schedules: Mapping[str, Schedule]
    peaks: tuple[float, ...]

    def place(self, run: RunSpec) -> int:
        """Return the index of a run of another space that is in this one too."""
        return next(
            i for i, one in enumerate(self.runs) if (one.name, one.peak) == (run.name, run.peak)
        )

    def edge(self, run: int) -> str | None:
        """Return "below" or "above" where a run's peak is the last of the ladder, else None."""
        if len(self.peaks) < 2:
            return None
        return {self.peaks[0]: "below", self.peaks[-1]: "above"}.get(self.runs[run].peak)


def standard(advice: Advice, total: int | None = None) -> dict[str, Schedule]:
    """Return what is tried if nothing is given: what advice says, then the usual shapes.

    Schedules that are equal are tried once, under the first name; what does not fit into a run of
    `total` updates is left out.
    """
    found: dict[str, Schedule] = {}
    known: set[Schedule] = set()
    advised: dict[str, Any] = {str(plan.lr): plan.lr for plan in advice.plans}
    usual: dict[str, Any] = {
        f"{name} (warm-up {warmup})": parse(f'Warmup("{warmup}") >> {shape}')
        for warmup, (name, shape) in itertools.product(WARMUPS, SHAPES.items())
    }
    for name, schedule in {**advised, **usual}.items():
        if isinstance(schedule, Schedule) and schedule not in known and _fits(schedule, total):
            known.add(schedule)
            found[name] = schedule
    return found


def _fits(schedule: Schedule, total: int | None) -> bool:
    try:
        return total is None or schedule.resolve(total).length is not None
    except ScheduleError:
        return False


def read_schedules(candidates: Any) -> dict[str, Schedule]:
    """Return the candidates that a user gave, by name.

    Raises:
        ScheduleError: there is none, or one is no schedule of a learning rate.
    """
    if not isinstance(candidates, Mapping):
        candidates = {str(one): one for one in candidates}
    if not candidates:
        fix = 'give {"cosine": Cosine(to=0)}, or none'
        raise ScheduleError(Call("choose"), "got no candidates", fix)
    return {name: _schedule(name, one) for name, one in candidates.items()}


def _schedule(name: str, given: Candidate) -> Schedule:
    who = Call("choose", item=name)
    if isinstance(given, tuple):
        rule = "compares schedules of one length with one optimizer"
        raise ScheduleError(who, f"{rule}, got a pair", "give the schedule alone, or use compare")
    fix = 'write {"cosine": Cosine(to=0)}'
    schedule = read_plan(who, given, fix).lr
    if not isinstance(schedule, Schedule):
        raise ScheduleError(who, "needs a schedule of the learning rate", fix, given=given)
    return schedule


def span(
    schedules: Mapping[str, Schedule],
    peaks: Sequence[float],
    seed: int,
    total: int | str,
    units: Mapping[str, float | None],
) -> Space:
    """Return the space of some schedules at some peaks.

    Raises:
        ScheduleError: a schedule does not fit in the run, or a peak is no learning rate.
    """
    options: dict[str, Any] = {"seeds": [seed], "peaks": list(peaks), "total": total, **units}
    asked = read_candidates(schedules, **options)
    runs = sorted(asked, key=lambda run: (list(schedules).index(run.name), run.peak))
    silent = next((run for run in runs if not run.rates.any()), None)
    if silent is not None:
        raise ScheduleError(Call("choose", item=silent.name), "is 0 throughout", "leave it out")
    return Space(tuple(runs), schedules, tuple(sorted(peaks)))


def ladder(centre: float, below: int = BELOW, above: int = ABOVE) -> list[float]:
    """Return the peaks to try around what a range test suggests, ascending."""
    steps = np.arange(-below, above + 1)
    return [float(f"{centre * FACTOR**step:.2g}") for step in steps]


def widened(peaks: Sequence[float], side: str) -> list[float]:
    """Return the ladder with two more peaks on a side."""
    if side == "below":
        more = [peaks[0] / FACTOR**2, peaks[0] / FACTOR]
        return [*(float(f"{one:.2g}") for one in more), *peaks]
    return [*peaks, *(float(f"{peaks[-1] * FACTOR**i:.2g}") for i in (1, 2))]
