"""What other finders do with losses, each rule written from its published description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def debiased(losses: Any) -> Any:
    """A running average with 0.98, corrected for its start (as fastai and Lightning describe)."""
    average, out = 0.0, []
    for i, loss in enumerate(losses, start=1):
        average = 0.98 * average + 0.02 * loss
        out.append(average / (1 - 0.98**i))
    return np.array(out)


def seeded(losses: Any) -> Any:
    """A running average with 0.95 from the first loss on (as torch-lr-finder and ignite)."""
    out = [losses[0]]
    for loss in losses[1:]:
        out.append(0.95 * out[-1] + 0.05 * loss)
    return np.array(out)


def trimmed(x: Any, smooth: Any, first: int, last: int, times: float) -> tuple[Any, Any]:
    """Stop where the loss is some times the best, and leave out both ends."""
    over = np.flatnonzero(smooth > times * np.minimum.accumulate(smooth))
    end = over[0] + 1 if over.size else len(smooth)
    return x[first : end - last], smooth[first : end - last]


def valley_like(x: Any, losses: Any) -> float:
    """In the longest falling subsequence, the middle of its middle third."""
    x, y = trimmed(x, debiased(losses), len(x) // 10, 5, 4)
    length = np.ones(len(y), int)
    for i in range(1, len(y)):
        lower = y[:i] > y[i]
        if lower.any():
            length[i] = max(1, 1 + length[:i][lower].max())
    end = int(length.argmax())
    start = end - int(length[end])
    third = (end - start) / 3
    return float(x[start + int(third) + int(third / 2)])


def steep_like(x: Any, losses: Any) -> float:
    """The largest fall per decade of the running average."""
    x, y = trimmed(x, debiased(losses), len(x) // 10, 5, 4)
    return float(x[np.diff(y).argmin()])


def seeded_like(x: Any, losses: Any) -> float:
    """The largest fall per update of the running average that starts at the first loss."""
    x, y = trimmed(x, seeded(losses), 10, 5, 5)
    return float(x[np.gradient(y).argmin()])


def linear_like(x: Any, losses: Any) -> float:
    """The largest fall per unit of the rate itself."""
    x, y = trimmed(x, debiased(losses), 10, 1, 4)
    return float(x[np.gradient(y, 10**x).argmin()])


RULES: dict[str, Callable[[Any, Any], float]] = {
    "fastai-like valley": valley_like,
    "fastai-like steep": steep_like,
    "torch-lr-finder-like": seeded_like,
    "Lightning-like (2.5.3 on)": linear_like,
}
