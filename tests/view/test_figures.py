"""Charts: what is said once is drawn alike as SVG, with matplotlib and with plotly."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.view import svg
from ratewise.view.figures import (
    Axis,
    Chart,
    ChartSeries,
    colour,
    dashes,
    ends_of,
    outline,
    ticks,
    with_corners,
)
from ratewise.view.on_page import plotly_figure
from ratewise.view.on_paper import paper_figure
from ratewise.view.page import told
from ratewise.view.schedules import charts
from tests.choose.valley import Valley
from tests.examples import examples
from tests.view.choices import chosen

SCHEDULES = {
    "steps": "Step(at=['30%', '60%'], factor=0.3)",
    "wsd": "Warmup(50) >> Hold() >> Sqrt(to=0, over='20%')",
    "restarts": "Repeat(Cosine(to=0), every=250)",
}


def drawn(**options: Any) -> Chart:
    picture = rw.show(SCHEDULES, 1000, lr=3e-4, epoch=100, tokens=2048, **options)
    (chart,) = charts([curve.line() for curve in picture.curves], log=picture.log)
    return chart


def test_a_step_is_upright() -> None:
    """Where a rate steps, both levels stand at the same update; nothing else is changed."""
    series = drawn().series[0]
    upright = np.flatnonzero(np.diff(series.x) == 0)
    assert series.x[upright].tolist() == [300.0, 600.0]
    assert series.y[upright].tolist() == [1.0, 0.3]
    smooth = np.linspace(0, 1, 500) ** 2
    x, y = with_corners(np.arange(500), smooth, 500)
    assert (x == np.arange(500)).all()
    assert (y == smooth).all()


def test_restarts_and_landmarks_are_marked() -> None:
    """Dots where something begins, with what that is; in a picture of one schedule, by name."""
    dots = [one for one in drawn().series if one.kind == "dots" and one.name == "restarts"]
    assert dots[0].x.tolist() == [250.0, 500.0, 750.0]
    assert "cycle 2 begins" in dots[0].texts[0]
    alone = rw.show(SCHEDULES["restarts"], 1000)
    (chart,) = charts([curve.line() for curve in alone.curves])
    assert [mark.text for mark in chart.marks] == ["cycle 2", "cycle 3", "cycle 4"]


def test_second_axes_count_the_run_in_other_units() -> None:
    """Epochs and tokens across, the rate up; each is the first times a factor."""
    chart = drawn()
    assert dict(chart.x.others) == {"epoch": 0.01, "tokens": 2048}
    assert dict(chart.y.others) == {"learning rate": 3e-4}
    layout = plotly_figure(chart).layout
    assert layout.xaxis20.title.text == "epoch"
    assert layout.xaxis21.title.text == "tokens"
    assert layout.xaxis21.range == pytest.approx([0, 1000 * 2048])
    text = svg.draw(chart)
    for label in ("epoch", "tokens", "learning rate", ">2M<", ">3e-4<"):
        assert label in text


def test_momentum_and_weight_decay_have_charts_of_their_own() -> None:
    """One below the other, over one run."""
    plan = rw.Plan(lr=rw.Hold(), momentum=rw.Linear(to=0.5), weight_decay=rw.Cosine())
    made = charts([curve.line() for curve in rw.show(plan, 100).curves])
    assert [one.title.partition(":")[0] for one in made] == ["lr", "momentum", "weight_decay"]
    assert {one.x.high for one in made} == {100}
    assert len(plotly_figure(made).layout.annotations) == 3


@pytest.mark.parametrize("log", [False, True])
def test_all_draw_the_same_numbers(log: bool) -> None:
    """The points of a chart are those of the line of matplotlib, of plotly and of the page."""
    chart = drawn(log=log)
    axes = paper_figure([chart]).axes[0]
    assert axes.get_yscale() == ("log" if log else "linear")
    figure = plotly_figure(chart)
    assert figure.layout.yaxis.type == ("log" if log else "linear")
    assert told(chart)["y"]["log"] is log
    for one in (one for one in chart.series if one.kind == "line"):
        line = next(line for line in axes.lines if line.get_label() == one.name)
        assert set(line.get_xdata()) <= set(one.x)
        trace = next(t for t in figure.data if t.name == one.name and t.mode == "lines")
        assert np.array_equal(trace.y, one.y)
        same = next(s for s in told(chart)["series"] if s["n"] == one.name and s["k"] == "line")
        assert same["y"] == pytest.approx(one.y.tolist(), rel=1e-5)
        assert line.get_color() == trace.line.color == colour(one.place)


def test_twenty_eight_curves_are_unlike() -> None:
    """No two places have the same colour and dash; nor have the dark colours."""
    looks = [(colour(place), dashes(place)) for place in range(28) if place != 20]
    assert len(set(looks)) == len(looks)
    assert len({colour(place, dark=True) for place in range(7)}) == 7


def luminance(text: str) -> float:
    parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_stand_out_from_the_page() -> None:
    """On paper twice as much as nothing, on a dark page six times (WCAG's contrast)."""
    for place in range(7):
        assert 1.05 / (luminance(colour(place)) + 0.05) > 2
        assert (luminance(colour(place, dark=True)) + 0.05) / (luminance("#16181b") + 0.05) > 6


@given(
    st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=60),
    st.booleans(),
    st.sampled_from(["count", "rate", "number"]),
)
@settings(max_examples=examples(60), derandomize=True)
def test_an_axis_has_numbers_within_its_ends(values: list[float], log: bool, form: str) -> None:
    """Rising, some, not very many; and the chart around it is finite SVG."""
    y = np.array(values)
    axis = Axis("y", log=log, form=form)
    chart = Chart("", Axis("x"), axis, [ChartSeries("a", np.arange(float(len(y))), y)])
    low, high = ends_of(chart, up=True)
    assert low < high
    found = [value for value, _ in ticks(axis, (low, high))]
    assert found == sorted(found)
    assert len(found) <= 14
    room = 1e-6 * (high - low)
    assert all(low - room <= value <= high + room for value in found)
    numbers = re.findall(r'd="([^"]*)"', svg.draw(chart))
    assert not any("nan" in one or "inf" in one for one in numbers)


@given(st.integers(1, 5000), st.integers(1, 400))
@settings(max_examples=examples(60), derandomize=True)
def test_an_outline_keeps_the_mean(n: int, most: int) -> None:
    """However long a curve is, so many points are left, and their weighted mean is its own."""
    y = np.random.default_rng(n).random(n)
    x, means = outline(y, most)
    assert len(x) == len(means) <= most
    assert (np.diff(x) > 0).all()
    wide = -(-n // most)
    sizes = [min(wide, n - start) for start in range(0, n, wide)]
    assert float(np.dot(means, sizes)) / n == pytest.approx(float(y.mean()))


def test_what_steps_within_noise_is_left_alone() -> None:
    """A noisy curve has no corners put into it at every point."""
    y = np.random.default_rng(0).random(200)
    x, _ = with_corners(np.arange(200), y, 200)
    assert len(x) < 220


def test_a_tree_is_as_long_as_what_was_trained() -> None:
    """Its branches come to the updates of the prefix tree, and every run has its end."""
    from ratewise.choose.pictures import branches
    from ratewise.runs.tree import PrefixTree

    runs = [one for one in chosen().runs if one.seed == 0]
    made = branches(runs)
    planned = PrefixTree.of((one.seed, one.rates) for one in runs).planned
    assert sum(one.stop - one.start for one in made.branches) == planned
    assert len(made.ends) == len(runs)
    rows = {one.row for one in made.branches}
    assert rows == set(range(len(runs)))
    for a, b in itertools.combinations(made.branches, 2):  # none is drawn over another
        assert a.row != b.row or a.stop <= b.start or b.stop <= a.start


def test_a_missing_plotly_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact command."""
    import sys

    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'ratewise[report]'")):
        plotly_figure(drawn())


def test_results_of_all_kinds_have_plotly_figures() -> None:
    """Charts of a choice, its range test and its comparison, by day and by night."""
    from ratewise.choose.page import figures

    choice = chosen()
    made = [*figures(choice, choice._panels()).values(), *choice.proof.charts()]
    assert choice.found is not None
    for one in [*made, choice.found.chart()]:
        for dark in (False, True):
            assert len(plotly_figure(one, dark=dark).data) > 0
    assert Valley().peak == 0.1
