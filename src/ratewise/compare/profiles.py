"""How often each candidate is nearly the soonest, over several tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.compare.comparison import Comparison
from ratewise.compare.time_to_target import TimeToTarget
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.schedule.strict import strict
from ratewise.view.format import format_table

TAUS = (1.0, 1.25, 2.0)
"""Where the table reads the profile."""


@dataclass(frozen=True, eq=False)
class Profile:
    """How often each candidate is nearly the best: ρ(τ) over several tasks.

    ρ(τ) = share of the tasks on which its cost is at most τ times the least of all candidates

    Args:
        names: The candidates.
        costs: Cost of each candidate on each task, float64[candidates, tasks], in (0, inf];
            inf where the target was not reached.
        tasks: The tasks, one name for each column of costs; may be left out.

    Source: Dolan & Moré 2002, arXiv cs/0102001.

    >>> profile = Profile(("a", "b"), [[100, 300], [200, 200]])
    >>> profile.share(1.0).tolist(), profile.share(2.0).tolist()
    ([0.5, 0.5], [1.0, 1.0])
    """

    names: tuple[str, ...]
    costs: Floats = field(repr=False)
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        costs = np.array(self.costs, dtype=np.float64)
        if costs.ndim != 2 or len(costs) != len(self.names) or not costs.size:
            rule = f"needs one row of costs for each of {len(self.names)} names, got {costs.shape}"
            raise ScheduleError("Profile", rule, "give float64[candidates, tasks]")
        if not (costs > 0).all():
            rule = "needs costs in (0, inf], got one that is not"
            raise ScheduleError("Profile", rule, "use inf where the target was not reached")
        if self.tasks and len(self.tasks) != costs.shape[1]:
            rule = f"has {len(self.tasks)} names of tasks for costs on {costs.shape[1]}"
            raise ScheduleError("Profile", rule, "give one name for each column, or none")
        costs.flags.writeable = False
        object.__setattr__(self, "costs", costs)

    @classmethod
    def of(cls, costs: Mapping[str, Sequence[float | None]]) -> Profile:
        """Build a profile from costs by name, None where the target was not reached."""
        rows = [[math.inf if one is None else float(one) for one in row] for row in costs.values()]
        return cls(tuple(costs), np.array(rows))

    @property
    def ratios(self) -> Floats:
        """Cost over the least cost on that task, float64[candidates, tasks]; inf if not reached."""
        least = self.costs.min(axis=0)
        with np.errstate(invalid="ignore"):
            ratios = self.costs / least
        return np.where(np.isinf(self.costs), np.inf, ratios)

    def share(self, tau: float) -> Floats:
        """Return ρ(τ) of each candidate, float64[candidates], for τ in [1, inf)."""
        return (self.ratios <= tau).mean(axis=1)

    def score(self, up_to: float = 4.0) -> Floats:
        """Return the mean of ρ over τ in [1, up_to], float64[candidates]; 1 is best everywhere.

        ρ is a staircase, so the mean is exact: a task counts (up_to − ratio) / (up_to − 1).
        """
        room = np.clip(up_to - self.ratios, 0.0, up_to - 1.0)
        return room.mean(axis=1) / (up_to - 1.0)

    def table(self) -> str:
        """Return one line per candidate, the best score first: ρ(1), ρ(1.25), ρ(2), the score."""
        head = ("schedule", *(f"within {tau:g}×" for tau in TAUS), "score", "never")
        shares, scores = np.stack([self.share(tau) for tau in TAUS], axis=1), self.score()
        never = np.isinf(self.costs).sum(axis=1)
        rows = [
            (self.names[i], *(f"{share:.0%}" for share in shares[i]), f"{scores[i]:.2f}",
             str(never[i] or "–"))
            for i in np.argsort(-scores, kind="stable")
        ]  # fmt: skip
        return format_table([head, *rows])

    def figure(self) -> Any:
        """Return a matplotlib figure: ρ(τ) of each candidate, τ from 1 to 4.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.comparison import draw_profile

        order = np.argsort(-self.score(), kind="stable")
        return draw_profile([self.names[i] for i in order], self.ratios[order], up_to=4.0)

    def __str__(self) -> str:
        named = f" ({', '.join(self.tasks)})" if self.tasks else ""
        text = (
            f"Over {self.costs.shape[1]} tasks{named}: share on which a schedule needs at most "
            "1×, 1.25×, 2× the least cost; score: the mean share from 1× to 4×."
        )
        return f"{self.table()}\n\n{printable(text)}"


@strict
def profile(
    comparisons: Mapping[str, Comparison | TimeToTarget] | Iterable[Comparison | TimeToTarget],
) -> Profile:
    """Return how often each candidate is nearly the soonest at the target, over several tasks.

    The cost on a task is the median number of updates to its target, the one of
    `Comparison.time_to_target`; give its result in place of a comparison for a target of your own.

    Args:
        comparisons: One for each task, all of the same candidates; by the name of the task, or
            in a row.

    Raises:
        ScheduleError: there is none, one is something else, or their candidates differ.
    """
    updates = {task: _updates(task, one) for task, one in _named(comparisons).items()}
    if not updates:
        raise ScheduleError("profile", "needs at least one comparison", "give one for each task")
    first, *others = updates
    for task in others:
        odd = sorted(updates[task].keys() ^ updates[first].keys())
        if odd:
            rule = f"has candidates not in both of {first} and {task}: {', '.join(odd)}"
            raise ScheduleError("profile", rule, "compare the same candidates on every task")
    found = Profile.of({name: [one[name] for one in updates.values()] for name in updates[first]})
    return replace(found, tasks=tuple(updates))


def _named(given: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    """Return comparisons by task; where they have no names, by their place."""
    pairs = given.items() if isinstance(given, Mapping) else enumerate(given, 1)
    return {str(name): one for name, one in pairs}


def _updates(task: str, given: Any) -> dict[str, int | None]:
    """Return the median updates to the target by candidate."""
    if isinstance(given, Comparison):
        return given.time_to_target().updates
    if isinstance(given, TimeToTarget):
        return given.updates
    rule = f"needs comparisons, got {shorten(given)} for {task}"
    raise ScheduleError("profile", rule, "give what compare returns, or its time_to_target()")
