"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Sequence


def tabled(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines: the first column to the left, the others to the right.

    >>> print(tabled([("name", "cost"), ("a", "100")]))
    name  cost
    a      100
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    return "  ".join([f"{first.strip():<{widths[0]}}", *rest]).rstrip()
