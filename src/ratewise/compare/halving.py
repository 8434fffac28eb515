"""Successive halving on cooled forks: candidates are dropped early, but never by a raw loss.

While the rate is high the loss of a run says little about where it will end: a run whose rate has
decayed earlier looks better in the middle and may end worse. A short linear cooldown from a
checkpoint takes the noise of the rate out, for a share of the updates it has made so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ratewise.compare.comparison import Pruned
from ratewise.runs.records import Results
from ratewise.runs.specs import RunSpec
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, number, shorten
from ratewise.schedule.strict import strict
from ratewise.tasks.protocols import Rates

Train = Callable[[Sequence[RunSpec], int], Results]
"""Trains runs; the second number is what was trained before them."""


@strict
@dataclass(frozen=True)
class Halving:
    """How candidates are dropped on the way.

    At each rung every candidate that is left (a schedule at a peak) is cooled: a fork of it goes
    linearly from the rate it has to 0, and is measured. The best share of them goes on, from where
    the fork left it.

    Args:
        rungs: Where, as shares of each candidate's own total, each in (0, 1), increasing.
        keep: Share of the candidates that goes on at each rung, in (0, 1); at least one does.
        cooldown: Length of the cooldown as a share of the updates made so far, in (0, 1].

    Raises:
        ScheduleError: a share is not in its interval, or the rungs do not increase.

    Source: Jamieson & Talwalkar 2016 (arXiv 1502.07943) for successive halving; Hu et al. 2024
    (arXiv 2404.06395) for cooldowns from a trunk.

    >>> Halving().rungs
    (0.25, 0.5)
    """

    rungs: tuple[float, ...] = (0.25, 0.5)
    keep: float = 1 / 3
    cooldown: float = 0.2

    def __post_init__(self) -> None:
        who = f"Halving({shorten(self.rungs)})"
        for name, value in (("keep", self.keep), ("cooldown", self.cooldown)):
            number(f"Halving({name}={shorten(value)})", name, value, high=1.0, above=True)
        rungs = tuple(number(who, "every rung", rung, high=1.0, above=True) for rung in self.rungs)
        if not rungs or sorted(set(rungs)) != list(rungs) or rungs[-1] >= 1:
            rule = "needs rungs in (0, 1) that increase"
            raise ScheduleError(who, rule, "write rungs=(0.25, 0.5)")
        object.__setattr__(self, "rungs", rungs)


def read_halving(given: Halving | str | None) -> Halving | None:
    """Return what `prune` asks for.

    Raises:
        ScheduleError: it is something else.
    """
    if given is None or isinstance(given, Halving):
        return given
    if given != "halving":
        rule = "is no way to prune"
        fix = Fix("write {prune}", prune='"halving"')
        raise ScheduleError(Call("compare", "prune", given), rule, fix)
    return Halving()


def halve(
    specs: Sequence[RunSpec], halving: Halving, train: Train, train_forks: Train
) -> tuple[Results, list[Pruned]]:
    """Drop candidates rung by rung, and train who is left.

    Args:
        specs: The runs.
        halving: Where, and how many go on.
        train: Trains runs to their ends.
        train_forks: The same, and keeps every state for those that come after.

    Returns:
        What came of the runs that were left, and what was dropped.
    """
    left = list(specs)
    dropped: list[Pruned] = []
    trained = 0
    for rung in halving.rungs:
        if len({(spec.name, spec.peak) for spec in left}) == 1:
            break
        forks = [fork for spec in left for fork in forked(spec, rung, halving.cooldown)]
        results = train_forks(forks, trained)
        trained += results.trained
        scores = _scores(left, results)
        going = set(_best(scores, halving.keep, results.higher_is_better))
        dropped += [
            Pruned(name, peak, rung, score)
            for (name, peak), score in scores.items()
            if (name, peak) not in going
        ]
        left = [spec for spec in left if (spec.name, spec.peak) in going]
    results = train(left, trained)
    asked = sum(len(spec.rates) for spec in specs)
    # What it took from the journal were its own forks.
    return replace(results, trained=results.trained + trained, asked=asked, reused=0), dropped


def forked(spec: RunSpec, rung: float, share: float) -> tuple[RunSpec, RunSpec]:
    """Return a run until a rung, where its state is kept, and the same run cooled from there."""
    total = len(spec.rates)
    t = min(max(1, round(rung * total)), total)
    length = max(1, round(share * t))
    begins: Rates = spec.rates[:t]
    down = spec.rates[min(t, total - 1)] * (1 - np.arange(length) / length)
    cooled = replace(
        spec, schedule=f"{spec.schedule}, cooled from update {t}", rates=np.append(begins, down)
    )
    return replace(spec, schedule=f"{spec.schedule}, until update {t}", rates=begins), cooled


def _scores(left: Sequence[RunSpec], results: Results) -> dict[tuple[str, float], float]:
    """Return the mean metric of each candidate's cooled forks; every second run is one."""
    found: dict[tuple[str, float], list[float]] = {}
    for spec, record in zip(left, results.runs[1::2], strict=True):
        found.setdefault((spec.name, spec.peak), []).append(record.metrics[results.metric])
    return {which: float(np.mean(values)) for which, values in found.items()}


def _best(
    scores: dict[tuple[str, float], float], keep: float, higher_is_better: bool
) -> list[tuple[str, float]]:
    """Return the best share, at least one; who has no number comes last."""
    sign = -1.0 if higher_is_better else 1.0
    worst = [math.inf if math.isnan(score) else sign * score for score in scores.values()]
    order = [which for _, which in sorted(zip(worst, scores, strict=True), key=lambda one: one[0])]
    return order[: max(1, math.ceil(keep * len(order) - 1e-9))]
