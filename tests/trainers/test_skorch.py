"""skorch: its fit, its history, its Checkpoint and LoadInitState."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import pytest
import torch

pytest.importorskip("skorch")

from sklearn.base import clone
from skorch import NeuralNetRegressor
from skorch.callbacks import Callback, Checkpoint, LoadInitState, LRScheduler
from skorch.helper import predefined_split

import ratewise as rw
from ratewise.skorch import SkorchCallback, attach
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
    copied,
    example,
    killed,
    levels,
    line,
    planned,
    rates,
    rows,
    used,
)

LISTENING = rw.Warmup(2) >> rw.Plateau(metric="valid_loss", patience=0, factor=0.5)


class StopAt(Callback):
    """Ends a run behind an update, and keeps what a checkpoint there would hold."""

    def __init__(self, at: int, then: Any = None) -> None:
        self.at, self.then = at, then

    def on_batch_end(self, net: Any, training: bool = False, **parts: Any) -> None:
        if training and len(used(net.optimizer_)) == self.at:
            self.then(net)
            raise KeyboardInterrupt


def net_of(*callbacks: Any, epochs: int = EPOCHS, **options: Any) -> NeuralNetRegressor:
    """A net that trains a line."""
    held_out = rows(BATCHES)
    return NeuralNetRegressor(
        line(),
        optimizer=Recorder,
        lr=LR,
        batch_size=1,
        max_epochs=epochs,
        iterator_train__shuffle=False,
        train_split=predefined_split(held_out),
        callbacks=list(callbacks),
        callbacks__print_log=None,  # it holds `print`, which others replace: no net is pickled then
        verbose=0,
        **options,
    )


def data() -> tuple[Any, Any]:
    return rows().tensors


def fit(*callbacks: Any, **options: Any) -> NeuralNetRegressor:
    return net_of(*callbacks, **options).fit(*data())


@held("skorch", "rates exact")
def test_every_update_has_its_rate() -> None:
    """And skorch's own callback, around PyTorch's scheduler, has the same ones."""
    shape = [*levels(), 0.0]
    own = LRScheduler(
        torch.optim.lr_scheduler.LambdaLR, step_every="batch", lr_lambda=lambda t: shape[t]
    )
    assert used(fit(own).optimizer_) == used(fit(SkorchCallback(PLAN)).optimizer_) == rates()
    net = attach(net_of(), PLAN).fit(*data())
    assert used(net.optimizer_) == rates()
    assert used(clone(net).fit(*data()).optimizer_) == rates()


@held("skorch", "log right")
def test_the_history_has_the_rate_of_the_update() -> None:
    """In every batch as with skorch's own callback, and for an epoch that of its last update."""
    history = fit(SkorchCallback(PLAN)).history
    assert [rate for epoch in history[:, "batches", :, "event_lr"] for rate in epoch] == rates()
    assert history[:, "event_lr"] == rates()[BATCHES - 1 :: BATCHES]


@held("skorch", "optimizer alone, loaded first", "skorch makes max_epochs more, so total is given")
@held("skorch", "optimizer alone, loaded behind", "skorch makes max_epochs more, so total is given")
def test_the_optimizer_alone_resumes_at_every_update() -> None:
    """Loaded before the callback is there, or behind it; without a total it is asked."""
    for at in range(1, TOTAL):
        kept: list[Any] = []
        stop = StopAt(at, lambda net, kept=kept: kept.append(copied(net.optimizer_.state_dict())))
        fit(SkorchCallback(PLAN), stop)
        for order in ("before", "behind"):
            net = net_of() if order == "before" else net_of(SkorchCallback(PLAN, total=TOTAL))
            net.initialize()
            net.optimizer_.load_state_dict(kept[0])
            if order == "before":
                net.callbacks_.insert(0, ("ours", SkorchCallback(PLAN, total=TOTAL).initialize()))
            net.partial_fit(*data())
            assert used(net.optimizer_)[: TOTAL - at] == rates()[at:], (at, order)
            assert set(used(net.optimizer_)[TOTAL - at :]) == {LR * 0.1}  # held past the end
    net = net_of(SkorchCallback(PLAN)).initialize()
    net.optimizer_.load_state_dict(kept[0])
    with pytest.raises(rw.ScheduleError, match=r"at update 11,.*total=…\), 12 for"):
        net.partial_fit(*data())


@held("skorch", "resume by our state", "in the pickle of the net, or as state_dict() gives it")
def test_our_state_resumes() -> None:
    """A pickled net goes on, and so does a state that was loaded before the first epoch."""
    for at in (1, 5, TOTAL - 1):
        kept: list[Any] = []

        def keep(net: Any, kept: list[Any] = kept) -> None:
            ours = dict(net.callbacks_)["SkorchCallback"]
            kept.extend([copied(ours.state_dict()), pickle.dumps(net.optimizer_.state_dict())])

        fit(SkorchCallback(PLAN), StopAt(at, keep))
        ours = SkorchCallback(PLAN)
        net = net_of(ours).initialize()
        dict(net.callbacks_)["SkorchCallback"].load_state_dict(kept[0])
        net.partial_fit(*data())
        assert used(net.optimizer_)[: TOTAL - at] == rates()[at:]
    net = net_of(SkorchCallback(PLAN, total=2 * TOTAL)).fit(*data())
    again = pickle.loads(pickle.dumps(net))
    again.optimizer_.__dict__["used"] = []
    again.partial_fit(*data())
    assert used(again.optimizer_) == rates(2 * TOTAL)[TOTAL:]


@held("skorch", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(tmp_path: Any) -> None:
    """By SIGKILL in the third epoch; skorch's own Checkpoint and LoadInitState take it up."""

    def saving() -> Checkpoint:
        return Checkpoint(monitor=None, dirname=str(tmp_path))

    killed(lambda die: fit(SkorchCallback(PLAN), saving(), StopAt(10, lambda net: die())))
    net = fit(SkorchCallback(PLAN, total=TOTAL), LoadInitState(saving()), epochs=1)
    assert used(net.optimizer_) == rates()[8:]
    assert len(net.history) == EPOCHS


@held("skorch", "metric heard")
def test_a_plateau_hears_the_history() -> None:
    """And follows what the same losses, shown by hand, decide."""
    net = fit(SkorchCallback(LISTENING))
    losses = net.history[:, "valid_loss"]
    alone = Recorder(line().parameters(), lr=LR)
    by_hand = Scheduler(alone, LISTENING, total=TOTAL)
    for t in range(1, TOTAL + 1):
        alone.step()
        if t % BATCHES == 0:
            by_hand.observe(valid_loss=losses[t // BATCHES - 1])
    assert used(net.optimizer_) == used(alone)
    plan = rw.EarlyCool("valid_loss", patience=0, threshold=0.9, decay=3)
    assert len(used(fit(SkorchCallback(plan)).optimizer_)) == 2 * BATCHES + 3


@held("skorch", "YAML", "as a text; skorch has no file of config of its own")
def test_a_text_is_the_value() -> None:
    """As it comes out of a file."""
    assert used(fit(SkorchCallback(TEXT)).optimizer_) == rates()


def test_what_cannot_be_right_is_refused_or_said() -> None:
    """A misspelt metric or argument, another optimizer, a second schedule, a second writer."""
    with pytest.raises(rw.ScheduleError, match="valid_loss"):
        fit(SkorchCallback(rw.Plateau(metric="valid_los", patience=0)))
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        SkorchCallback(PLAN, totl=3)
    with pytest.raises(rw.ScheduleError, match="no optimizer 'critic'"):
        fit(SkorchCallback(PLAN, optimizer="critic"))
    with pytest.raises(rw.ScheduleError, match="found a schedule on this net"):
        attach(attach(net_of(), PLAN), PLAN)
    with pytest.raises(rw.ScheduleError, match=r"attach\(net, schedule\)"):
        attach(3, PLAN)
    other = LRScheduler(torch.optim.lr_scheduler.ExponentialLR, step_every="batch", gamma=0.9)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = fit(SkorchCallback(PLAN), other)
    told = [str(one.message) for one in said if "set by somebody else" in str(one.message)]
    assert len(told) == 1
    assert "ExponentialLR" in told[0]
    assert used(net.optimizer_) == rates()


def test_each_fit_is_a_run_unless_a_total_makes_them_one() -> None:
    """From the start, at the peaks; with a total they go on where the last one ended."""
    net = fit(SkorchCallback(PLAN))
    net.partial_fit(*data())
    assert used(net.optimizer_) == rates() * 2
    net = fit(SkorchCallback(PLAN, total=2 * TOTAL))
    net.partial_fit(*data())
    assert used(net.optimizer_) == rates(2 * TOTAL)


def test_the_example() -> None:
    """As skorch's own documents have it, with one line more."""
    heard, defined = example("skorch_net.py")
    assert heard == planned(defined)


def test_a_run_behind_one_that_broke_off_is_one_of_its_own() -> None:
    """A user's error ends a run in its third update: `partial_fit` begins at update 0."""

    class Fails(Callback):
        def on_batch_end(self, net: Any, **parts: Any) -> None:
            if len(used(net.optimizer_)) == 3:
                raise ZeroDivisionError

    net = net_of(SkorchCallback(PLAN), Fails())
    with pytest.raises(ZeroDivisionError):
        net.fit(*data())
    net.partial_fit(*data())
    assert used(net.optimizer_) == [*rates()[:3], *rates()]
