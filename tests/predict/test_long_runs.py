"""Runs too long to be computed update by update: the same answer, in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.logs.curve import Curve
from ratewise.predict import long_runs
from ratewise.predict.forecast import forecast

TOTAL = 4000
STEPS = np.arange(1, 201) * 20
CANDIDATES: dict[str, Any] = {"cosine": "Cosine(to=0.1)", "warm": rw.Warmup(400) >> rw.Hold()}


def run(lazy: bool) -> Curve:
    """A run with a warm-up and a cooldown; its rates of every update, or those that were logged."""
    plan = rw.Warmup(200) >> rw.Hold() >> rw.Linear(to=0, over=800)
    rates = 1e-3 * plan.resolve(TOTAL).values()
    losses = 2 + 3 / np.sqrt(STEPS) + 100 * rates[STEPS - 1]
    if lazy:
        return Curve(STEPS, rates[STEPS - 1], losses, "run")
    return Curve.trained(rates, STEPS, losses, "run")


@pytest.mark.parametrize("lazy", [False, True])
def test_blocks_give_the_answer_of_updates(monkeypatch: pytest.MonkeyPatch, lazy: bool) -> None:
    """Losses agree to a thousandth, and lengths are told in updates."""
    fine = forecast([run(lazy)], CANDIDATES, law="momentum")
    monkeypatch.setattr(long_runs, "FINEST", 1000)
    monkeypatch.setattr(long_runs, "BLOCKS", 1000)
    coarse = forecast([run(lazy)], CANDIDATES, law="momentum")
    assert coarse.block == 4
    assert [one.name for one in coarse.predictions] == [one.name for one in fine.predictions]
    for one, other in zip(fine.predictions, coarse.predictions, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-3)
        assert len(other.rates) == TOTAL // 4
    told, wanted = coarse.to_dict(), fine.to_dict()
    assert [one["total"] for one in told["predictions"]] == [TOTAL] * 2
    assert told["runs"][0]["last"] == wanted["runs"][0]["last"] == TOTAL
    assert any("count blocks of 4 updates" in note for note in told["notes"])
    assert "updates 20 to 4,000" in coarse.text(80, False)


def test_usual_shapes_are_written_in_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warm-up that is advised is that of the runs, to a block."""
    monkeypatch.setattr(long_runs, "FINEST", 1000)
    monkeypatch.setattr(long_runs, "BLOCKS", 1000)
    found = forecast([run(False)], law="momentum")
    warmup = int(found.schedules["linear"].partition("(")[2].partition(")")[0])
    assert abs(warmup - 200) <= 4


def test_a_run_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate with another length would have other blocks."""
    monkeypatch.setattr(long_runs, "FINEST", 1000)
    monkeypatch.setattr(long_runs, "BLOCKS", 1000)
    own: Any = {"a": ("Hold()", 2000)}
    with pytest.raises(rw.ScheduleError, match="has a length or an optimizer of its own"):
        forecast([run(False)], own, law="momentum")
