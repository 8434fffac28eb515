"""What a search has seen and expects, as the numbers that its figure draws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from ratewise.choose.orders import Expected
from ratewise.choose.search import Trial
from ratewise.runs.records import Record
from ratewise.runs.tree import PrefixTree, Segment
from ratewise.view.choice import Branch, Branches, ExpectedCurve, TrialPoint
from ratewise.view.format import format_rate

MOST_ENDS = 60
"""Runs whose tree is drawn, the first."""


def curves(first: str, expected: Sequence[Expected]) -> list[ExpectedCurve]:
    """Return what each schedule is expected to end at over its peaks, one of them first.

    What the task does of its own accord has one peak, and no curve.
    """
    found: list[ExpectedCurve] = []
    for name in dict.fromkeys([first, *(one.name for one in expected)]):
        mine = sorted((one for one in expected if one.name == name), key=lambda one: one.peak)
        if mine:
            rows = np.array([(one.peak, one.metric, one.spread) for one in mine])
            found.append(ExpectedCurve(name, *rows.T))
    return found


def points(trials: Sequence[Trial], begun: int) -> list[TrialPoint]:
    """Return the runs of a search, with what was spent when each ended, from so much on."""
    spent = list(accumulate((one.updates for one in trials), initial=begun))
    return [
        TrialPoint(one.name, one.peak, after, one.metric, one.expected, one.spread)
        for one, after in zip(trials, spent[1:], strict=True)
    ]


def branches(runs: Sequence[Record]) -> Branches:
    """Return the tree of runs of one seed: what they share, and where they part.

    A branch is in the row of the first run that it leads to, so that trunks go straight on.
    """
    shown = sorted(runs, key=lambda one: one.peak)[:MOST_ENDS]
    tree = PrefixTree.of((one.seed, one.rates) for one in shown)
    rows: dict[int, int] = {}
    order = [i for i in _leaves(tree) for _ in tree.segments[i].ends]
    ends = [run for i in dict.fromkeys(order) for run in tree.segments[i].ends]
    places = {run: row for row, run in enumerate(ends)}
    for index in reversed(range(len(tree.segments))):
        segment = tree.segments[index]
        below = [places[run] for run in segment.ends] + [rows[child] for child in segment.children]
        rows[index] = min(below)
    found: list[Branch] = []
    for index, segment in enumerate(tree.segments):
        if not segment.stop:
            continue
        parent = segment.parent
        rooted = parent is None or not tree.segments[parent].stop
        above = rows[index] if rooted or parent is None else rows[parent]
        names = [shown[run].name for run in segment.runs]
        found.append(Branch(segment.start, segment.stop, rows[index], above, _told(segment, names),
                            names[0], len(set(names)) > 1))  # fmt: skip
    named = [f"{shown[run].name} at {format_rate(shown[run].peak)}" for run in ends]
    note = (
        f"{len(shown)} runs of seed {shown[0].seed} in {tree.planned:,} updates in place of "
        f"{tree.asked:,}: {tree.sharing:.2f}× fewer."
    )
    return Branches(found, named, note)


def _leaves(tree: PrefixTree) -> list[int]:
    """Return the segments at which runs end, as one meets them from the top down."""
    found: list[int] = []
    stack = [i for i, one in enumerate(tree.segments) if one.parent is None][::-1]
    while stack:
        index = stack.pop()
        if tree.segments[index].ends:
            found.append(index)
        stack.extend(reversed(tree.segments[index].children))
    return found


def _told(segment: Segment, names: Sequence[str]) -> str:
    first, last = (format_rate(float(rate), 3) for rate in (segment.rates[0], segment.rates[-1]))
    rates = f"rate {first}" if first == last else f"rate {first} → {last}"
    who = names[0] if len(set(names)) == 1 else f"{len(names)} runs: {', '.join(names[:4])}"
    more = ", …" if len(set(names)) > 1 and len(names) > 4 else ""
    return f"updates {segment.start:,} – {segment.stop:,}, {rates}\n{who}{more}"
