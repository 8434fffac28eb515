"""Numbers as text, and rows of text in columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ratewise._printable import printable

_SUFFIXES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def format_rate(value: float, digits: int | None = None) -> str:
    """Return a rate as one would type it, in four figures or fewer.

    >>> format_rate(3e-4), format_rate(0.00025), format_rate(0.05), format_rate(0)
    ('3e-4', '2.5e-4', '0.05', '0')
    >>> format_rate(0.0123456), format_rate(0.0123456, 2)
    ('0.01235', '0.012')
    """
    value = value if digits is None else float(f"{value:.{digits}g}")
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.4g}"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def format_count(updates: float) -> str:
    """Return a count in at most four figures.

    >>> format_count(0), format_count(950), format_count(2500), format_count(1_250_000)
    ('0', '950', '2.5k', '1.25M')
    """
    for scale, suffix in _SUFFIXES:
        if updates >= scale:
            return f"{updates / scale:.4g}{suffix}"
    return f"{updates:.4g}"


def format_table(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return rows as lines, some columns (by default the first) to the left, the others right.

    >>> print(format_table([("name", "cost"), ("a", "100")]))
    name  cost
    a      100
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)
