"""What the search knows of other tasks, before it has measured anything."""

from __future__ import annotations

import importlib
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose.experience import FILE, FURTHEST, Experience, traits
from ratewise.choose.hypotheses import Hypotheses

GRIDS = Path(__file__).parents[2] / "benchmarks" / "grids"


def test_the_file_is_what_the_recorded_grids_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is derived by `benchmarks/grids/experience.py`, and current."""
    monkeypatch.syspath_prepend(str(GRIDS))
    for name in ("replay", "experience"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    script = importlib.import_module("experience")
    assert FILE.read_text(encoding="utf-8") == script.written(script.derived())
    for name in ("replay", "experience"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@settings(max_examples=20)
@given(task=st.sampled_from(sorted(Experience.known().tasks)), peak=st.floats(1e-5, 1.0))
def test_a_recorded_task_is_told_back_wherever_its_best_peak_is(task: str, peak: float) -> None:
    """Its own schedules at its own distances from any best peak are as far behind as recorded."""
    known = Experience.known()
    landscape = known.tasks[task]
    runs = [peak * np.exp(d) * one for one in levels() for d in landscape.distance]
    told = Experience(known.traits, {task: landscape}).surfaces(runs, np.array([np.log(peak)]))
    assert np.allclose(told[0, 0].reshape(landscape.behind.shape), landscape.behind, atol=0.03)


@cache
def levels() -> list[np.ndarray]:
    """Return the levels of the recorded schedules."""
    told = json.loads(FILE.read_text(encoding="utf-8"))["schedules"]
    return [rw.parse(text).resolve(400).values() for text in told]  # type: ignore[union-attr]


@settings(max_examples=20)
@given(far=st.floats(8, 20))
def test_far_from_the_best_peak_everything_is_as_bad_as_can_be(far: float) -> None:
    """Beyond what was recorded it only gets worse, up to the worst that counts."""
    for landscape in Experience.known().tasks.values():
        sides = landscape.at(np.array([-3 * far, -far, far, 3 * far]))
        assert (sides[:, 0] >= sides[:, 1]).all()
        assert (sides[:, 3] >= sides[:, 2]).all()
        assert sides.max() <= FURTHEST


def test_traits_do_not_depend_on_the_peak_and_tell_shapes_apart() -> None:
    """A longer plateau has a higher mean, a hot end a larger second trait, a climb the third."""
    shapes = [
        rw.Linear(to=0),
        rw.Hold() >> rw.Linear(to=0, over="20%"),
        rw.Hold(),
        rw.Warmup("10%") >> rw.Hold(),
    ]
    low, high = (traits([lr * one.resolve(100).values() for one in shapes]) for lr in (0.1, 0.7))
    assert np.allclose(low, high)
    assert low[1, 0] > low[0, 0]
    assert low[2, 1] > low[1, 1]
    assert low[3, 2] > low[2, 2] == 0


def test_without_a_task_nothing_of_it_is_left() -> None:
    """A benchmark judges a task by what the others say."""
    known = Experience.known()
    some = known.without("digits", "lora")
    assert set(known.tasks) - set(some.tasks) == {"digits", "lora"}


def test_a_run_that_broke_speaks_for_lower_peaks() -> None:
    """What supposes the best peak above it is less likely than before, the rest as likely."""
    runs = [lr * rw.Linear(to=0).resolve(50).values() for lr in (0.1, 0.2, 0.4, 0.8)]
    hypotheses = Hypotheses.of(runs, Experience.known())
    change = hypotheses.beforehand({2: np.nan}) - hypotheses.beforehand({2: 1.0})
    above = hypotheses.centres > np.log(0.4)
    assert (change[above] < -1).all()
    assert (change[~above] == 0).all()


def test_knowing_no_task_at_all_it_is_a_process_with_no_opinion() -> None:
    """All surfaces are flat then."""
    runs = [lr * rw.Linear(to=0).resolve(50).values() for lr in (0.1, 0.2)]
    nothing = Experience.known().without(*Experience.known().tasks)
    assert not Hypotheses.of(runs, nothing).surfaces.any()
