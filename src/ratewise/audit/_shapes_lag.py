"""Schedules whose clock stood still at times: updates that were skipped, as fp16 skips them.

A rate is turned back into the update that has it. Where all of these are whole, and fall behind the
steps of the log little by little and never catch up, the schedule was followed by a clock that
missed some updates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit import families as of
from ratewise.audit._shapes_candidate import Candidate
from ratewise.audit._shapes_fit import Points, price, roundest
from ratewise.audit._shapes_starts import Hump
from ratewise.schedule import Cosine, Linear, Schedule, Warmup

SHARP = 0.2
"""How well, in updates, a rate has to tell which one it is of."""
MOST = 0.05
"""Share of the updates that may have been skipped."""


def lagging(points: Points, total: int | None) -> list[Candidate]:
    """Return the linear and cosine schedules that a log followed with a clock that was late."""
    hump = Hump.of(points)
    if not hump.falls or len(points.rates) < 6:
        return []
    found: list[Candidate] = []
    for family in (of.LINEAR, of.COSINE):
        for peak in _peaks(points):
            made = _of(family, peak, hump, total)
            found += [one.measured(points) for one in made]
    return found


def _peaks(points: Points) -> list[float]:
    """Return round rates at the top of a log, or just above it."""
    top = float(points.rates.max())
    reach = [roundest(top * (1 - 1e-7), top * (1 + grow)) for grow in (1e-6, 0.005, 0.02, 0.08)]
    return list(dict.fromkeys(reach))


def _steepest(at: Floats, done: Floats, noise: Floats) -> float:
    """Return the progress in an update where no update was skipped, the most that is seen."""
    widths = np.diff(at)
    slopes = np.diff(done) / widths
    unsure = (noise[1:] + noise[:-1]) / widths
    if not len(slopes):
        return 0.0
    top = slopes[int(np.argmax(slopes - unsure))]
    alike = slopes >= top - 3 * unsure
    return float((slopes[alike] * widths[alike]).sum() / widths[alike].sum())


def _of(family: str, peak: float, hump: Hump, total: int | None) -> Iterator[Candidate]:
    points = hump.points
    level = np.minimum(points.rates / peak, 1.0)
    unsure = points.tolerance / peak
    fall = slice(hump.last + (hump.last == hump.first and hump.warms), None)
    done, blur = _progress(family, level[fall], unsure[fall])
    sharp = blur < np.inf
    steps = points.steps[fall]
    if sharp.sum() < 3:
        return
    slope = _steepest(steps[sharp], done[sharp], blur[sharp])
    if slope <= 0:
        return
    for length in _whole(1 / slope):
        for warmup in _warmups(hump, level, unsure, length, total):
            one = _late(family, peak, warmup, length, hump, level, unsure)
            if one is not None:
                yield one


def _progress(family: str, level: Floats, unsure: Floats) -> tuple[Floats, Floats]:
    """Return how far a fall has come, and how far that is off if the level is."""
    if family == of.LINEAR:
        return 1 - level, unsure
    done = np.arccos(np.clip(2 * level - 1, -1.0, 1.0)) / np.pi
    steep = np.sqrt(np.maximum(level * (1 - level), 0.0)) * np.pi
    return done, np.where(steep > 1e-4, unsure / np.maximum(steep, 1e-4), np.inf)


def _whole(length: float) -> list[int]:
    near = round(length)
    around = max(1, math.ceil(length * 2e-5))
    return [near] if around == 1 else [near, *(near + i for i in range(-around, around + 1) if i)]


def _warmups(
    hump: Hump, level: Floats, unsure: Floats, length: int, total: int | None
) -> list[int]:
    """Return how long the warm-up may have been."""
    known = [total - length] if total is not None and total - length >= 0 else []
    if not hump.warms:
        return list(dict.fromkeys([*known, 0]))
    climbing = slice(0, hump.first + 1)
    slope = _steepest(hump.points.steps[climbing], level[climbing], unsure[climbing])
    return list(dict.fromkeys([*known, *(_whole(1 / slope) if slope > 0 else [])]))


def _late(
    family: str,
    peak: float,
    warmup: int,
    length: int,
    hump: Hump,
    level: Floats,
    unsure: Floats,
) -> Candidate | None:
    """Return a schedule if the updates that its rates are of fall behind the steps."""
    points = hump.points
    done, blur = _progress(family, level, unsure)
    updates, off = warmup + length * done, length * blur
    up = np.arange(len(level)) < hump.first
    if warmup:
        updates[up], off[up] = warmup * level[up], warmup * unsure[up]
    elif up.any():
        return None
    sharp = off < SHARP
    if sharp.sum() < max(4, 0.4 * len(level)):
        return None
    lag = points.steps[sharp] - updates[sharp]
    whole = np.round(lag)
    skipped = int(whole[-1] - whole[0])
    wrong = (np.abs(lag - whole) > off[sharp] + 1e-3).any() or (np.diff(whole) < 0).any()
    if wrong or whole[0] < 0 or whole[-1] > max(MOST * points.steps[-1], 4):
        return None
    first = min(int(whole[0]), 1)
    at = points.steps[sharp].astype(int)
    steps = [int(at[0])] * int(whole[0] - first)
    for (a, b), step in zip(itertools.pairwise(whole), at[1:], strict=True):
        steps += [int(step)] * int(b - a)
    fall = Linear(0.0, over=length) if family == of.LINEAR else Cosine(0.0, over=length)
    schedule: Schedule = Warmup(warmup, start=0.0) >> fall if warmup else fall
    cost = price(peak) + price(float(warmup + length)) + price(float(warmup)) + 3.0
    cost += skipped + 2 * max(int(whole[0]) - 1, 0)
    return Candidate(
        family, schedule, peak, first, cost, warmup, 0.0, warmup + length, skips=tuple(steps)
    )
