"""All known mistakes tried on a log, singly and in pairs, and those that explain it best."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit import clocks, lengths, values
from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.layout import begin_of
from ratewise.audit.restarts import restarted, skipped

GOOD = 0.985
"""Share from which on one cause is enough."""
LEAST = 0.5
"""Share below which nothing is explained."""
GAIN = 0.4
"""Share of what departs from the plan that a cause has to explain, if it is to be one."""
NEAR = 0.12
"""Scores behind the best that are still told."""
MOST = 5
"""Causes that are told."""
PAIRED = 0.4
"""What it takes to assume two causes, besides what each takes."""
SEEDS = 6
"""Single causes on which second ones are built."""


@dataclasses.dataclass(frozen=True)
class Told:
    """What is known of a run, besides its log and its plan.

    Args:
        processes: Processes that trained, or None.
        accumulation: Batches in an update, or None.
        others: Peaks that the plan has for groups which the log does not show.
    """

    processes: float | None = None
    accumulation: float | None = None
    others: Floats | None = None

    @property
    def counts(self) -> tuple[float, ...]:
        """Numbers of steps that a clock may make in an update."""
        known = [one for one in (self.processes, self.accumulation) if one and one > 1]
        both = [self.processes * self.accumulation] if self.processes and self.accumulation else []
        return (*known, *both)


def singles(e: LogEvidence, base: Explanation, told: Told) -> Iterator[Explanation]:
    """Every known mistake alone, the cheap ones first."""
    yield from ended(e)
    yield from clocks.off_by_one(e)
    yield from clocks.steps_per_update(e, facts=told.counts)
    yield from clocks.updates_per_step(e, facts=told.counts)
    yield from clocks.frozen(e)
    yield from values.one_group(e)
    yield from values.wrong_group(e, told.others)
    yield from values.rounded_table(e)
    if np.isfinite(e.intended.peaks).all():
        found = values.with_scale(e, e.explain("as_meant", {}, 0.0, free=True), told.processes, 0.0)
        if found is not None:
            yield found
    yield from restarted(e, base)
    counted = skipped(e)
    if counted is not None and counted.kind == "skipped_counted":
        yield counted
    if e.intended.given is None:
        yield from lengths.warmup_counted(e)
        yield from values.floors(e)
        yield from values.wrong_shape(e)
        yield from lengths.wrong_total(e)
        yield from lengths.wrong_warmup(e)


def ended(e: LogEvidence) -> Iterator[Explanation]:
    """What was done past the end of the plan: the rate rose again."""
    total = e.intended.total
    if int(e.counts[-1]) <= total + 1:
        return
    clock = partial(clocks.folded, e.intended, begin_of(e.intended))
    yield e.explain("rebounds_past_end", {"end": total}, 0.6, clock)


def pairs(e: LogEvidence, found: Sequence[Explanation], told: Told) -> Iterator[Explanation]:
    """Two mistakes at once: one built on what another has explained."""
    yield from _scaled(e, told)
    base = e.explain("as_meant", {}, 0.0)
    free = e.explain("as_meant", {}, 0.0, free=True)
    starts = [one for one in found if "+" not in one.kind and one.share > 0.02]
    starts = sorted(starts, key=lambda one: -_prefix(e, one))[:SEEDS]
    if abs(free.scale - 1) > 1e-6:
        scaled = values.with_scale(e, free, told.processes, 0.0)
        starts += [] if scaled is None else [scaled]
    for start in starts:
        if start.kind in ("restarted", "frozen", "float32"):
            continue
        yield from (_dearer(one) for one in restarted(e, start))
    yield from _rebuilt(e, found, told)
    second = [one for one in found if one.kind == "restarted" and one.share > base.share + 0.05]
    for one in sorted(second, key=lambda x: -x.score)[:2]:
        yield from (_dearer(again) for again in restarted(e, one))


def _prefix(e: LogEvidence, one: Explanation) -> int:
    """Return how many rows an explanation explains from the start without a miss."""
    missed = np.flatnonzero((e.there & ~one.hits).any(axis=1))
    return int(missed[0]) if len(missed) else len(e.counts)


def _dearer(one: Explanation) -> Explanation:
    return dataclasses.replace(one, assumed=one.assumed + PAIRED)


def _scaled(e: LogEvidence, told: Told) -> Iterator[Explanation]:
    """Every wrong clock and length, and a wrong peak."""
    if not np.isfinite(e.intended.peaks).all():
        return
    found: list[Iterable[Explanation]] = [
        clocks.off_by_one(e, free=True),
        clocks.steps_per_update(e, free=True, facts=told.counts),
        clocks.updates_per_step(e, free=True, facts=told.counts),
    ]
    if e.intended.given is None:
        found += [
            lengths.warmup_counted(e, free=True),
            values.wrong_shape(e, free=True),
            lengths.wrong_total(e, free=True),
            lengths.wrong_warmup(e, free=True),
        ]
    for several in found:
        for one in several:
            scaled = values.with_scale(e, one, told.processes, PAIRED)
            if scaled is not None:
                yield scaled


def _rebuilt(e: LogEvidence, found: Sequence[Explanation], told: Told) -> Iterator[Explanation]:
    """Another plan, and a wrong clock on it."""
    built = [one for one in found if one.intended is not None and one.intended is not e.intended]
    built += list(_variants(e))
    seen: list[Any] = []
    for one in built:
        plan = one.intended
        if plan is None or plan.schedules in seen:
            continue
        seen.append(plan.schedules)
        if one.kind in ("wrong_total", "wrong_warmup", "warmup_short") and one.share < 0.05:
            continue
        extra: dict[str, Any] = {
            "more": one.assumed + PAIRED,
            "joined": f"+{one.kind}",
            "told": dict(one.parameters),
        }
        yield from clocks.steps_per_update(e, facts=told.counts, intended=plan, **extra)
        yield from clocks.updates_per_step(e, facts=told.counts, intended=plan, **extra)
        for by in (1, -1):
            shift = max(e.shifts) if by > 0 else min(e.shifts)
            yield e.explain(f"off_by_one+{one.kind}", {"by": by, "early": by > 0, **one.parameters},
                            0.9 + one.assumed + PAIRED, partial(clocks.later, by), plan,
                            shifts=(shift,))  # fmt: skip
        if len(seen) >= 14:
            return


def _variants(e: LogEvidence) -> Iterator[Explanation]:
    if e.intended.given is None:
        yield from lengths.warmup_counted(e)
        yield from (one for one in values.floors(e) if one.kind != "wrong_floor")
        yield from values.wrong_shape(e)


def ranked(e: LogEvidence, base: Explanation, told: Told) -> list[Explanation]:
    """Return what explains a log that departs from its plan, the best first."""
    found = list(singles(e, base, told))
    best = max((one.share for one in found), default=0.0)
    if best < GOOD:
        found += pairs(e, found, told)
    needed = max(LEAST, base.share + GAIN * (1 - base.share))
    good = [one for one in found if one.share >= needed]
    good.sort(key=lambda one: -one.score)
    kept: dict[str, Explanation] = {}
    for one in good:
        kept.setdefault(one.kind, one)
    order = list(kept.values())
    return [one for one in order if one.score >= order[0].score - NEAR][:MOST]
