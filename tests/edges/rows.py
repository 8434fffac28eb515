"""A table of edges: where schedules are read, resumed or logged wrongly without a word.

A row tries one member of a kind, requires what is right, and returns what happened.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import ratewise as rw


@dataclass(frozen=True)
class Edge:
    """A member of a kind, and what tries it."""

    kind: str
    member: str
    tried: Callable[[], str]
    file: str


EDGES: list[Edge] = []
_FILES = ("configs", "runs", "keras_runs", "carried", "failures", "words")


def table() -> list[Edge]:
    """Return all rows in the order of the files, whichever was imported first."""
    for name in _FILES:
        importlib.import_module(f"tests.edges.{name}")
    return sorted(EDGES, key=lambda row: _FILES.index(row.file))


def edge(kind: str, member: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Put what is decorated into the table; the page has what happened when it was tried."""

    def put(tried: Callable[[], str]) -> Callable[[], str]:
        file = tried.__module__.rpartition(".")[2]
        EDGES.append(Edge(kind, member, functools.cache(tried), file))
        return tried

    return put


def refused(act: Callable[[], object], *parts: str) -> str:
    """Return the message of the error that an act ends in, which has to hold these parts."""
    with pytest.raises(rw.ScheduleError) as caught:
        act()
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    return f"refused: {message}"


def markdown() -> str:
    """Return the table with what happens in each row."""
    lines = ["| kind | member | what happens |", "|---|---|---|"]
    for row in table():
        cells = (row.kind, row.member, row.tried())
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"
