"""Properties of randomly composed schedules."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.testing import check_schedule
from tests.examples import examples
from tests.schedule.strategies import levels, runs, schedules, shapes

HORIZON = {"epoch": 30, "samples": 100, "tokens": 400}
many = settings(max_examples=examples(100), deadline=None)


@many
@given(runs(), st.sampled_from([1, 2, 50, 1000, 1003]))
def test_conformance(schedule, total):
    """Every composition that fits passes the conformance suite; one that does not says so."""
    try:
        schedule.resolve(total, **HORIZON)
    except rw.ScheduleError:
        assume(False)
    check_schedule(schedule, total, **HORIZON)


@many
@given(schedules(), schedules(), schedules())
def test_then_is_associative(a, b, c):
    """(a >> b) >> c equals a >> (b >> c), as a value and so in every level."""
    assert (a >> b) >> c == a >> (b >> c)


@many
@given(schedules(st.integers(0, 40)), schedules(st.integers(0, 40)))
def test_then_is_one_after_the_other(a, b):
    """a >> b is a on its updates; b follows from the level that a ends on."""
    both, n = a >> b, a.length
    assert np.array_equal(both.values(n), a.values())
    if n:
        behind = (rw.Hold(a.end, over=1) >> b).values()[1:]
        assert np.array_equal(both.values()[n:], behind)


@many
@given(st.lists(schedules(st.integers(0, 20)), min_size=1, max_size=4), st.data())
def test_zero_length_moves_are_absent(parts, data):
    """A move of length 0 put anywhere changes no level."""
    at = data.draw(st.integers(0, len(parts)))
    nothing = data.draw(shapes(st.just(0)))
    plain = parts[0] if len(parts) == 1 else rw.Sequence(tuple(parts))
    padded = rw.Sequence((*parts[:at], nothing, *parts[at:]))
    n = (plain.length or 0) + 3
    assert np.array_equal(plain.values(n), padded.values(n))


KINDS = [
    lambda over, to: rw.Linear(to=to, over=over),
    lambda over, to: rw.Cosine(to=to, over=over),
    lambda over, to: rw.Sqrt(to=to, over=over),
    lambda over, to: rw.Polynomial(to=to, power=0.5, over=over),
    lambda over, to: rw.Exponential(to=to or 1e-3, start=1, over=over),
    lambda over, to: rw.Step(0.1, at=("50%",), over=over),
    lambda over, to: rw.Piecewise({0: 1, "50%": to}, shape="linear", over=over),
    lambda over, to: rw.Hold(to, over=over),
]


@pytest.mark.parametrize("kind", KINDS)
def test_all_small_lengths_are_finite(kind):
    """Every combination of lengths in {0, 1, 2, n} gives finite levels, at both floors."""
    for w, n, to in itertools.product([0, 1, 2, 9], [0, 1, 2, 9], [0.0, 0.1]):
        values = (rw.Warmup(w) >> kind(n, to)).resolve().values(w + n + 5)
        assert np.isfinite(values).all()
        assert (values >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_small_lengths_in_small_totals_fit_or_are_refused(kind):
    """In totals of 1, 2, 9 each combination is finite or a ScheduleError, never anything else."""
    for w, n, total in itertools.product([0, 1, 2, 9], [0, 1, 2, 9, None], [1, 2, 9]):
        try:
            values = (rw.Warmup(w) >> kind(n, 0.1)).resolve(total).values()
        except rw.ScheduleError:
            assert w + (n or 0) > total or w >= total
        else:
            assert values.shape == (total,)
            assert np.isfinite(values).all()


FAR = 2**40


@pytest.mark.parametrize("k", [0, 1, 2, 3, 2**20, 2**39, FAR - 1])
def test_exact_at_two_to_the_forty(k):
    """A line over 2**40 updates is the correctly rounded fraction at any of them."""
    assert rw.Linear(to=0, over=FAR)(k) == float(Fraction(FAR - k, FAR))
    assert rw.Warmup(FAR)(k) == float(Fraction(k + 1, FAR + 1))
    assert (rw.Hold(over=FAR) >> rw.Linear(to=0, over=7))(FAR + 3) == float(Fraction(4, 7))


@many
@given(st.integers(FAR, FAR + 10**6), st.integers(1, 1000))
def test_cycles_are_exact_far_out(t, every):
    """Warm restarts at 2**40 are where integer division says, not where a logarithm does."""
    assert rw.Repeat(rw.Linear(to=0), every=every)(t) == float(Fraction(every - t % every, every))


@many
@given(st.integers(1, 60), st.integers(2, 10))
def test_growing_restarts_are_exact(i, grow):
    """Cycle i of a growing repeat starts at the exact geometric sum."""
    start = (grow**i - 1) // (grow - 1)
    assume(start < 2**53)
    s = rw.Repeat(rw.Linear(to=0), every=1, grow=grow)
    assert s(start) == 1.0
    assert s(start - 1) == float(Fraction(1, grow ** (i - 1)))


@many
@given(levels, levels, st.integers(1, 500))
def test_a_move_stays_in_its_range(a, b, n):
    """A move starts at its start to the bit, and never leaves the range of its two ends."""
    for kind in (rw.Linear, rw.Cosine, rw.Sqrt, rw.Polynomial):
        move = kind(to=b, over=n, start=a)
        values = move.values()
        assert values[0] == a
        assert move.end == b
        assert values.min() >= min(a, b)
        assert values.max() <= max(a, b)


@many
@given(st.lists(st.integers(0, 100), min_size=1, max_size=6), st.integers(1, 5000))
def test_shares_that_add_up_fill_the_run(parts, total):
    """Shares that add up to 100 % fill any run exactly, whatever its length."""
    assume(sum(parts) > 0)
    shares = [Fraction(p, sum(parts)) for p in parts]
    percents = [round(float(s) * 100, 6) for s in shares[:-1]]
    percents.append(round(100 - sum(percents), 6))
    percents = [p + 0.0 for p in percents]
    assume(all(p >= 0 for p in percents))
    s = rw.Sequence(tuple(rw.Hold(over=f"{p:.6f}%") for p in percents)).resolve(total)
    assert s.length == total


@many
@given(runs())
def test_clones_are_equal_and_hash_alike(schedule):
    """A schedule read back from its text is the same key in a dict."""
    assert {schedule: 1}[rw.parse(repr(schedule))] == 1
