"""Which run comes next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose.searcher import Searcher
from ratewise.choose.space import SHAPES
from ratewise.runs.tree import PrefixTree

TOTAL = 60
SCHEDULES = [
    f'Warmup("{warmup}") >> {shape}' for warmup in ("5%", "20%") for shape in SHAPES.values()
]
PEAKS = (0.1, 0.2, 0.4, 0.8)


def space() -> list[np.ndarray]:
    shapes = [rw.parse(text) for text in SCHEDULES]
    return [lr * one.resolve(TOTAL).values() for one in shapes for lr in PEAKS]  # type: ignore[union-attr]


def metric(rates: np.ndarray) -> float:
    """A smooth landscape: progress wants high rates, the end wants low ones, too high is bad."""
    return float(1 / rates.sum() + rates[-3:].mean() + (rates.max() / 0.5) ** 4 * 0.1)


RUNS = space()


@settings(max_examples=15)
@given(order=st.permutations(range(len(RUNS))), count=st.integers(1, 6))
def test_a_run_costs_what_no_kept_state_saves(order: list[int], count: int) -> None:
    """Of the states that trained runs leave at their cuts, the last that it shares counts."""
    searcher = Searcher(RUNS)
    kept: list[np.ndarray] = []
    for run in order[:count]:
        common = [one for one in kept if np.array_equal(one, RUNS[run][: len(one)])]
        assert searcher.costs[run] == TOTAL - max(map(len, common), default=0)
        searcher.tell(run, 1.0)
        kept += [RUNS[run][:cut] for cut in searcher.cuts(RUNS[run])]


def test_states_are_kept_where_others_branch_off_and_it_pays() -> None:
    """Each cut is where some other run takes another way, not before a fifth of the run."""
    searcher, some = Searcher(RUNS), 0
    for run in RUNS[::4]:
        trees = [PrefixTree.of([(0, run), (0, one)]) for one in RUNS]
        together = {tree.asked - tree.planned for tree in trees}
        cuts = searcher.cuts(run)
        assert set(cuts) <= together
        assert all(TOTAL / 5 <= cut < TOTAL for cut in cuts)
        assert len(cuts) <= 3
        some += len(cuts)
    assert some > len(RUNS[::4]) / 2


def test_it_asks_for_no_run_twice_and_for_none_beyond_the_budget() -> None:
    """All runs come up once; what costs more than is left does not."""
    runs = space()[:12]
    searcher = Searcher(runs)
    for run in (0, 7):
        searcher.tell(run, metric(runs[run]))
    seen = {0, 7}
    while (proposal := searcher.ask()) is not None:
        assert proposal.run not in seen
        seen.add(proposal.run)
        searcher.tell(proposal.run, metric(runs[proposal.run]))
    assert seen == set(range(12))
    fresh = Searcher(runs)
    fresh.tell(0, 1.0)
    fresh.tell(7, 2.0)
    cheapest = min(cost for i, cost in enumerate(fresh.costs) if i not in fresh.known)
    proposal = fresh.ask(budget=cheapest)
    assert proposal is not None
    assert proposal.updates <= cheapest
    assert fresh.ask(budget=cheapest - 1) is None


def test_runs_asked_for_together_are_different_and_can_be_paid_together() -> None:
    """Several at once: the first is the one asked for alone, their costs stay in the budget."""
    runs = space()
    searcher = Searcher(runs)
    for run in (1, 30, 50):
        searcher.tell(run, metric(runs[run]))
    alone = searcher.ask(150)
    found = searcher.ask_several(4, 150)
    assert alone is not None
    assert found[0].run == alone.run
    assert len({one.run for one in found}) == len(found)
    assert sum(one.updates for one in found) <= 150
    assert set(searcher.known) == {1, 30, 50}


@pytest.mark.parametrize("begin", [(1, 30), (5, 42), (10, 61)])
def test_it_finds_the_best_of_a_smooth_landscape_with_a_fifth_of_the_runs(
    begin: tuple[int, int],
) -> None:
    """After 12 of 64 runs it is nearly at the best: a tenth of how far the middle one is behind."""
    runs = space()
    values = np.array([metric(one) for one in runs])
    searcher = Searcher(runs)
    for run in begin:
        searcher.tell(run, values[run])
    for _ in range(10):
        proposal = searcher.ask()
        assert proposal is not None
        searcher.tell(proposal.run, values[proposal.run])
    best = searcher.best
    assert best is not None
    assert values[best] - values.min() < 0.1 * (np.median(values) - values.min())


def test_broken_runs_are_known_and_never_the_best() -> None:
    """A NaN is a run that is done; without any other there is no best, and the search goes on."""
    runs = space()
    searcher = Searcher(runs)
    searcher.tell(3, np.nan)
    searcher.tell(7, np.inf)
    assert searcher.best is None
    proposal = searcher.ask()
    assert proposal is not None
    searcher.tell(proposal.run, 1.0)
    assert searcher.best == proposal.run


@pytest.mark.parametrize("peak", PEAKS)
def test_it_begins_where_it_is_told_with_what_was_good_elsewhere(peak: float) -> None:
    """At the peak that is given, with a schedule that is cooled at its end."""
    first = RUNS[Searcher(RUNS).begin(peak)]
    assert first.max() == pytest.approx(peak)
    assert first[-1] < 0.3 * peak


def test_a_task_unlike_all_others_is_searched_well_all_the_same() -> None:
    """Where what was worst elsewhere is best, what is measured wins over what was seen there.

    No cooldown at all is far ahead of the rest, at one mean rate. After a quarter of the runs it
    has one of the best two, wherever it began.
    """
    level = np.array([one.mean() for one in RUNS])
    values = np.abs(np.log(level / 0.39)) + np.array([3.0 * (one[-1] < 0.3) for one in RUNS])
    for peak in PEAKS:
        searcher = Searcher(RUNS)
        searcher.tell(run := searcher.begin(peak), values[run])
        while len(searcher.known) < len(RUNS) // 4:
            proposal = searcher.ask()
            assert proposal is not None
            searcher.tell(proposal.run, values[proposal.run])
        best = searcher.best
        assert best is not None
        assert (values < values[best]).sum() < 2
