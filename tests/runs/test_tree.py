"""The prefix tree: what is shared, what is kept, what is held."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import ratewise as rw
from ratewise.runs.tree import PrefixTree

# Few values and short lengths, so that prefixes meet often; 0.1 + 0.2 is one bit above 0.3.
RATES = st.lists(st.sampled_from([3e-4, 0.3, 0.1 + 0.2, 0.0, -0.0]), min_size=1, max_size=7)
RUNS = st.lists(st.tuples(st.integers(0, 2), RATES.map(np.array)), min_size=1, max_size=14)


def prefixes(runs: list[tuple[int, np.ndarray]]) -> set[tuple[int, bytes]]:
    """The plain twin of the tree: every prefix of every run, written out."""
    return {(seed, rates[: t + 1].tobytes()) for seed, rates in runs for t in range(len(rates))}


def held(tree: PrefixTree) -> int:
    """The most states that a walk holds at once to come back to forks."""
    now = most = 0
    for index, segment in enumerate(tree.segments):
        if segment.parent is not None:
            parent = tree.segments[segment.parent]
            now -= parent.is_returned_to and index == parent.children[-1]
        now += segment.is_returned_to
        most = max(most, now)
    return most


@given(RUNS)
def test_every_distinct_prefix_is_trained_once(runs: list[tuple[int, np.ndarray]]) -> None:
    """The updates planned are the distinct prefixes, told apart by seed and by bits."""
    tree = PrefixTree.of(runs)
    assert tree.planned == len(prefixes(runs))
    assert tree.asked == sum(len(rates) for _, rates in runs)
    assert tree.sharing >= 1.0


@given(RUNS)
def test_the_stretches_on_the_way_to_a_run_are_its_rates(
    runs: list[tuple[int, np.ndarray]],
) -> None:
    """Each run ends in exactly one segment, and its way there spells its rates to the bit."""
    tree = PrefixTree.of(runs)
    ends = {run: index for index, one in enumerate(tree.segments) for run in one.ends}
    assert sorted(ends) == list(range(len(runs)))
    for run, (seed, rates) in enumerate(runs):
        way = [tree.segments[index] for index in tree.path(ends[run])]
        assert np.concatenate([one.rates for one in way]).tobytes() == rates.tobytes()
        assert {one.seed for one in way} == {seed}
        assert all(run in one.runs for one in way)


@given(RUNS)
def test_parents_come_first_and_children_say_the_same(
    runs: list[tuple[int, np.ndarray]],
) -> None:
    """The order is that of training: a segment follows its parent, siblings in their order."""
    tree = PrefixTree.of(runs)
    for index, one in enumerate(tree.segments):
        assert list(one.children) == sorted(one.children)
        assert all(tree.segments[child].parent == index < child for child in one.children)
        if one.parent is not None:
            assert tree.segments[one.parent].stop == one.start


@given(RUNS)
def test_few_states_are_held_at_once(runs: list[tuple[int, np.ndarray]]) -> None:
    """No more than log2 of the number of distinct runs of the seed with the most."""
    tree = PrefixTree.of(runs)
    distinct = {(seed, rates.tobytes()) for seed, rates in runs}
    most = max(sum(seed == other for other, _ in distinct) for seed, _ in distinct)
    assert held(tree) <= math.log2(most)


def test_equal_runs_cost_nothing_more() -> None:
    """A candidate under a second name ends with the same segment."""
    rates = 3e-4 * rw.Cosine(to=0).resolve(total=50).values()
    tree = PrefixTree.of([(0, rates), (0, rates.copy())])
    assert (tree.planned, tree.asked) == (50, 100)
    assert tree.segments[-1].ends == (0, 1)


def test_cooldowns_of_one_trunk_share_the_trunk() -> None:
    """Three cooldowns of 10 % from one trunk of 900 updates train 900 + 1 + 3 · 99 updates.

    The first update of a cooldown is still at the peak, so it is shared too.
    """
    trunk = rw.Warmup(50) >> rw.Hold()
    ends = [rw.Linear(to=0, over=100), rw.Cosine(to=0, over=100), rw.Sqrt(to=0, over=100)]
    runs = [(0, 3e-4 * (trunk >> end).resolve(total=1000).values()) for end in ends]
    assert PrefixTree.of(runs).planned == 900 + 1 + 3 * 99


def test_a_thousand_nested_runs_are_no_deeper_than_one() -> None:
    """A chain of runs, each the beginning of the next, is built without recursion."""
    rates = np.full(2000, 1e-3)
    tree = PrefixTree.of([(0, rates[: n + 1]) for n in range(2000)])
    assert (tree.planned, held(tree), len(tree.segments)) == (2000, 1, 2001)


@given(RUNS, st.data())
def test_with_cuts_the_same_is_trained_and_states_are_saved_there(
    runs: list[tuple[int, np.ndarray]], data: st.DataObject
) -> None:
    """A segment ends at each cut, with its state saved; runs, ends and updates are as without."""
    cuts = [data.draw(st.sets(st.integers(1, len(rates)), max_size=3)) for _, rates in runs]
    plain, tree = PrefixTree.of(runs), PrefixTree.of(runs, cuts=[sorted(one) for one in cuts])
    assert (tree.planned, tree.asked) == (plain.planned, plain.asked)
    ends = {run: index for index, one in enumerate(tree.segments) for run in one.ends}
    assert sorted(ends) == list(range(len(runs)))
    for run, (_, rates) in enumerate(runs):
        way = [tree.segments[index] for index in tree.path(ends[run])]
        saved = {one.stop for one in way if one.is_returned_to}
        assert {cut for cut in cuts[run] if cut < len(rates)} <= saved
        assert np.concatenate([one.rates for one in way]).tobytes() == rates.tobytes()
        assert all(run in one.runs and max(one.runs) < len(runs) for one in way)
