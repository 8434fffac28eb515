"""Numbers on axes: round, few, and short."""

from __future__ import annotations

import math

_SUFFIXES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def short(updates: float) -> str:
    """Return a count in at most four figures.

    >>> short(0), short(950), short(2500), short(1_250_000)
    ('0', '950', '2.5k', '1.25M')
    """
    for scale, suffix in _SUFFIXES:
        if updates >= scale:
            return f"{updates / scale:.4g}{suffix}"
    return f"{updates:.4g}"


def rate(value: float) -> str:
    """Return a rate as one would type it, in four figures.

    >>> rate(3e-4), rate(0.00025), rate(0.05), rate(0), rate(1.5)
    ('3e-4', '2.5e-4', '0.05', '0', '1.5')
    """
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.4g}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def spaced(high: float, count: int, *, whole: bool = False) -> list[float]:
    """Return round numbers from 0 up to at most `high`, about `count` of them, evenly spaced.

    >>> spaced(1000, 5), spaced(1.0, 4)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    if not high > 0:
        return [0.0]
    least = high / max(count, 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))
    if whole:
        step = max(math.ceil(step), 1)
    return [i * step for i in range(math.floor(high / step * (1 + 1e-9)) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten in [low, high]; with fewer than two, the ends.

    >>> decades(0.01, 1.0)
    [0.01, 0.1, 1.0]
    """
    first = math.ceil(math.log10(low) - 1e-9)
    last = math.floor(math.log10(high) + 1e-9)
    powers = [float(f"1e{i}") for i in range(first, last + 1)]
    return powers if len(powers) > 1 else [low, high]
