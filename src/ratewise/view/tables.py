"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def tabled(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return rows as lines, some columns (by default the first) to the left, the others right.

    >>> print(tabled([("name", "cost"), ("a", "100")]))
    name  cost
    a      100
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)
