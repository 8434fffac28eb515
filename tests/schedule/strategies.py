"""Random schedules, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

import ratewise as rw

levels = st.one_of(
    st.sampled_from([0.0, 1.0, 0.1, 1e-4, 0.5, 2.0]),
    st.floats(0, 3, allow_nan=False, allow_subnormal=False),
)
positive = st.floats(1e-6, 3)
fixed = st.one_of(
    st.integers(0, 40), st.sampled_from(["1%", "5%", "10%", "2 epochs", "1k samples", "4k tokens"])
)
starts = st.none() | levels
climbs = st.sampled_from(["linear", "cosine", "sqrt", "quadratic", "log"])


def shapes(over: st.SearchStrategy) -> st.SearchStrategy[rw.Schedule]:
    """Moves that end, of any shape, over the lengths given."""
    return st.one_of(
        st.builds(rw.Hold, st.none() | levels, over),
        st.builds(rw.Linear, levels, over, starts),
        st.builds(rw.Cosine, levels, over, starts),
        st.builds(rw.Sqrt, levels, over, starts),
        st.builds(rw.Polynomial, levels, st.floats(0.1, 5), over, starts),
        st.builds(rw.Exponential, positive, over, positive),
        st.builds(rw.Warmup, over.map(lambda n: 5 if n is None else n), levels, starts, climbs),
        curves(over),
        steps(over),
        st.builds(rw.Step, st.floats(0, 2), every=st.integers(1, 30), over=over, start=starts),
        piecewise(over),
    )


def curves(over: st.SearchStrategy) -> st.SearchStrategy[rw.Schedule]:
    """The rarer shapes."""
    every = st.integers(1, 30) | st.sampled_from(["10%", "33%"])
    rate = st.floats(0, 2)
    move = st.one_of(
        st.builds(rw.Linear, levels, start=starts),
        st.builds(rw.Cosine, levels, start=starts),
        st.builds(rw.Wave, levels, st.floats(0, 3), start=starts),
        st.builds(rw.Warmup, start=starts, shape=st.sampled_from(["linear", "cosine", "log"])),
    )
    return st.one_of(
        st.builds(rw.ExponentialDecay, st.floats(0.01, 2), every, st.booleans(), over, starts),
        st.builds(rw.NaturalDecay, rate, every, st.booleans(), over, starts),
        st.builds(rw.InverseTime, rate, every, st.booleans(), over, starts),
        st.builds(rw.Power, rate, every, over, starts),
        st.builds(rw.Saturate, every, levels, over, starts),
        st.builds(rw.PolynomialCycles, levels, st.floats(0.1, 5), every, over, starts),
        st.builds(rw.Tanh, levels, over=over, start=starts),
        st.builds(rw.Rex, levels, st.floats(0.01, 1), over, starts),
        st.builds(rw.Wave, levels, st.floats(0, 3), st.floats(0.5, 3), over, starts),
        st.builds(rw.LinearCosine, st.floats(0, 3), levels, levels, over, starts),
        st.builds(rw.Part, move, st.floats(0, 9), st.floats(0.5, 50), st.floats(0.5, 2), over),
    )


def steps(over: st.SearchStrategy) -> st.SearchStrategy[rw.Step]:
    """Steps at given positions."""
    at = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(sorted)
    shares = st.sampled_from([("30%",), ("50%", "75%"), (0.5, 0.7, 0.9)])
    return st.builds(rw.Step, st.floats(0, 2), at=at | shares, over=over, start=starts)


def piecewise(over: st.SearchStrategy) -> st.SearchStrategy[rw.Piecewise]:
    """Points at given positions, in steps and in between."""
    points = st.dictionaries(st.integers(0, 40), levels, min_size=1, max_size=5)
    ordered = points.map(lambda d: dict(sorted(d.items())))
    return st.builds(rw.Piecewise, ordered, st.sampled_from(["constant", "linear", "cosine"]), over)


def repeats() -> st.SearchStrategy[rw.Repeat]:
    """Cycles of short patterns."""
    pattern = shapes(st.integers(0, 3)) | st.builds(rw.Cosine, levels)
    return st.builds(
        rw.Repeat,
        pattern,
        every=st.integers(4, 20),
        grow=st.sampled_from([1.0, 1.5, 2.0]),
        shrink=st.sampled_from([1.0, 0.5, 1.1]),
        times=st.integers(1, 4),
    )


def _combine(inner: st.SearchStrategy[rw.Schedule]) -> st.SearchStrategy[rw.Schedule]:
    return st.one_of(
        st.builds(lambda a, b: a >> b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, f: a * f, inner, levels),
        st.builds(lambda a, low, more: a.clip(low, low + more), inner, levels, levels),
        st.builds(lambda a, low, high: a.between(low, high), inner, levels, levels),
        st.builds(lambda a, n: a.until(n), inner, st.integers(0, 30)),
    )


def schedules(over: st.SearchStrategy = fixed) -> st.SearchStrategy[rw.Schedule]:
    """Any composition of a few moves, without an open one."""
    return st.recursive(shapes(over) | repeats(), _combine, max_leaves=5)


@st.composite
def runs(draw: st.DrawFn) -> rw.Schedule:
    """A composition that may end on an open move, as users write them."""
    head = draw(schedules())
    tail = draw(st.none() | shapes(st.none()))
    return head if tail is None else head >> tail
