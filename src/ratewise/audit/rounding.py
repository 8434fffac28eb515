"""How a logger rounded: the significant digits, or the decimals, that it kept."""

from __future__ import annotations

import numpy as np

from ratewise._arrays import Floats

PRECISE = 12
"""Significant digits from which on a logger has rounded nothing."""
SINGLE = 7
"""Significant digits of a number kept as float32."""
LEAST = 3
"""Significant digits that every logger keeps: a few shorter numbers are round by chance."""
MANY = 8
"""Different numbers that are not all round by chance."""
NEAR = 1e-13
"""Relative distance of a number from itself, after it was written and read."""
MOST = 400
"""Different numbers that are looked at."""


def kept_digits(rates: Floats) -> tuple[int | None, int | None]:
    """Return the significant digits, and the decimals, that a logger kept; None if all.

    Decimals were kept where small rates have fewer digits than large ones. It may be by chance,
    and then less is asked of the log than could be.

    >>> kept_digits(np.array([[3.14159e-4], [2.71828e-5]]))
    (6, None)
    >>> kept_digits(np.array([[1 / 3], [2 / 3]]))
    (None, None)
    """
    values = np.unique(np.abs(rates[np.isfinite(rates) & (rates != 0)]))
    if not len(values):
        return None, None
    if len(values) > MOST:
        values = values[np.linspace(0, len(values) - 1, MOST).round().astype(np.int64)]
    written = [_digits(float(value)) for value in values]
    most = max(digits for digits, _ in written)
    if most >= PRECISE:
        single = bool((values == values.astype(np.float32)).all())
        return (SINGLE, None) if single else (None, None)
    decimals = max(places for _, places in written)
    decades = np.floor(np.log10(values))
    # With so many decimals, small numbers have no room for the digits that large ones have.
    if (decimals + decades + 1 < most).any():
        return max(most, 1), decimals
    return most if len(values) >= MANY else max(most, LEAST), None


def needed_digits(rates: Floats) -> int:
    """Return the significant digits that the longest of some rates needs, at most 12."""
    values = np.unique(np.abs(rates[np.isfinite(rates) & (rates != 0)]))[:MOST]
    return max((_digits(float(value))[0] for value in values), default=0)


def _digits(value: float) -> tuple[int, int]:
    """Return the significant digits and the decimals that a number needs."""
    for digits in range(1, PRECISE):
        text = f"{value:.{digits - 1}e}"
        if abs(float(text) - value) <= NEAR * value:
            return digits, max(digits - 1 - int(text.partition("e")[2]), 0)
    return PRECISE, PRECISE
