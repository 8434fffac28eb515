"""fastai: its Learner, its own optimizers and those it wraps, its save, load and callbacks."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch

pytest.importorskip("fastai")

from fastai.callback.core import Callback, CancelFitException, CancelStepException
from fastai.callback.schedule import ParamScheduler  # noqa: F401  (it adds fit_one_cycle)
from fastai.callback.tracker import ReduceLROnPlateau, SaveModelCallback
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import SGD, Adam, OptimWrapper, ranger

import ratewise as rw
from ratewise.fastai import FastaiCallback, attach
from ratewise.torch import Scheduler
from tests.trainers.ledger import held
from tests.trainers.tiny import (
    BATCHES,
    EPOCHS,
    LR,
    PLAN,
    TEXT,
    TOTAL,
    Recorder,
    example,
    killed,
    levels,
    line,
    loader,
    planned,
    rates,
)

LISTENING = rw.Warmup(2) >> rw.Plateau(metric="valid_loss", patience=0, factor=0.5)
WRAPPED = functools.partial(OptimWrapper, opt=Recorder)
OPTIMIZERS = {"Adam": Adam, "SGD": functools.partial(SGD, mom=0.9), "torch": WRAPPED}


class Watch(Callback):
    """Reads the rate where the step reads it: the learner's `_step` is behind every callback."""

    order = 1000

    def __init__(self) -> None:
        self.used: list[float] = []

    def before_step(self) -> None:
        self.used.append(float(self.learn.opt.hypers[0]["lr"]))


class At(Callback):
    """Does something behind an update, and may end the fit there."""

    order = 1001

    def __init__(self, at: int, then: Any, end: bool = True) -> None:
        self.at, self.then, self.end = at, then, end

    def after_batch(self) -> None:
        if self.learn.training and len(self.learn.watch.used) == self.at:
            self.then(self.learn)
            if self.end:
                raise CancelFitException


def learner(folder: Any, *callbacks: Any, opt: Any = Adam, batches: int = BATCHES) -> Learner:
    """A learner that trains a line, and watches."""
    learn = Learner(
        DataLoaders(loader(batches), loader()),
        line(),
        loss_func=torch.nn.functional.mse_loss,
        opt_func=opt,
        cbs=[Watch(), *callbacks],
        path=folder,
    )
    learn.logger, learn.create_mbar = lambda *_: None, False
    return learn


def fit(learn: Learner, epochs: int = EPOCHS, **options: Any) -> Learner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        learn.fit(epochs, LR, **options)
    return learn


class Native(Callback):
    """fastai's own way to set a rate, in a callback that writes the hyper-parameter."""

    order = 60

    def before_batch(self) -> None:
        if self.learn.training:
            self.learn.opt.set_hyper("lr", LR * levels()[self.learn.train_iter])


@held("fastai", "rates exact")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_update_has_its_rate(name: str, tmp_path: Any) -> None:
    """With fastai's own optimizers and a wrapped one; the weights are those of fastai's way."""
    ours = fit(learner(tmp_path, FastaiCallback(PLAN), opt=OPTIMIZERS[name]))
    own = fit(learner(tmp_path, Native(), opt=OPTIMIZERS[name]))
    assert ours.watch.used == own.watch.used == rates()
    for one, other in zip(ours.model.parameters(), own.model.parameters(), strict=True):
        assert torch.equal(one, other)
    wide = learner(
        tmp_path,
        FastaiCallback(PLAN),
        GradientAccumulation(4),
        opt=OPTIMIZERS[name],
        batches=4 * BATCHES,
    )
    assert fit(wide).watch.used == rates()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_second_fit_at_another_rate_has_that_as_its_peak(name: str, tmp_path: Any) -> None:
    """As behind `unfreeze()`: a run of its own on an optimizer that has trained."""
    learn = fit(learner(tmp_path, FastaiCallback(PLAN), opt=OPTIMIZERS[name]))
    learn.fit(EPOCHS, LR / 9)
    assert learn.watch.used == [*rates(), *rates(lr=LR / 9)]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("peak", [LR, LR / 9])
def test_a_fit_behind_one_that_broke_off_is_a_run_of_its_own(
    name: str, peak: float, tmp_path: Any
) -> None:
    """A user's error ends a fit in its third update: the next one begins at update 0."""

    def fails(learn: Learner) -> None:
        raise ZeroDivisionError("of the user")

    learn = learner(tmp_path, FastaiCallback(PLAN), At(3, fails), opt=OPTIMIZERS[name])
    with pytest.raises(ZeroDivisionError):
        fit(learn)
    learn.fit(EPOCHS, peak)
    assert learn.watch.used == [*rates()[:3], *rates(lr=peak)]


def test_groups_keep_their_own_rates(tmp_path: Any) -> None:
    """A slice of rates, as for discriminative learning; momentum and decay may be scheduled too."""
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    plan = rw.Plan(lr=PLAN, momentum=rw.Linear(to=0.5), weight_decay=rw.Linear(to=0))
    learn = learner(tmp_path, FastaiCallback(plan))
    learn.model, learn.splitter = model, lambda m: [[*m[0].parameters()], [*m[1].parameters()]]
    seen: list[Any] = []
    learn.add_cb(At(6, lambda one: seen.append([dict(h) for h in one.opt.hypers])))
    learn.fit(EPOCHS, slice(LR / 10, LR))
    told = seen[0]
    assert [hyper["lr"] for hyper in told] == pytest.approx([rates()[5] / 10, rates()[5]])
    assert [hyper["mom"] for hyper in told] == pytest.approx([0.9 * (1 - 0.5 * 5 / 12)] * 2)
    assert [hyper["wd"] for hyper in told] == pytest.approx([0.01 * (1 - 5 / 12)] * 2)
    assert [hyper["lr"] for hyper in learn.opt.hypers] == pytest.approx([LR / 10, LR])
    assert not {key for hyper in learn.opt.hypers for key in hyper if "ratewise" in key}


@held("fastai", "log right")
def test_the_recorder_has_the_rate_of_the_update(tmp_path: Any) -> None:
    """`learn.recorder.lrs`, which is what it plots."""
    for opt in OPTIMIZERS.values():
        assert fit(learner(tmp_path, FastaiCallback(PLAN), opt=opt)).recorder.lrs == rates()


@held(
    "fastai", "optimizer alone, loaded first", "as learn.save writes it, with start_epoch or total"
)
@held(
    "fastai", "optimizer alone, loaded behind", "as learn.save writes it, with start_epoch or total"
)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_alone_resumes_at_every_update(name: str, tmp_path: Any) -> None:
    """Loaded before the callback is there, behind it, or while the fit begins."""
    opt = OPTIMIZERS[name]
    for at in range(1, TOTAL) if name != "SGD" else (1, TOTAL - 1):
        save = At(at, lambda one: one.save("part"))
        first = fit(learner(tmp_path, FastaiCallback(PLAN), save, opt=opt))
        assert first.watch.used == rates()[:at]
        for order in ("before", "behind", "late")[: 3 if at == 6 else 2]:
            learn = learner(tmp_path, opt=opt)
            load = functools.partial(learn.load, "part")
            if order == "before":
                load()
            attach(learn, PLAN, total=TOTAL)
            if order == "behind":
                load()
            if order == "late":
                learn.add_cb(Late(load))
            fit(learn)
            assert learn.watch.used[: TOTAL - at] == rates()[at:], (at, order)
    learn = attach(learner(tmp_path, opt=opt), PLAN).load("part")
    with pytest.raises(rw.ScheduleError, match=r"at update 11.*start_epoch"):
        fit(learn)


class Late(Callback):
    """Loads a checkpoint when the fit has begun, behind every other callback."""

    order = 2000

    def __init__(self, load: Any) -> None:
        self.load_it = load

    def before_train(self) -> None:
        if self.load_it:
            self.load_it()
        self.load_it = None


@held("fastai", "resume by our state")
def test_our_state_resumes(tmp_path: Any) -> None:
    """Loaded before the fit, with a fresh optimizer or with the one that was saved."""
    for at in (1, 5, TOTAL - 1):
        kept: list[Any] = []
        keep = At(at, lambda one, kept=kept: kept.append(one.ratewise.state_dict()))
        fit(learner(tmp_path, FastaiCallback(PLAN), keep))
        learn = attach(learner(tmp_path), PLAN)
        learn.ratewise.load_state_dict(kept[0])
        assert fit(learn).watch.used[: TOTAL - at] == rates()[at:]


@held("fastai", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(tmp_path: Any) -> None:
    """By SIGKILL in the third epoch; what SaveModelCallback wrote is enough, with start_epoch."""

    def train(die: Any) -> None:
        saving = SaveModelCallback(every_epoch=True, with_opt=True)
        fit(learner(tmp_path, FastaiCallback(PLAN), saving, At(10, lambda _: die())))

    killed(train)
    learn = attach(learner(tmp_path), PLAN).load("model_1")
    assert fit(learn, start_epoch=2).watch.used == rates()[8:]


@held("fastai", "metric heard")
def test_a_plateau_hears_the_recorder(tmp_path: Any) -> None:
    """And follows what the same losses, shown by hand, decide."""
    learn = fit(learner(tmp_path, FastaiCallback(LISTENING)))
    at = learn.recorder.metric_names[1:].index("valid_loss")
    losses = [row[at] for row in learn.recorder.values]
    alone = Recorder(line().parameters(), lr=LR)
    by_hand = Scheduler(alone, LISTENING, total=TOTAL)
    for t in range(1, TOTAL + 1):
        alone.step()
        if t % BATCHES == 0:
            by_hand.observe(valid_loss=losses[t // BATCHES - 1])
    assert learn.watch.used == alone.used
    plan = rw.EarlyCool("valid_loss", patience=0, threshold=0.9, decay=3)
    assert len(fit(learner(tmp_path, FastaiCallback(plan))).watch.used) == 2 * BATCHES + 3


@held("fastai", "YAML", "as a text; fastai has no file of config of its own")
def test_a_text_is_the_value(tmp_path: Any) -> None:
    """As it comes out of a file."""
    assert fit(learner(tmp_path, FastaiCallback(TEXT))).watch.used == rates()


def test_updates_that_are_skipped_do_not_count(tmp_path: Any) -> None:
    """As mixed precision skips one that overflowed."""

    class Skip(Callback):
        order = 10

        def before_step(self) -> None:
            if self.learn.train_iter in (1, 5):
                raise CancelStepException

    for opt in OPTIMIZERS.values():
        learn = fit(learner(tmp_path, FastaiCallback(PLAN), Skip(), opt=opt))
        assert learn.watch.used == rates()[: TOTAL - 2]


def test_each_fit_is_a_run_unless_a_total_makes_them_one(tmp_path: Any) -> None:
    """From the start, at the peak that the fit is given; with a total they go on."""
    for opt in (Adam, ranger, WRAPPED):
        learn = fit(learner(tmp_path, FastaiCallback(PLAN), opt=opt))
        assert fit(learn).watch.used == rates() * 2
        learn = fit(learner(tmp_path, FastaiCallback(PLAN, total=2 * TOTAL), opt=opt))
        assert fit(learn).watch.used == rates(2 * TOTAL)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(learner(tmp_path, FastaiCallback(PLAN)), cbs=None)
    assert not [one for one in said if "ratewise" in str(one.filename)]


def test_a_range_test_and_a_validation_are_left_alone(tmp_path: Any) -> None:
    """`lr_find` and `validate` of a learner that follows a schedule are as they were."""
    learn = learner(tmp_path, FastaiCallback(PLAN))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learn.lr_find(1e-5, 1e-2, num_it=12, stop_div=False, show_plot=False)
    assert len({*learn.watch.used}) == len(learn.watch.used) == 12
    learn.watch.used.clear()
    learn.validate()
    assert fit(learn).watch.used == rates()


def test_what_cannot_be_right_is_refused_or_said(tmp_path: Any) -> None:
    """A second schedule, a second writer, a misspelt metric, an optimizer with a past."""
    with pytest.raises(rw.ScheduleError, match="found a ParamScheduler"):
        learner(tmp_path, FastaiCallback(PLAN)).fit_one_cycle(1, LR)
    with pytest.raises(rw.ScheduleError, match="valid_loss"):
        fit(learner(tmp_path, FastaiCallback(rw.Plateau(metric="valid_los", patience=0))))
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        FastaiCallback(PLAN, totl=3)
    with pytest.raises(rw.ScheduleError, match="found a schedule on this learner"):
        attach(attach(learner(tmp_path), PLAN), PLAN)
    with pytest.raises(rw.ScheduleError, match=r"attach\(learn, schedule\)"):
        attach(3, PLAN)
    learn = fit(learner(tmp_path), epochs=1)
    with pytest.raises(rw.ScheduleError, match=r"updates=N"):
        fit(attach(learn, PLAN))
    other = ReduceLROnPlateau(patience=1, factor=2.0, min_delta=1e9)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        learn = fit(learner(tmp_path, FastaiCallback(PLAN), other))
    assert sum("set by somebody else" in str(one.message) for one in said) == 1
    assert learn.watch.used == rates()


def test_the_example() -> None:
    """As fastai's own documents have it, with one line more."""
    _, defined = example("fastai_learner.py")
    assert defined["learn"].recorder.lrs == planned(defined)
