"""A warm-up that is a factor on a decay which goes on from the first update: Warmup(W) * decay.

PyTorch's ChainedScheduler makes such rates, and so does whoever multiplies a schedule by a ramp.
Behind the warm-up the log is of the decay alone, whose clock began at update 0; before it, what is
recorded, divided by that decay, is the ramp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit._shapes_candidate import NEAR, Candidate, schedule_of, with_floors
from ratewise.audit._shapes_fit import Points
from ratewise.audit._shapes_smooth import Fitted, fit, rounded, variants
from ratewise.audit._shapes_starts import Hump, starts
from ratewise.audit.families import Template

DECAYS = ("cosine", "linear", "polynomial", "exponential", "rsqrt", "time")
"""What such a factor is put on."""
FEWEST = 6
"""Points that a decay has to have behind the warm-up, to be known without it."""
TAILS = (0, 2, 6)
"""Points behind the highest that may be of the warm-up still: the decay bends the top down."""
CLOSE = 1e-3
"""Share of the rate by which a point has to be below the decay to be of the warm-up."""
THINNED = 120
EXTRA = 1.5
"""What it costs that the two are multiplied, and not one behind the other as is usual."""


def products(points: Points, firsts: tuple[int, ...], total: int | None) -> list[Candidate]:
    """Return the decays with a warm-up as a factor that a log may be of."""
    hump = Hump.of(points)
    if not hump.warms or not hump.falls:
        return []
    found: list[Candidate] = []
    for first in firsts:
        here = Points(points.steps - first, points.rates, points.tolerance)
        for one in _fitted(here, hump):
            for template in with_floors(variants(one), hump.over < len(here.rates), one):
                begin = {name: one.values[name] for name in template.names}
                few = here.thinned(THINNED)
                tried = fit(template, begin, few, 15) if template != one.template else one
                if tried.off > max(NEAR, 3 * one.off):
                    continue
                made = schedule_of(rounded(tried, here, total), here)
                if made is not None:
                    found.append(replace(made, first=first, cost=made.cost + EXTRA))
    return [one.measured(points) for one in found]


def _fitted(here: Points, hump: Hump) -> Iterator[Fitted]:
    """Return the products that are nearest, one of each decay."""
    few = here.thinned(THINNED)
    for body in DECAYS:
        best: Fitted | None = None
        for decay in _decays(body, here, hump):
            for warm, begin in _ramps(decay, here):
                template = Template(body, warm, product=True)
                tried = fit(template, {**decay.values, **begin}, few, 30)
                best = tried if best is None or tried.off < best.off else best
        if best is not None and best.off <= 10 * NEAR:
            yield best


def _decays(body: str, here: Points, hump: Hump) -> Iterator[Fitted]:
    """Return a decay alone, fitted to what is surely behind the warm-up."""
    alone = Template(body)
    for behind in TAILS:
        tail = here.cut(hump.first + behind)
        if len(tail.rates) < FEWEST:
            return
        few = tail.thinned(THINNED)
        tried = [fit(alone, begin, few, 30) for begin in starts(alone, Hump.of(tail))]
        yield min(tried, key=lambda one: one.off)


def _ramps(decay: Fitted, here: Points) -> Iterator[tuple[str, dict[str, float]]]:
    """Return the warm-ups that the points are below a decay by, linear or constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Floats = here.rates / decay.template.rates(here.steps, decay.values)
    below = share < 1 - CLOSE
    count = len(share) if below.all() else int(np.argmin(below))
    if not count:
        return
    t, up = here.steps[:count], share[:count]
    if count >= 2 and np.ptp(up) <= CLOSE:
        yield "constant", {"s": float(up.mean()), "W": float(t[-1]) + 0.5}
    slope, offset = np.polyfit(t, up, 1) if count >= 2 else (float(up[0] / max(t[0], 1.0)), 0.0)
    if slope > 0:
        yield "linear", {"s": float(offset), "W": float((1 - offset) / slope)}
