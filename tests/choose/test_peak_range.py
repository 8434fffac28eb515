"""Where to look: a climb, or short runs where its losses are too noisy, for a share of a budget."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.choose.peak_range import SHARE, SHORT_SHARE, where_to_look
from ratewise.range_test.short_runs import ShortRunsResult, noise_between
from ratewise.runs.journal.tables import FINDINGS
from ratewise.tasks.protocols import Losses, Rates
from tests.choose.valley import Valley, ValleyRun

TOTAL, BUDGET = 160, 24 * 160


class MuffledRun(ValleyRun):
    """A run whose training losses are noise; what it learns shows in its metrics alone."""

    trained = 0

    def train(self, rates: Rates) -> Losses:
        super().train(rates)
        MuffledRun.trained += len(rates)
        return 1.0 + 0.3 * self.random.standard_normal(len(rates))


@dataclass(frozen=True)
class Muffled(Valley):
    """A task with such runs, and with metrics that are noise too, if `deaf`."""

    noise: float = 0.05
    deaf: bool = False

    def open(self, seed: int) -> MuffledRun:
        run = MuffledRun(seed, self.noise)
        if self.deaf:
            run.measure = lambda: {"loss": float(run.random.standard_normal())}  # type: ignore
        return run


def best_of_a_grid() -> float:
    """Return the rate at which a short run of the valley ends lowest, tried at many."""
    rates = np.geomspace(1e-3, 0.5, 200)
    ends: list[float] = []
    for rate in rates:
        run = ValleyRun(0, 0.0)
        run.train(rate * np.linspace(1, 0, 10))
        ends.append(run.loss())
    return float(rates[np.nanargmin(ends)])


@pytest.mark.parametrize("metric", [None, "score"])
def test_short_runs_answer_where_losses_are_noise(tmp_path: Path, metric: str | None) -> None:
    """The climb has no answer there; the metric says where, whichever of it is better."""
    peaks, found, notes, _ = where_to_look(Muffled(), TOTAL, BUDGET, tmp_path / "a.db", metric)
    assert isinstance(found, ShortRunsResult)
    assert found.rate is not None
    assert found.metric == (metric or "loss")
    assert found.minimum is not None
    assert found.rate == float(f"{found.minimum.rate:.3g}")  # not towards the onset, as in a climb
    assert abs(np.log10(found.rate / best_of_a_grid())) < 0.4
    assert peaks[0] < found.rate < peaks[-1]
    assert notes == []
    assert f"{found.rate:.3g}" in str(found)
    assert found.metric in str(found)
    assert "No answer" not in found.text(70, False)
    json.dumps(found.to_dict())


def test_where_metrics_are_noise_too_one_sentence_says_that_there_is_no_answer(
    tmp_path: Path,
) -> None:
    """Nine times of ten at least, and then the ladder is about the task's own rate."""
    answers = 0
    for draw in range(30):
        task = Muffled(noise=0.05 + draw / 1000, deaf=True)
        peaks, found, notes, _ = where_to_look(task, TOTAL, BUDGET, tmp_path / f"{draw}.db")
        answers += found is not None and found.rate is not None
        if found is not None and found.rate is None:
            assert peaks[3] == task.peak
            assert len(notes) == 1
            assert notes[0].count(".\n") == 0
            assert "has no answer" in notes[0]
    assert answers <= 3


@pytest.mark.parametrize(("own", "end"), [(1e-4, 0.1 * 10**0.5), (1e3, 1.0)])
def test_where_the_answer_lies_beyond_all_rates_the_ladder_is_at_their_end(
    tmp_path: Path, own: float, end: float
) -> None:
    """The task's own rate is far off: a thousand times more is too low, or a thousandth too high.

    Short runs go half a decade beyond a climb that fell to its end.
    """
    peaks, found, notes, _ = where_to_look(Valley(peak=own), TOTAL, BUDGET, tmp_path / "a.db")
    assert found is not None
    assert found.rate is None
    assert peaks[4] == pytest.approx(end, rel=0.05)  # two digits
    assert peaks[0] < best_of_a_grid() < peaks[-1]
    assert len(notes) == 1
    assert f"{end:.4g}, the last rate that was tried" in notes[0]


@settings(max_examples=15, deadline=None)
@given(total=st.integers(20, 400), runs=st.integers(2, 60))
def test_it_never_costs_more_than_its_share(
    tmp_path_factory: pytest.TempPathFactory, total: int, runs: int
) -> None:
    """A twentieth of the budget for the climb, a tenth for short runs; one run and two at most."""
    path = tmp_path_factory.mktemp("share") / "runs.db"
    MuffledRun.trained = 0
    spent = where_to_look(Muffled(), total, runs * total, path)[3]
    assert spent == MuffledRun.trained
    climb, short = min(1, SHARE * runs), min(2, SHORT_SHARE * runs)
    assert spent <= (climb + short) * total + 2  # each of two sweeps sees its last loss


def test_short_runs_are_made_once(tmp_path: Path) -> None:
    """The journal has them; what cannot have been found is found anew, to the same answer."""
    path = tmp_path / "runs.db"
    first = where_to_look(Muffled(), TOTAL, BUDGET, path)
    trained = MuffledRun.trained
    assert where_to_look(Muffled(), TOTAL, BUDGET, path)[0] == first[0]
    assert MuffledRun.trained == trained
    for lie in ([], ["loss"], ["loss", [[]]], ["loss", [[[[1.0], 1.0]] * 8] * 2], {}, 3):
        with contextlib.closing(sqlite3.connect(path)) as file:
            rows: list[Any] = [row for row in FINDINGS.read(file, long=False) if row]
            (row,) = [row for row in rows if row["what"].startswith("short runs")]
            FINDINGS.write(file, {**row, "found": json.dumps(lie)})
            file.commit()
        assert where_to_look(Muffled(), TOTAL, BUDGET, path)[0] == first[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5), st.floats(-3, 3))
def test_the_noise_between_seeds_leaves_out_what_they_have_in_common(
    draw: int, seeds: int, power: float
) -> None:
    """What all rates of a seed share, and what all seeds of a rate share, is no noise."""
    random = np.random.default_rng(draw)
    noise = 10**power * random.standard_normal((seeds, 400))
    common = 3 * random.standard_normal((seeds, 1)) + random.standard_normal((1, 400))
    assert noise_between(noise + common) == pytest.approx(10**power, rel=0.4)
