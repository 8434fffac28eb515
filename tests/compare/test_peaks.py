"""The search for a best peak."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.compare.peaks import PER_DECADE, PeakSearch, Search
from ratewise.schedule import ScheduleError


def hunt(search, metric, higher=False):
    """Run a search to its end on a function of the peak; return it and the peaks in order."""
    one = PeakSearch(search, higher)
    peaks = []
    for rung in one.first():
        one.tell(rung, metric(one.peak(rung)))
        peaks.append(one.peak(rung))
    while one.left:
        rung = one.ask()
        one.tell(rung, metric(one.peak(rung)))
        peaks.append(one.peak(rung))
    return one, peaks


def valley(best, edge=math.inf):
    """A loss with its least at a peak, and no end above an edge."""
    return lambda peak: math.nan if peak > edge else math.log10(peak / best) ** 2


@settings(max_examples=15, deadline=None)
@given(st.floats(-4.2, -1.8))
def test_the_best_peak_is_found(place):
    """Within ten tries the best peak tried is within 0.3 decades of the true one."""
    one, peaks = hunt(Search(1e-5, 1e-1, tries=10), valley(10**place))
    assert len(peaks) == len(set(peaks)) == 10
    assert abs(math.log10(one.peak(one.best())) - place) <= 0.3


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(["below", "above"]))
def test_a_best_peak_on_the_edge_widens_the_range(side):
    """When the best lies outside, the search goes there and says on which side it grew."""
    best = 1e-6 if side == "below" else 1.0
    one, _ = hunt(Search(1e-4, 1e-2, tries=14), valley(best))
    assert one.widened
    assert set(one.widened) == {side}
    found = one.peak(one.best())
    assert (found < 1e-4) if side == "below" else (found > 1e-2)


def test_divergence_is_told_to_the_sampler():
    """Above the edge of stability nothing finishes; most tries go below it, and the best does."""
    one, peaks = hunt(Search(1e-4, 1.0, tries=10), valley(3e-3, edge=1e-2))
    assert sum(peak > 1e-2 for peak in peaks) <= 5
    assert one.peak(one.best()) <= 1e-2


def test_nothing_that_finishes_is_no_best():
    """Where all peaks diverge, the search goes down, and has no best."""
    one, peaks = hunt(Search(1e-2, 1.0, tries=12), lambda peak: math.nan)
    assert one.best() is None
    assert min(peaks) < 1e-2


def test_more_can_be_better():
    """Of an accuracy the largest is looked for."""
    loss = valley(1e-3)
    one, _ = hunt(Search(1e-5, 1e-1, tries=10), lambda p: -loss(p), higher=True)
    assert abs(math.log10(one.peak(one.best()) / 1e-3)) <= 0.3


def test_the_ladder_is_the_same_for_all_and_so_is_the_search():
    """Rungs are 8 to a decade; the same seed and answers give the same asks."""
    search = Search(1e-5, 1e-1)
    one, peaks = hunt(search, valley(1e-3))
    again, same = hunt(search, valley(1e-3))
    assert peaks == same
    assert one.first() == again.first()
    ratio = one.peak(PER_DECADE) / one.peak(0)
    assert ratio == pytest.approx(10)
    assert np.log10(one.peak(5) / one.peak(4)) == pytest.approx(1 / PER_DECADE, abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 1), "0 < low < high"), ((1, 1), "0 < low < high"), ((1, math.inf), "low < high")],
)
def test_a_range_that_is_none_is_refused(arguments, message):
    """The smallest has to be above 0 and below the largest."""
    with pytest.raises(ScheduleError, match=message):
        Search(*arguments)
    with pytest.raises(ScheduleError, match="at least 3"):
        Search(1e-4, 1e-2, tries=2)
