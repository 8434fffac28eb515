"""What a run shows of itself: rates and losses that are seldom meant, each by a rule with a source.

A rule says nothing where a log cannot tell: with few rows, with losses around 0, on a run that is
still under way.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.audit import families as of
from ratewise.audit.inference import Inferred, infer
from ratewise.audit.recorded import Recorded
from ratewise.schedule import ScheduleError

SHORT_OF = 0.05
"""Share of a schedule that may be missing at its end."""
HIGH = 0.2
"""Share of the peak from which on a rate is high."""
BEHIND = 0.1
"""Share of a schedule's length that a run may go on behind its end."""
JUMP = 2.0
"""Ratio of two rates, one row after the other, that is a jump."""
ROWS_BEFORE, ROWS_AFTER = 6, 4
"""Rows before and behind a jump that are looked at."""
CUT = 0.6
"""Ratio of a rate to the one before it that is a cut."""
STALE = 0.995
"""A loss that has not gone below this share of its best is not falling."""
FEWEST_STALE = 16
"""Rows between two cuts below which nothing is said of them."""
FEWEST_LOSSES = 20
"""Rows with a loss below which nothing is said of whether it fell."""
FALLS = (of.LINEAR, of.COSINE, of.POLYNOMIAL, of.STABLE, of.ONE_CYCLE)
"""Families that fall to an end of their own."""


@dataclass(frozen=True)
class Finding:
    """Something that a run shows.

    Args:
        kind: A stable word: "zero_rate", "stopped_short", "past_the_end", "peak_not_reached",
            "spike_after_jump", "late_cut" or "loss_never_fell".
        where: The updates that show it, by the count of the log.
        sentence: What is seen, with its numbers.
        rule: From which numbers on it is said.
        source: Who says why it matters.
    """

    kind: str
    where: tuple[int, ...]
    sentence: str
    rule: str
    source: str


def health(recorded: Recorded, intended: NDArray[np.float64] | None = None) -> tuple[Finding, ...]:
    """Return what a log shows that is seldom meant.

    Args:
        recorded: What the log says.
        intended: The rate that every update was meant to have, float64[updates], where it is known.

    >>> import numpy as np
    >>> from ratewise.audit.recorded import Recorded
    >>> steps = np.arange(10, 410, 10)
    >>> rates = 1e-3 * np.minimum(steps / 1000, 1)
    >>> [one.kind for one in health(Recorded(("",), steps, rates[:, None]))]
    ['peak_not_reached']
    """
    try:
        seen = infer(recorded)
    except ScheduleError:
        return ()
    rates = recorded.rates[:, 0]
    kept = np.isfinite(rates)
    log = _Rows(recorded.steps[kept], rates[kept], _losses(recorded, kept), recorded.total)
    found = (
        *_zero(log),
        *_ends(log, seen),
        *_peak(log, seen, intended),
        *_spikes(log),
        *_late_cuts(log),
        *_never_fell(log),
    )
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Rows:
    steps: NDArray[np.int64]
    rates: Floats
    losses: Floats
    total: int | None


def _losses(recorded: Recorded, kept: NDArray[np.bool_]) -> Floats:
    if recorded.losses is None:
        return np.full(int(kept.sum()), np.nan)
    return np.where(np.isfinite(recorded.losses), recorded.losses, np.nan)[kept]


# Rates ----------------------------------------------------------------------------------------


def _zero(log: _Rows) -> Iterator[Finding]:
    """Rows at rate 0 between others that are above it."""
    above = np.flatnonzero(log.rates > 0)
    if not len(above):
        return
    inside = np.arange(len(log.rates))
    inside = inside[(log.rates == 0) & (inside < above[-1]) & (log.steps > 2)]
    begins = log.steps[(log.rates == 0) & (np.arange(len(log.rates)) < above[0])]
    if len(begins) >= 3 and begins[-1] - begins[0] >= 10:
        inside = np.flatnonzero((log.rates == 0) & (np.arange(len(log.rates)) < above[0]))
    else:
        inside = inside[inside > above[0]]
    if not len(inside):
        return
    at = tuple(int(step) for step in log.steps[inside])
    yield Finding(
        "zero_rate",
        at,
        f"the rate is 0 at {len(at)} rows, from update {at[0]:,} to {at[-1]:,}: nothing was "
        "learned there",
        "a rate of 0 between rates above it, or at three rows and ten updates before the first",
        "an update at rate 0 leaves the weights where they are",
    )


def _ends(log: _Rows, seen: Inferred) -> Iterator[Finding]:
    """A schedule that was left before its end, or gone on with behind it."""
    if not seen.exact or seen.total is None or seen.family not in FALLS or len(log.steps) < 5:
        return
    last = int(log.steps[-1])
    missing = 1 - last / seen.total
    level = float(log.rates[-1]) / seen.peak
    gap = float(np.median(np.diff(log.steps)))
    if missing > SHORT_OF and level > HIGH and last + 2 * gap < seen.total:
        yield Finding(
            "stopped_short",
            (last,),
            f"the log ends at update {last:,} of the {seen.total:,} that the schedule was made "
            f"for, with the rate still at {level:.0%} of its peak",
            f"more than {SHORT_OF:.0%} of the schedule is missing, and the rate is above "
            f"{HIGH:.0%} of the peak",
            "much of what a schedule gains comes while the rate falls: Defazio et al. 2023, arXiv "
            "2310.07831; Hägele et al. 2024, arXiv 2405.18392",
        )
    behind = last - seen.total
    ended = np.abs(log.rates - log.rates[-1]) <= 1e-6 * seen.peak
    if behind > BEHIND * seen.total and behind > 2 * gap and ended[-3:].all():
        yield Finding(
            "past_the_end",
            (seen.total, last),
            f"the schedule ends at update {seen.total:,}, and the run goes on to {last:,} at a "
            f"rate of {log.rates[-1]:.3g}",
            f"the log goes on for more than {BEHIND:.0%} of the schedule behind its end",
            "at the floor, or at 0, a run learns little more: the total was set too low",
        )


def _peak(log: _Rows, seen: Inferred, intended: NDArray[np.float64] | None) -> Iterator[Finding]:
    """A warm-up that was over before it was done."""
    source = "a warm-up is there to reach the peak: Goyal et al. 2017, arXiv 1706.02677"
    highest = float(log.rates.max())
    if intended is not None and len(intended):
        top = float(np.max(intended))
        at = np.clip(log.steps - 1, 0, len(intended) - 1)
        due = intended[at] >= 0.99 * top
        if due.sum() >= 2 and highest < 0.98 * top:
            yield Finding(
                "peak_not_reached",
                (int(log.steps[int(np.argmax(log.rates))]),),
                f"the highest rate is {highest:.4g}, {highest / top:.0%} of the peak that was "
                f"meant, {top:.4g}",
                "no row is within 2 % of the peak, though two or more are of updates that should "
                "be at it",
                source,
            )
        return
    rises = np.diff(log.rates) > 0
    if seen.family != of.WARMING or len(log.rates) < 5 or not rises.all():
        return
    yield Finding(
        "peak_not_reached",
        (int(log.steps[-1]),),
        f"the rate rises to the last row, update {int(log.steps[-1]):,}: the log holds nothing but "
        "a warm-up",
        "the rate rises in a straight line over five rows or more, and the last is the highest",
        source,
    )


# Losses ---------------------------------------------------------------------------------------


def _spikes(log: _Rows) -> Iterator[Finding]:
    """A loss that leaps up where the rate did."""
    ratio = log.rates[1:] / np.maximum(log.rates[:-1], 1e-300)
    fell = np.maximum.accumulate(log.rates) > log.rates * 1.05
    for i in np.flatnonzero((ratio >= JUMP) & (log.rates[:-1] > 0) & fell[:-1]) + 1:
        before, after = log.losses[max(i - ROWS_BEFORE, 0) : i], log.losses[i : i + ROWS_AFTER]
        before, after = before[np.isfinite(before)], after[np.isfinite(after)]
        if len(before) < ROWS_BEFORE - 1 or not len(after):
            continue
        middle = float(np.median(before))
        spread = float(np.median(np.abs(before - middle))) * 1.4826
        limit = middle + max(5 * spread, 0.1 * abs(middle))
        if after.max() <= limit:
            continue
        step = int(log.steps[i])
        yield Finding(
            "spike_after_jump",
            (step, int(log.steps[min(i + int(np.argmax(after)), len(log.steps) - 1)])),
            f"the rate goes from {log.rates[i - 1]:.3g} to {log.rates[i]:.3g} before update "
            f"{step:,}, and the loss from {middle:.4g} to {after.max():.4g}",
            f"the rate rises {JUMP:g}-fold or more from a row to the next, and within "
            f"{ROWS_AFTER} rows the loss is above the median of the {ROWS_BEFORE} before by five "
            "times their spread, and by a tenth",
            "a large rate at once undoes what was learned: Goyal et al. 2017, arXiv 1706.02677; "
            "Loshchilov & Hutter 2017, arXiv 1608.03983 (restarts)",
        )


def _late_cuts(log: _Rows) -> Iterator[Finding]:
    """A cut of the rate long after the loss had stopped to fall, which it did at once behind it."""
    cuts = [0, *(np.flatnonzero(log.rates[1:] <= CUT * log.rates[:-1]) + 1).tolist()]
    for begin, cut in itertools.pairwise(cuts):
        phase, behind = log.losses[begin:cut], log.losses[cut : cut + FEWEST_STALE // 2]
        flat = log.rates[begin:cut]
        if np.ptp(flat[len(flat) // 4 :]) > 1e-6 * flat.max():
            continue  # a rate that moves is no plateau to wait on
        phase, behind = phase[np.isfinite(phase)], behind[np.isfinite(behind)]
        if len(phase) < FEWEST_STALE or len(behind) < 4 or phase.min() <= 0:
            continue
        half = len(phase) // 2
        early, late = phase[half // 2 : half], phase[half:]
        noise = float(late.std(ddof=1)) / np.sqrt(len(late))
        stale = late.mean() >= STALE * early.mean()
        helped = behind.mean() < late.mean() - 4 * noise - float(late.std()) / np.sqrt(len(behind))
        if not (stale and helped):
            continue
        since = int(log.steps[begin + half])
        yield Finding(
            "late_cut",
            (since, int(log.steps[cut])),
            f"from update {since:,} on the loss stood at {late.mean():.4g}, and the rate was cut "
            f"only at {int(log.steps[cut]):,}; at once the loss went to {behind.mean():.4g}",
            f"over the second half of {FEWEST_STALE} rows or more at one rate the loss gained less "
            f"than {1 - STALE:.1%}, and behind the cut it fell by more than its noise",
            "the rate is divided when the error plateaus: He et al. 2015, arXiv 1512.03385",
        )


def _never_fell(log: _Rows) -> Iterator[Finding]:
    """A loss that is in the end where it was at the beginning."""
    losses = log.losses[np.isfinite(log.losses)]
    if len(losses) < FEWEST_LOSSES or losses.min() <= 0:
        return
    third = len(losses) // 3
    first, last = losses[:third], losses[-third:]
    spread = float(losses.std())
    if losses.mean() < 5 * spread:
        return  # a loss that swings as far as it is high is of another kind
    error = float(np.hypot(first.std(ddof=1), last.std(ddof=1))) / np.sqrt(third)
    gained = float(first.mean() - last.mean())
    if gained > 2 * error or gained > 0.005 * first.mean() or losses[0] > 1.05 * last.mean():
        return
    steps = log.steps[np.isfinite(log.losses)]
    yield Finding(
        "loss_never_fell",
        (int(steps[0]), int(steps[-1])),
        f"the training loss is {first.mean():.4g} over the first third of the log and "
        f"{last.mean():.4g} over the last: nothing was learned, or nothing was left to learn",
        f"over {FEWEST_LOSSES} rows or more, the last third is within two standard errors of the "
        "first and less than 0.5 % below it",
        "a rate that learns is found by a range test: Smith 2015, arXiv 1506.01186",
    )
