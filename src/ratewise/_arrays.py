"""The one name for an array of float64, and what several rooms do with one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def running_medians(values: Floats, width: int) -> Floats:
    """Return the running median, float64[n], with windows cut at both ends."""
    reach = width // 2
    found = np.empty(len(values))
    for i in [*range(min(reach, len(values))), *range(max(len(values) - reach, 0), len(values))]:
        found[i] = np.median(values[max(0, i - reach) : i + reach + 1])
    if len(values) >= 2 * reach + 1:
        windows = np.lib.stride_tricks.sliding_window_view(values, 2 * reach + 1)
        found[reach : len(values) - reach] = np.median(windows, axis=1)
    return found
