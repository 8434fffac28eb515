"""Facts from what a run has logged: its losses, its rates and its evaluations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ratewise._arrays import Floats, running_medians

Rows = list[Mapping[str, Any]]

FEWEST = 12
"""Losses that are needed to say anything of their course."""
_NEAR = 5


def read_facts(
    rows: Iterable[Mapping[str, Any]], made: int | None = None, planned: int | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Return the facts that a run's log shows, and how each was read, as text.

    The running median of five losses falls from its start to its lowest; that drop is the measure.
    Divergence: a loss that is no number, or a last tenth that lost more than half of the drop.
    A spike: a loss above the median of the five before it by more than 6 robust standard
    deviations and a tenth of the drop, most of which the five behind it take back. A plateau: in
    the last third of what was trained at half the peak rate or more, a line through the losses
    falls by less than two standard errors, and by less than 2 % of the drop even with two more.
    Of a finished run, evaluations tell an early best (first 10 %) or late best (last 25 %).

    Args:
        rows: What was logged, in the order of the run: "step" and with it "loss", "learning_rate"
            or "eval_loss", as the log history of a Trainer of Transformers has them.
        made: Updates made, if known.
        planned: Updates that the run was planned for, if known.

    Returns:
        `total` and `seen` as far as they are known, in the words of `Facts`.
    """
    logged = list(rows)
    known: dict[str, Any] = {}
    told: list[str] = []
    if made is not None:
        told.append(f"{made:,} updates were made")
    if planned is not None and planned > 0:
        known["total"] = planned
        told.append(f"the run was planned for {planned:,} updates")
    signs = _losses_show(logged)
    if made is not None and planned is not None and made >= planned > 0:
        signs |= _evaluations_show(logged, planned)
    if signs:
        known["seen"] = frozenset(signs)
        told += [f"{name}: {why}" for name, why in signs.items()]
    return known, told


def _numbers(rows: Rows, name: str) -> tuple[list[int], list[float]]:
    found = [(row["step"], row[name]) for row in rows if name in row and "step" in row]
    kept = [(int(s), float(v)) for s, v in found if isinstance(v, int | float)]
    return [s for s, _ in kept], [v for _, v in kept]


def _losses_show(rows: Rows) -> dict[str, str]:
    steps, values = _numbers(rows, "loss")
    broken = [step for step, value in zip(steps, values, strict=True) if not math.isfinite(value)]
    if broken:
        return {"divergence": f"the loss is no number at update {broken[0]:,}"}
    if len(values) < FEWEST:
        return {}
    losses = np.array(values)
    smooth = running_medians(losses, 5)
    lowest = int(smooth.argmin())
    drop = float(smooth[0] - smooth[lowest])
    signs = _spikes(steps, losses, drop)
    end = float(np.median(losses[-max(3, len(losses) // 10) :]))
    if end - smooth[lowest] > max(drop, 0.0) / 2 and end > smooth[lowest]:
        if lowest < len(losses) - len(losses) // 10:
            why = f"the loss rose from {smooth[lowest]:.4g} to {end:.4g} after update "
            return signs | {"divergence": f"{why}{steps[lowest]:,}"}
        return signs
    return signs | _plateau(rows, steps, losses, drop)


def _spikes(steps: list[int], losses: Floats, drop: float) -> dict[str, str]:
    noise = 1.4826 * float(np.median(np.abs(losses - running_medians(losses, 11))))
    least = max(6 * noise, 0.1 * drop, 1e-12)
    found: list[int] = []
    for i in range(_NEAR, len(losses) - 2):
        before = float(np.median(losses[i - _NEAR : i]))
        after = float(np.median(losses[i + 1 : i + 1 + _NEAR]))
        if losses[i] - before > least and losses[i] - after > (losses[i] - before) / 2:
            found.append(i)
    starts = [i for i in found if i - 1 not in found]
    if not starts:
        return {}
    return {"spikes": f"{len(starts)} in the loss, the first at update {steps[starts[0]]:,}"}


def _plateau(rows: Rows, steps: list[int], losses: Floats, drop: float) -> dict[str, str]:
    rated = dict(zip(*_numbers(rows, "learning_rate"), strict=True))
    peak = max(rated.values(), default=0.0)
    high = [i for i, step in enumerate(steps) if rated.get(step, peak) >= peak / 2]
    if len(high) < FEWEST or drop <= 0:
        return {}
    last = losses[high[-(len(high) // 3) :]]
    won, doubt = fall(last)
    if won > 2 * doubt or won + 2 * doubt > 0.02 * drop:
        return {}
    return {"plateau": f"the loss stayed near {float(np.median(last)):.4g} at a high rate"}


def fall(values: Floats) -> tuple[float, float]:
    """Return how far a straight line through the values falls, and its standard error."""
    count = len(values)
    at = np.linspace(-0.5, 0.5, count)
    spread = float(at @ at)
    slope = float(at @ values) / spread
    rest = values - values.mean() - slope * at
    return -slope, math.sqrt(float(rest @ rest) / (count - 2) / spread)


def _evaluations_show(rows: Rows, total: int) -> dict[str, str]:
    steps, losses = _numbers(rows, "eval_loss")
    if len(losses) < 4 or not all(map(math.isfinite, losses)):
        return {}
    best = steps[losses.index(min(losses))]
    why = f"the best evaluation was at update {best:,} of {total:,}"
    if best <= 0.1 * total:
        return {"early best": why}
    return {"late best": why} if best >= 0.75 * total else {}
