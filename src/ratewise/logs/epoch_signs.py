"""What a training loss shows of the epochs: what was seen before has a lower loss."""

from __future__ import annotations

import math

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.curve import Curve
from ratewise.logs.sign import Sign, called

BOUNDARIES = 4.0
"""Standard errors by which the loss must fall where epochs begin."""

STAIRS = 0.3
"""Share of the fall behind the first epoch that happens where epochs begin."""

GUESS = (10.0, 0.6)
"""The same two where the log does not say how long an epoch is, and many lengths are tried."""

EACH = 4
"""Points of each epoch that are needed to see its course."""

MOST = 40
"""Epochs that are looked for where the log does not count them."""

PASSED = 1.2
"""Epochs below which a run has hardly seen anything twice."""

OFTEN = 5.0
"""Epochs from which on a training loss alone tells little of what was learned."""

FEWEST_EACH, FEWEST_EDGES = 3, 3
"""Points in an epoch, and boundaries, from which on these are told from what lies between them."""


def epoch_signs(run: Curve) -> list[Sign]:
    """Return what a training loss shows of its epochs: see the table of `read_signs`."""
    if run.validation:
        return []
    found = (_in_first_epoch(run), _stairs(run, np.asarray(run.losses)), _seen_often(run))
    return [sign for sign in found if sign is not None]


def _seen_often(run: Curve) -> Sign | None:
    """Find runs that went through their data many times, with nothing else to hold them against."""
    last = float(np.asarray(run.steps)[-1])
    if run.epoch is None or run.evaluations or last < OFTEN * run.epoch:
        return None
    times = f"{last / run.epoch:.0f} times"
    said = f"{called(run)}it went {times} through its data, and has no validation loss"
    advice = "a training loss cannot tell learning from remembering: log one"
    return Sign("seen_often", said, advice)


def _in_first_epoch(run: Curve) -> Sign | None:
    """Find runs that were planned for several epochs and saw one: losses fall where data repeat."""
    last, epoch = float(np.asarray(run.steps)[-1]), run.epoch
    if run.validation or epoch is None or run.planned is None:
        return None
    if last > PASSED * epoch or run.planned <= PASSED * epoch:
        return None
    said = (
        f"{called(run)}it has seen hardly anything twice in {last:,.0f} updates, and its plan of "
        f"{run.planned:,} goes on to epochs of {epoch:,.0f} updates"
    )
    return Sign("first_epoch", said, "what is seen again has a lower training loss")


def _stairs(run: Curve, losses: Floats) -> Sign | None:
    """Find falls where epochs begin, in training losses: the data repeat there."""
    if run.validation or (losses <= 0).any():
        return None
    steps, logs = np.asarray(run.steps), np.log(losses)
    length = run.planned or int(steps[-1])
    epochs = [run.epoch] if run.epoch else [length / count for count in range(3, MOST + 1)]
    least = (BOUNDARIES, STAIRS) if run.epoch else GUESS
    found = max((_fall_at(steps, logs, each) for each in epochs), default=(0.0, 0.0, 0.0))
    if run.epoch and found[0] == 0:
        found = _fall_over(steps, logs, run.epoch)
    errors, share, epoch = found
    if errors < least[0] or share < least[1]:
        return None
    said = (
        f"{called(run)}the training loss falls where an epoch begins, every {epoch:,.0f} updates: "
        f"{min(share, 1):.0%} of its fall behind the first, which is no effect of the rate"
    )
    return Sign("repeated_epochs", said, "log a validation loss and predict from that", stops=True)


def _fall_at(steps: Floats, logs: Floats, epoch: float) -> tuple[float, float, float]:
    """Return (standard errors, share of the later fall, epoch) of the falls at boundaries.

    At each boundary a line is drawn through the points of half an epoch before it and one through
    those behind it; the gap between them there is the fall.
    """
    count = math.ceil((steps[-1] + 0.5) / epoch) - 1
    gaps: list[tuple[float, float]] = []
    freedom, residue = 0, 0.0
    for edge in epoch * np.arange(1, count + 1) + 0.5:
        sides = [
            (steps > edge - epoch / 2) & (steps <= edge),
            (steps > edge) & (steps <= edge + epoch / 2),
        ]
        if min(int(side.sum()) for side in sides) < EACH:
            continue
        levels, spreads = [], []
        for side in sides:
            at, there = (steps[side] - edge) / epoch, logs[side]
            design = np.stack([np.ones_like(at), at], axis=1)
            found, *_ = np.linalg.lstsq(design, there, rcond=None)
            levels.append(float(found[0]))
            spreads.append(float(np.linalg.inv(design.T @ design)[0, 0]))
            residue += float(((there - design @ found) ** 2).sum())
            freedom += len(at) - 2
        gaps.append((levels[0] - levels[1], sum(spreads)))
    if not gaps or len(gaps) < count / 2:
        return 0.0, 0.0, epoch
    total = sum(gap for gap, _ in gaps)
    error = math.sqrt(residue / max(freedom, 1) * sum(spread for _, spread in gaps))
    first = (steps > epoch / 2) & (steps <= epoch + 0.5)
    last = steps > steps[-1] - epoch / 2
    whole = float(logs[first].mean() - logs[last].mean()) if first.any() else 0.0
    if whole <= 0 or total <= 0:
        return 0.0, 0.0, epoch
    return total / max(error, 1e-9), total / whole, epoch


def _fall_over(steps: Floats, logs: Floats, epoch: float) -> tuple[float, float, float]:
    """Return the same where an epoch has too few points for lines: falls over boundaries.

    From the last point of an epoch to the second of the next, since the first may be the mean of
    what was logged on both sides; held against the falls from point to point elsewhere.
    """
    falls = -np.diff(logs)
    edges = epoch * np.arange(1, math.ceil((steps[-1] + 0.5) / epoch)) + 0.5
    at = np.searchsorted(steps, edges) - 1
    at = at[(at >= 0) & (at + 2 < len(logs))]
    between = np.ones(len(falls), dtype=bool)
    between[at], between[at + 1] = False, False
    if len(at) < FEWEST_EDGES or len(steps) < FEWEST_EACH * len(edges):
        return 0.0, 0.0, epoch
    rest = falls[between & (steps[:-1] > edges[0])]
    if len(rest) < FEWEST_EACH:
        return 0.0, 0.0, epoch
    over = float((logs[at] - logs[at + 2] - 2 * rest.mean()).sum())
    error = float(rest.std(ddof=1)) * math.sqrt(2 * len(at))
    whole = float(logs[at[0]] - logs[-1])
    if over <= 0 or whole <= 0:
        return 0.0, 0.0, epoch
    return over / max(error, 1e-9), over / whole, epoch
