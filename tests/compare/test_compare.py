"""Comparing: what is asked, what is trained, and what happens when runs end early."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise import choose
from ratewise.choose import Comparison, compare
from tests.tasks.fixtures import Valley, Valleys

TWO = {"flat": "Hold()", "down": rw.Hold() >> rw.Linear(to=0, over="50%")}


class Weak(Valley):
    """Raises where the rate is above a limit, like a model that runs out of memory."""

    def train(self, rates: Any) -> Any:
        if rates.max() > 0.25:
            raise RuntimeError("too much for me")
        return super().train(rates)


class Shaky(Valley):
    """Its `measure` changes it, which a run must not do."""

    def measure(self) -> dict[str, float]:
        metrics = super().measure()
        self.x = self.x * np.nan
        return metrics


def test_the_room_exports_what_it_says() -> None:
    """The public names are these, sorted, and torch is loaded only for its task."""
    assert list(choose.__all__) == sorted(choose.__all__)
    assert {"Comparison", "Record", "Run", "Search", "Task", "TorchTask", "compare"} <= set(
        choose.__all__
    )
    assert all(hasattr(choose, name) for name in choose.__all__)


def test_a_task_of_ones_own_is_compared(valleys: Valleys) -> None:
    """One record per candidate, peak and seed, in that order, each with all its numbers."""
    result = compare(valleys, TWO, total=40, peaks=[0.05, 0.1], seeds=[4, 7])
    assert [(run.name, run.peak, run.seed) for run in result.runs] == [
        (name, peak, seed) for name in TWO for peak in (0.05, 0.1) for seed in (4, 7)
    ]
    assert all(np.isfinite(run.losses).all() and len(run.losses) == 40 for run in result.runs)
    assert all(math.isfinite(run.metrics["loss"]) for run in result.runs)
    assert (result.trained, result.asked) == (4 * (40 + 19), 8 * 40)
    assert result.sharing == result.asked / result.trained


def test_a_seed_is_opened_once(valleys: Valleys) -> None:
    """All forks of a seed come from one opened run, which is rehearsed first."""
    compare(valleys, TWO, total=40, peaks=[0.05, 0.1], seeds=3)
    assert valleys.opened == [0, 1, 2]


def test_shared_is_alone(valleys: Valleys) -> None:
    """Each run equals that of `train` on all of its rates at once."""
    for record in compare(valleys, TWO, total=350, seeds=2).runs:
        run = Valley(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


def test_a_run_goes_on_behind_the_end_of_another_even_if_measuring_breaks_it() -> None:
    """Where one run ends and another goes on, it goes on from what was saved before measuring."""
    nested = {"short": ("Hold()", 20), "long": ("Hold()", 50)}
    good, bad = (compare(Valleys(kind), nested) for kind in (Valley, Shaky))
    assert [run.metrics for run in good.runs] == [run.metrics for run in bad.runs]
    assert good.trained == 50


def test_peaks_come_from_the_call_the_plan_or_the_task(valleys: Valleys) -> None:
    """`peaks` overrules a plan's own peak, and that overrules the task's."""
    plan = rw.Plan(lr=rw.Cosine(to=0), peak={"lr": 0.02})
    candidates = {"plan": plan, "text": "Cosine(to=0)"}
    own = compare(valleys, candidates, total=10)
    assert [run.peak for run in own.runs] == [0.02, 0.1]
    assert own.runs[0].rates.tobytes() == plan.rates(10).tobytes()
    given = compare(valleys, candidates, total=10, peaks=[0.3])
    assert [run.peak for run in given.runs] == [0.3, 0.3]


def test_candidates_may_have_totals_of_their_own(valleys: Valleys) -> None:
    """A pair brings its total; without a total at all, a schedule's own length counts."""
    cosine = rw.Cosine(to=0)
    mixed = compare(valleys, {"pair": (cosine, 30), "epochs": (cosine, "2 epochs")}, epoch=7)
    assert [len(run.rates) for run in mixed.runs] == [30, 14]
    own = compare(valleys, {"a": cosine.resolve(total=25), "b": "Cosine(to=0, over=12)"})
    assert [len(run.rates) for run in own.runs] == [25, 12]


def test_divergence_ends_a_run_and_no_other(valleys: Valleys) -> None:
    """The run stops at its first loss that is not finite; its metrics are NaN, others go on."""
    result = compare(valleys, {"flat": "Hold()"}, total=500, peaks=[0.1, 5.0])
    fine, lost = result.runs
    assert fine.diverged is None
    assert math.isfinite(fine.metrics["loss"])
    assert lost.diverged is not None
    assert np.isfinite(lost.losses[: lost.diverged]).all()
    assert not np.isfinite(lost.losses[lost.diverged :]).any()
    assert math.isnan(lost.metrics["loss"])
    assert result.trained < 1000
    assert result.standings[0].peak == 0.1


def test_an_exception_ends_a_run_and_no_other() -> None:
    """The traceback is in the record; runs that never go there are as if it had not happened."""
    peaks = [0.3, 0.1]
    weak, strong = (compare(Valleys(kind), TWO, total=40, peaks=peaks) for kind in (Weak, Valley))
    for run, twin in zip(weak.runs, strong.runs, strict=True):
        if run.peak == 0.3:
            assert run.error is not None
            assert "too much for me" in run.error
            assert math.isnan(run.metrics["loss"])
        else:
            assert (run.error, run.metrics) == (None, twin.metrics)


def test_a_run_that_raised_is_not_used_again() -> None:
    """Nobody knows what an exception left behind, so the seed is opened anew for the others."""
    weak = Valleys(Weak)
    compare(weak, {"a": "Hold()"}, total=40, peaks=[0.3, 0.1, 0.4, 0.2])
    assert weak.opened == [0, 0, 0]


def test_a_candidate_whose_every_run_fails_is_left_out_of_the_verdict() -> None:
    """It is in the table, last, and named in the advice."""
    candidates = {**TWO, "high": rw.Hold(2.8)}
    result = compare(Valleys(Weak), candidates, total=30, peaks=[0.1, 0.05], seeds=2)
    assert result.standings[-1].name == "high" or result.standings[-1].values
    lost = compare(Valleys(Weak), candidates, total=30, peaks=[0.1], seeds=2)
    assert lost.standings[-1].name == "high"
    assert lost.table().splitlines()[-1].startswith("high")
    assert "Left out" in str(lost.verdict)


def test_an_interrupt_brings_what_is_finished(valleys: Valleys) -> None:
    """Ctrl-C stays a `KeyboardInterrupt`, and its `.comparison` holds the finished runs."""

    def impatient(done: int, planned: int, what: str) -> None:
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        compare(valleys, {"a": "Hold()"}, total=60, peaks=[0.1], seeds=3, progress=impatient)
    partial: Comparison = caught.value.comparison
    assert [math.isfinite(run.metrics["loss"]) for run in partial.runs] == [True, False, False]
    assert "1 of 3 runs finished" in str(caught.value)


def test_progress_counts_to_what_was_planned(valleys: Valleys) -> None:
    """`done` rises to `planned`; both are updates, and shared ones count once."""
    seen: list[tuple[int, int, str]] = []
    compare(valleys, TWO, total=300, seeds=2, progress=lambda *step: seen.append(step))
    assert [done for done, *_ in seen] == sorted({done for done, *_ in seen})
    assert seen[-1][:2] == (2 * (300 + 149), 2 * (300 + 149))
    assert seen[0][2] == "flat at 0.1, seed 0 and 1 more"


def test_progress_shrinks_with_runs_that_end(valleys: Valleys) -> None:
    """What will not be trained any more is no longer planned."""
    seen: list[tuple[int, int, str]] = []
    peaks = [5.0, 0.1]
    compare(valleys, {"a": "Hold()"}, total=900, peaks=peaks, progress=lambda *s: seen.append(s))
    assert seen[-1][0] == seen[-1][1] < 1800


def test_an_error_in_progress_is_the_callers_own(valleys: Valleys) -> None:
    """It is raised, not recorded as a failure of a candidate."""
    with pytest.raises(ZeroDivisionError):
        compare(valleys, TWO, total=10, progress=lambda *_: 1 / 0)


def test_the_dict_form_is_json(valleys: Valleys) -> None:
    """Numbers that are not finite become None, and nothing else is lost."""
    result = compare(valleys, {"a": "Hold()"}, total=200, peaks=[5.0, 0.1], seeds=2)
    form = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert form["runs"][0]["metrics"]["loss"] is None
    assert form["runs"][2]["losses"] == result.runs[2].losses.tolist()
    assert rw.parse(form["runs"][0]["schedule"]) == rw.Hold(over=200)
    assert form["verdict"]["text"] == result.verdict.text


def test_the_metric_is_the_first_unless_named(valleys: Valleys) -> None:
    """The metric that decides heads the table."""
    assert compare(valleys, TWO, total=10).metric == "loss"
    named = compare(valleys, TWO, total=10, metric="largest")
    assert "largest" in named.table().splitlines()[0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_figure_shows_every_candidate(valleys: Valleys, seeds: int) -> None:
    """27 candidates, one of them lost, still draw: names beside the dots, a legend for the best."""
    candidates: dict[str, Any] = {f"to {i}": rw.Linear(to=i / 30) for i in range(26)}
    candidates["lost"] = rw.Hold(40)
    result = compare(valleys, candidates, total=120, seeds=seeds)
    figure = result.figure()
    figure.canvas.draw()
    above, below = figure.axes
    assert len(above.lines) == 27
    assert len(below.get_yticklabels()) == 27
    assert below.get_yticklabels()[-1].get_text() == "lost, did not finish"


BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "needs candidates by name"),
    ({3: "Hold()"}, {}, "needs names that are texts, got 3"),
    ({"a": "Holt()"}, {}, r"compare\({'a': …}\).*Hold"),
    ({"a": 3}, {}, "is no schedule, plan or text of one, got 3"),
    ({"a": "Warmup(20) >> Hold()"}, {}, r"compare\({'a': …}\).*Warmup.*total=10"),
    ({"a": "Hold()"}, {"total": None}, "'a'.*has no end"),
    ({"a": "Cosine(to=0)"}, {"total": None}, r"compare\({'a': …}\).*give total=…"),
    ({"a": ("Hold()", 3, 4)}, {}, "needs a schedule or a pair"),
    ({"a": "Hold()"}, {"peaks": []}, "needs peaks to be a list of at least one"),
    ({"a": "Hold()"}, {"peaks": [0.1, -1]}, r"peaks=\[0.1, -1\]\) needs peaks above 0, got -1"),
    ({"a": "Hold()"}, {"peaks": [math.nan]}, "needs peaks above 0, got nan"),
    ({"a": "Hold()"}, {"peaks": [0.1, 0.1]}, "names 0.1 more than once"),
    ({"a": "Hold()"}, {"seeds": 0}, "needs the number of seeds"),
    ({"a": "Hold()"}, {"seeds": [1, 1]}, "names 1 more than once"),
    ({"a": "Hold()"}, {"seeds": [-1]}, "needs every seed as a whole number"),
    ({"a": "Hold()"}, {"metric": "los"}, "the task measures loss, largest: did you mean loss"),
    ({"a": rw.Plan(lr=rw.Hold(), momentum=rw.Hold())}, {}, "schedules momentum"),
    ({"a": rw.Plan(weight_decay=rw.Hold())}, {}, "schedules weight_decay"),
]  # fmt: skip


@pytest.mark.parametrize(("candidates", "options", "words"), BAD)
def test_a_question_that_cannot_be_answered_is_refused_before_training(
    valleys: Valleys, candidates: dict[Any, Any], options: dict[str, Any], words: str
) -> None:
    """The error names what was given and what to write, and no update has been made."""
    trained: list[int] = []
    valleys.kind = type("Counted", (Valley,), {"train": lambda self, rates: trained.append(1)})
    with pytest.raises(rw.ScheduleError, match=words):
        compare(valleys, candidates, **({"total": 10} | options))
    assert trained == []


def test_a_task_without_a_peak_says_so() -> None:
    """Without `peaks`, a plan's own or the task's, there is no rate to train with."""

    class Bare:
        def open(self, seed: int) -> Valley:
            return Valley(seed)

    with pytest.raises(rw.ScheduleError, match="has no peak learning rate"):
        compare(Bare(), {"a": "Hold()"}, total=5)


def test_what_is_no_task_is_refused() -> None:
    """A model in the place of the task is an error of ours, not an AttributeError."""
    with pytest.raises(rw.ScheduleError, match="needs a task with open"):
        compare(object(), {"a": "Hold()"}, total=5, peaks=[0.1])  # pyright: ignore
