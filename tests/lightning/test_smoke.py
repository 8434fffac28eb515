"""Runs that only try whether the code runs: a schedule too long for them is no hindrance."""

from __future__ import annotations

import warnings
from typing import Any

import lightning
import pytest

import ratewise as rw
from ratewise.lightning import attach
from tests.lightning import tiny

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:Detected call of:UserWarning")
PLANS = {
    "a warm-up": rw.Warmup(5),
    "a warm-up and a decay": rw.Warmup(500) >> rw.Cosine(to=0),
    "a share": rw.Warmup("5%") >> rw.Linear(to=0),
    "steps": rw.Step(0.1, at=(300, 600)),
    "epochs": rw.Warmup("2 epochs") >> rw.Linear(to=0),
    "warmup, stay, cool down": rw.Warmup(50) >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    "a plateau": rw.Warmup(50) >> rw.Plateau("val_loss"),
    "cycles": rw.Warmup(50) >> rw.Repeat(rw.Cosine(to=0), every=100),
    "momentum too": rw.OneCycle(),
    "a plan": rw.Plan(lr=rw.Warmup(50) >> rw.Linear(to=0), weight_decay=rw.Hold()),
}


def told(act: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found if "attach" in str(one.message)]


class Momentum(tiny.Module):
    """Has what plans of other keys need."""

    def configure_optimizers(self) -> Any:
        self.made = tiny.Recorder(self.parameters(), lr=tiny.LR, momentum=0.9, weight_decay=0.1)
        return self.made


@pytest.mark.parametrize("flag", [True, 3])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_fast_dev_run_runs(plan: Any, flag: Any) -> None:
    """Its batches are trained, with rates up to the peak, and at most one warning says so."""
    module = attach(Momentum(), plan)
    said = told(lambda: tiny.fit(module, 20, validation=1, fast_dev_run=flag))
    used = tiny.used(module.made)
    assert len(used) == int(flag)
    assert all(0 <= rate <= tiny.LR for rate in used)
    assert len(said) <= 1


def test_what_does_not_fit_is_the_beginning_of_a_longer_run() -> None:
    """A fixed warm-up climbs as it does in the real run, and the warning names flag and length."""
    module = attach(tiny.Module(), rw.Warmup(5) >> rw.Cosine(to=0))
    (said,) = told(lambda: tiny.fit(module, 20, fast_dev_run=3))
    assert tiny.used(module.made) == tiny.rates(rw.Warmup(5) >> rw.Cosine(to=0), 40)[:3]
    assert "3 updates of a trial with fast_dev_run=3" in said


def test_what_fits_is_run_whole_and_nothing_is_said() -> None:
    """The rates of a trial into which the lengths fit are those of a run of that length."""
    module = attach(tiny.Module(), rw.Linear(to=0))
    assert told(lambda: tiny.fit(module, 20, fast_dev_run=4)) == []
    assert tiny.used(module.made) == tiny.rates(rw.Linear(to=0), 4)


def test_a_total_that_was_given_is_kept() -> None:
    """The real length, given by hand, needs no help."""
    module = attach(tiny.Module(), rw.Warmup(5) >> rw.Cosine(to=0), total=100)
    assert told(lambda: tiny.fit(module, 20, fast_dev_run=True)) == []
    assert tiny.used(module.made) == tiny.rates(rw.Warmup(5) >> rw.Cosine(to=0), 100)[:1]


def test_inside_configure_optimizers_and_for_several_optimizers() -> None:
    """Each optimizer's schedule fits, whichever is the longest."""

    class Two(tiny.Module):
        def configure_optimizers(self) -> Any:
            made = super().configure_optimizers()
            return attach(made, rw.Warmup(70) >> rw.Hold(), module=self)

    module = Two()
    (said,) = told(lambda: tiny.fit(module, 20, fast_dev_run=True))
    assert "fast_dev_run=True" in said
    assert tiny.used(module.made) == [tiny.LR / 71]


def test_a_run_on_few_batches_to_overfit_is_a_trial_too() -> None:
    """`overfit_batches` says so as well; the rates are the beginning of a longer run."""
    plan = rw.Warmup(50) >> rw.Linear(to=0)
    module = attach(tiny.Module(), plan)
    (said,) = told(lambda: tiny.fit(module, 20, overfit_batches=2, max_epochs=5))
    assert "overfit_batches=2" in said
    climb = [tiny.LR * t / 51 for t in range(1, 11)]
    assert tiny.used(module.made) == pytest.approx(climb, rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"max_steps": 1}, {"max_epochs": 1, "limit_train_batches": 1}, {"max_epochs": 1}],
    ids=str,
)
def test_a_short_run_that_is_no_trial_is_refused(options: Any) -> None:
    """Where the trainer says nothing of a trial, lengths that do not fit are a mistake."""
    with pytest.raises(rw.ScheduleError, match=r"does not fit in total=1|does not fit"):
        tiny.fit(attach(tiny.Module(), rw.Warmup(5)), 1, **options)


@pytest.mark.parametrize(
    "plan", [rw.Warmup("3M tokens") >> rw.Hold(), rw.Plan(groups={"head": rw.Hold()})]
)
def test_what_no_length_helps_is_refused_as_ever(plan: Any) -> None:
    """A unit or a group that nobody knows is as wrong in a trial as in the run."""
    with pytest.raises(rw.ScheduleError, match=r"tokens|head"):
        tiny.fit(attach(tiny.Module(), plan), 5, fast_dev_run=True)


class Hand(lightning.Callback):
    """Sets the rate before a batch, as a callback of somebody's own."""

    def on_train_batch_start(self, trainer: Any, module: Any, *rest: Any) -> None:
        if trainer.global_step == 2:
            module.made.param_groups[0]["lr"] = 0.5


@pytest.mark.parametrize("policy", ["warn", "ignore", "follow", "refuse"])
def test_a_rate_set_by_a_callback_meets_the_policy(policy: str) -> None:
    """`attach(by_hand=…)` is that of `Scheduler`."""
    plan = rw.Linear(to=0)
    module = attach(tiny.Module(), plan, by_hand=policy)
    fit = lambda: tiny.fit(module, 4, max_epochs=1, callbacks=[Hand()])  # noqa: E731
    if policy == "refuse":
        with pytest.raises(rw.ScheduleError, match=r"lr=0.5 in group 0 at update 2"):
            fit()
        return
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit()
    assert sum("set by somebody else" in str(one.message) for one in found) == (policy == "warn")
    wanted = tiny.rates(plan, 4)
    wanted[2:] = [0.5, 0.25] if policy == "follow" else wanted[2:]
    assert tiny.used(module.made) == pytest.approx(wanted, rel=1e-12)
