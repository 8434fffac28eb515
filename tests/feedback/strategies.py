"""Random listening schedules and metrics."""

from __future__ import annotations

import math

from hypothesis import strategies as st

import ratewise as rw

lengths = st.none() | st.integers(5, 40)
common = {
    "mode": st.sampled_from(["min", "max"]),
    "patience": st.integers(0, 4),
    "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
    "threshold_mode": st.sampled_from(["rel", "abs"]),
    "smoothing": st.sampled_from([0.0, 0.5]),
}


def listening(over: st.SearchStrategy = lengths) -> st.SearchStrategy[rw.Schedule]:
    """One listening move."""
    metric = st.sampled_from(["loss", "accuracy"])
    factor = st.floats(0.1, 0.9)
    cooldown = st.integers(0, 3)
    return st.one_of(
        st.builds(
            rw.Plateau, metric, factor=factor, cooldown=cooldown, floor=st.floats(0, 0.3),
            counting=st.sampled_from(["ratewise", "torch", "keras"]), over=over, **common,
        ),
        st.builds(rw.Greedy, metric, factor=factor, cooldown=cooldown, over=over, **common),
        st.builds(
            rw.Divergence, metric, factor=factor, threshold=st.floats(1.1, 3),
            recover=st.integers(0, 3), over=over,
        ),
        st.builds(
            rw.EarlyCool, metric, decay=st.integers(0, 9) | st.sampled_from(["25%", "50%"]),
            to=st.sampled_from([0.0, 0.1]), over=over, **common,
        ),
    )  # fmt: skip


@st.composite
def schedules(draw: st.DrawFn) -> rw.Schedule:
    """A listening move among others, resolved for a run of 60 updates."""
    inner = draw(listening(st.just(draw(st.integers(10, 30)))))
    last = draw(listening(st.none()))
    shape = draw(
        st.sampled_from(
            [
                rw.Warmup(5) >> last,
                rw.Warmup(5) >> inner >> rw.Linear(to=0),
                rw.Warmup(5) >> inner >> last,
                rw.Cosine(to=0.1) * last,
                rw.Warmup(5) >> rw.Cosine(to=0.1) * last,
                (rw.Warmup(5) >> last).clip(0.05, 1) * 0.5,
                rw.Warmup(5) >> last.between(0.1, 1),
                inner >> rw.Step(0.5, every=7),
            ]
        )
    )
    return shape.resolve(60)


values = st.one_of(
    st.floats(-3, 3, allow_subnormal=False), st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf])
)


@st.composite
def evaluations(draw: st.DrawFn) -> list[tuple[int, dict[str, float]]]:
    """Metrics at rising updates, now and then with one of them missing."""
    out = []
    for t in sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25))):
        given = {"loss": draw(values), "accuracy": draw(values)}
        if out and draw(st.booleans()) and draw(st.booleans()):
            del given[draw(st.sampled_from(["loss", "accuracy"]))]
        out.append((t, given))
    return out
