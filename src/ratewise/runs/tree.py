"""The prefix tree: runs that begin with the same rates and seed share what they begin with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ratewise.tasks.protocols import Rates

Bits = NDArray[np.uint64]
Root = tuple[int, str | None]
"""What runs have to have in common to share anything: seed and optimizer."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Updates that are trained in one go, from one fork of the tree to the next.

    Args:
        seed: Seed of the runs that share it.
        start: The first update it makes, counted from the beginning of the run.
        rates: Absolute rates, float64[k]; a seed's first segment has none, it only opens the run.
        parent: Index of the segment it continues, or None.
        children: Indices of the segments that continue it, in the order of training.
        ends: Indices of the runs that end with it.
        runs: Indices of all the runs it is a part of.
        optimizer: Name of the optimizer that the runs bring, or None.
        kept: Whether its end is saved for runs that are yet to come.
    """

    seed: int
    start: int
    rates: Rates = field(repr=False)
    parent: int | None
    children: tuple[int, ...]
    ends: tuple[int, ...]
    runs: tuple[int, ...] = field(repr=False)
    optimizer: str | None = None
    kept: bool = False

    @property
    def stop(self) -> int:
        """The update after its last."""
        return self.start + len(self.rates)

    @property
    def is_returned_to(self) -> bool:
        """Whether its end is saved: it forks, a run ends there and others go on, or may yet."""
        return self.kept or len(self.children) > 1 or bool(self.ends and self.children)


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """All segments, parents before children, in the order that holds the fewest states.

    Two runs share update `t` if and only if their seeds and optimizers are equal and their rates
    of updates 0 … t are, to the last bit. With `n` runs of a seed and an optimizer at most
    ⌊log2(n)⌋ states are held at once.

    >>> tree = PrefixTree.of([(0, np.array([.1, .1, .1])), (0, np.array([.1, .1, .01]))])
    >>> tree.asked, tree.planned, [segment.rates.tolist() for segment in tree.segments]
    (6, 4, [[], [0.1, 0.1], [0.1], [0.01]])
    """

    segments: tuple[Segment, ...]
    asked: int
    """Updates that the runs would take, each trained alone."""

    @classmethod
    def of(
        cls,
        runs: Iterable[tuple[int, Rates]],
        optimizers: Iterable[str | None] | None = None,
        cuts: Iterable[Sequence[int]] | None = None,
    ) -> PrefixTree:
        """Build the tree of runs, each a seed and its absolute rates, float64[total].

        Args:
            runs: The runs.
            optimizers: Name of the optimizer of each, or None where it is the task's own.
            cuts: Updates of each behind which its state is saved, for runs that are yet to come.
        """
        listed = [(seed, np.ascontiguousarray(rates, dtype=np.float64)) for seed, rates in runs]
        named = [None] * len(listed) if optimizers is None else list(optimizers)
        count = len(listed)
        for index, at in enumerate(() if cuts is None else cuts):
            seed, rates = listed[index]
            listed += [(seed, rates[:cut]) for cut in at if 0 < cut < len(rates)]
            named += [named[index]] * (len(listed) - len(named))
        roots: dict[Root, list[int]] = {}
        for index, ((seed, _), optimizer) in enumerate(zip(listed, named, strict=True)):
            roots.setdefault((seed, optimizer), []).append(index)
        rates = [rates for _, rates in listed]
        segments: list[Segment] = []
        for root, members in roots.items():
            _lay_out(_grow(rates, members), root, rates, segments)
        told = segments if count == len(listed) else [_without(one, count) for one in segments]
        return cls(tuple(told), sum(len(one) for one in rates[:count]))

    @cached_property
    def planned(self) -> int:
        """Updates in the tree: what is left to train when prefixes are shared."""
        return sum(len(segment.rates) for segment in self.segments)

    @property
    def sharing(self) -> float:
        """Updates asked for per update planned, in [1, inf)."""
        return self.asked / self.planned if self.planned else 1.0

    @cached_property
    def ways(self) -> list[int]:
        """For each segment, the updates from its start to the furthest end behind it."""
        ways = [len(segment.rates) for segment in self.segments]
        for index, segment in reversed(list(enumerate(self.segments))):
            ways[index] += max((ways[child] for child in segment.children), default=0)
        return ways

    def path(self, index: int) -> tuple[int, ...]:
        """Return the indices of the segments from the seed's first to the one given."""
        steps: list[int] = []
        step: int | None = index
        while step is not None:
            steps.append(step)
            step = self.segments[step].parent
        return tuple(reversed(steps))


@dataclass(eq=False)
class _Node:
    """A fork or an end while the tree is built; `depth` is the number of updates before it."""

    depth: int
    runs: list[int]
    ends: list[int] = field(default_factory=list[int])
    children: list[_Node] = field(default_factory=list["_Node"])
    need: int = 0
    """States held at once from this node on, when the neediest child comes last."""

    def take(self, child: _Node) -> None:
        self.children.append(child)
        self.runs.extend(child.runs)

    def finish(self) -> _Node:
        """Put the children, all finished, in the order of training."""
        self.children.sort(key=lambda child: (child.need, min(child.runs)))
        needs = [child.need for child in self.children]
        own = 1 if self.ends and needs else 0
        self.need = max([own, *needs[-1:], *(need + 1 for need in needs[:-1])])
        return self


def _grow(rates: Sequence[Rates], members: Sequence[int]) -> _Node:
    """Return the compressed trie of the members' rates.

    Sorted as strings of bytes, runs with a common prefix are neighbours, and the trie follows from
    the lengths of the neighbours' common prefixes alone. `path` is the branch grown last.
    """
    root = _Node(0, [])
    path = [root]
    before: Bits | None = None
    for index in sorted(members, key=lambda member: rates[member].tobytes()):
        bits: Bits = rates[index].view(np.uint64)
        _close(path, 0 if before is None else common_prefix(before, bits))
        if len(bits) > path[-1].depth:
            path.append(_Node(len(bits), []))
        path[-1].ends.append(index)
        path[-1].runs.append(index)
        before = bits
    _close(path, 0)
    return root.finish()


def _close(path: list[_Node], depth: int) -> None:
    """Hang the nodes below `depth` on their parents, with a fork at `depth` where there is none."""
    while path[-1].depth > depth:
        child = path.pop().finish()
        if path[-1].depth < depth:
            path.append(_Node(depth, []))
        path[-1].take(child)


def common_prefix(a: Rates | Bits, b: Rates | Bits) -> int:
    """Return how many first rates two runs have in common, to the last bit."""
    n = min(len(a), len(b))
    differ = a.view(np.uint64)[:n] != b.view(np.uint64)[:n]
    return int(np.argmax(differ)) if differ.any() else n


def _lay_out(root: _Node, of: Root, rates: Sequence[Rates], out: list[Segment]) -> None:
    """Append the nodes below `root` to the segments, parents first and the neediest child last."""
    order = list(_preorder(root))
    place = {id(node): len(out) + i for i, (node, _) in enumerate(order)}
    for node, parent in order:
        out.append(
            Segment(
                seed=of[0],
                start=0 if parent is None else parent.depth,
                rates=_span(rates, node, parent),
                parent=None if parent is None else place[id(parent)],
                children=tuple(place[id(child)] for child in node.children),
                ends=tuple(sorted(node.ends)),
                runs=tuple(sorted(node.runs)),
                optimizer=of[1],
            )
        )


def _without(segment: Segment, count: int) -> Segment:
    """Return a segment in which what ends as run `count` or later is a state to be saved."""
    ends = tuple(run for run in segment.ends if run < count)
    runs = tuple(run for run in segment.runs if run < count)
    return replace(segment, ends=ends, runs=runs, kept=len(ends) < len(segment.ends))


def _span(rates: Sequence[Rates], node: _Node, parent: _Node | None) -> Rates:
    start = 0 if parent is None else parent.depth
    return rates[node.runs[0]][start : node.depth]


def _preorder(root: _Node) -> Iterator[tuple[_Node, _Node | None]]:
    stack: list[tuple[_Node, _Node | None]] = [(root, None)]
    while stack:
        node, parent = stack.pop()
        yield node, parent
        stack.extend((child, node) for child in reversed(node.children))
