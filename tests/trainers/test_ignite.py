"""PyTorch Ignite: its engine, its loggers' handlers, its Checkpoint."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch

pytest.importorskip("ignite")

from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver
from ignite.handlers.param_scheduler import LRScheduler
from ignite.metrics import Loss

import ratewise as rw
from ratewise.ignite import attach
from ratewise.torch import Scheduler
from tests.trainers.ledger import held
from tests.trainers.tiny import (
    BATCHES,
    EPOCHS,
    LISTENING,
    LR,
    PLAN,
    TEXT,
    TOTAL,
    Recorder,
    copied,
    example,
    killed,
    line,
    loader,
    native,
    planned,
    rates,
    used,
)

MSE = torch.nn.MSELoss()


class Run:
    """A model, its optimizer and the engine that trains it."""

    def __init__(self, plan: Any = PLAN, window: int = 1, **options: Any) -> None:
        self.model = line()
        self.optimizer = Recorder(self.model.parameters(), lr=LR)
        self.trainer = create_supervised_trainer(
            self.model, self.optimizer, MSE, gradient_accumulation_steps=window
        )
        self.evaluator = create_supervised_evaluator(self.model, {"val_loss": Loss(MSE)})
        self.logged: list[float] = []  # as the loggers' handlers of Ignite read it
        if plan is not None:
            self.schedule = attach(self.trainer, self.optimizer, plan, **options)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._log)

    def _log(self) -> None:
        self.logged.append(self.optimizer.param_groups[0]["lr"])

    def go(self, batches: int = BATCHES, until: int | None = None) -> Run:
        stop = self.trainer.add_event_handler(
            Events.ITERATION_COMPLETED(once=until or 10**9), self.trainer.terminate
        )
        self.trainer.run(loader(batches), max_epochs=EPOCHS)
        stop.remove()
        return self


@held("ignite", "rates exact")
def test_every_update_has_its_rate_whatever_the_accumulation() -> None:
    """The rates are the schedule's, and those of PyTorch's own scheduler under Ignite's handler."""
    own = Run(None)
    handler = LRScheduler(native(own.optimizer))
    own.trainer.add_event_handler(Events.ITERATION_STARTED, handler)
    assert used(own.go().optimizer) == used(Run().go().optimizer) == rates()
    window = 4
    run = Run(window=window, accumulation=window).go(BATCHES * window)
    assert used(run.optimizer) == rates()
    assert run.schedule.scheduler.committed == TOTAL


@held("ignite", "log right")
def test_the_log_has_the_rate_of_the_update() -> None:
    """At the start of an iteration and behind it, as with a scheduler of Ignite's own."""
    run, early = Run(), []
    run.trainer.add_event_handler(
        Events.ITERATION_STARTED, lambda: early.append(run.optimizer.param_groups[0]["lr"])
    )
    run.go()
    assert run.logged == early == rates()


@held("ignite", "optimizer alone, loaded first")
@held("ignite", "optimizer alone, loaded behind")
def test_the_optimizer_alone_resumes_at_every_update() -> None:
    """Loaded before attaching, behind it, or when the engine starts."""
    for at in range(1, TOTAL):
        first = Run()
        first.go(until=at)
        states = copied([one.state_dict() for one in (first.optimizer, first.trainer)])
        assert used(first.optimizer) == rates()[:at]
        for order in ("before", "behind", "late"):
            run = Run(None if order == "before" else PLAN)
            run.trainer.load_state_dict(states[1])
            if order == "late":
                load = functools.partial(run.optimizer.load_state_dict, states[0])
                run.trainer.add_event_handler(Events.STARTED, load)
            else:
                run.optimizer.load_state_dict(states[0])
            if order == "before":
                attach(run.trainer, run.optimizer, PLAN)
            assert used(run.go().optimizer) == rates()[at:], (at, order)


@held("ignite", "resume by our state")
def test_our_state_resumes_in_its_checkpoint(tmp_path: Any) -> None:
    """Ignite's Checkpoint writes and reads it, weights only, at each update."""
    for at in (1, 5, TOTAL - 1):
        first = Run()
        objects = {"trainer": first.trainer, "ours": first.schedule}
        saver = Checkpoint(
            objects, DiskSaver(tmp_path, require_empty=False), filename_prefix=f"{at}"
        )
        first.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=at), saver)
        first.go(until=at)
        saved = torch.load(tmp_path / saver.last_checkpoint, weights_only=True)
        run = Run()
        Checkpoint.load_objects({"trainer": run.trainer, "ours": run.schedule}, saved)
        assert used(run.go().optimizer) == rates()[at:]
        assert run.schedule.state_dict()["committed"] == TOTAL


@held("ignite", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(tmp_path: Any) -> None:
    """By SIGKILL, behind an update whose checkpoint was written."""
    path = tmp_path / "run.pt"

    def train(die: Any) -> None:
        run = Run()

        def save() -> None:
            states = {"trainer": run.trainer.state_dict(), "optimizer": run.optimizer.state_dict()}
            torch.save(states, path)

        run.trainer.add_event_handler(Events.ITERATION_COMPLETED, save)
        run.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=7), die)
        run.go()

    killed(train)
    saved, run = torch.load(path, weights_only=True), Run()
    run.trainer.load_state_dict(saved["trainer"])
    run.optimizer.load_state_dict(saved["optimizer"])
    assert used(run.go().optimizer) == rates()[7:]


def plateau(plan: Any = LISTENING) -> Run:
    run = Run(None)
    run.schedule = attach(run.trainer, run.optimizer, plan, evaluator=run.evaluator)
    run.heard = []

    def evaluate() -> None:
        run.evaluator.run(loader())
        run.heard.append(run.evaluator.state.metrics["val_loss"])

    run.trainer.add_event_handler(Events.EPOCH_COMPLETED, evaluate)
    return run


@held("ignite", "metric heard")
def test_a_plateau_hears_the_evaluator() -> None:
    """And follows what a simulation of the same losses says; a run resumed goes on with it."""
    run = plateau().go()
    told = {BATCHES * (i + 1): {"val_loss": loss} for i, loss in enumerate(run.heard)}
    alone = Recorder(line().parameters(), lr=LR)
    by_hand = Scheduler(alone, LISTENING, total=TOTAL)
    for t in range(1, TOTAL + 1):
        alone.step()
        by_hand.observe(told.get(t, {}))
    assert used(run.optimizer) == used(alone)
    assert by_hand.replay() == run.schedule.scheduler.replay()
    first = plateau()
    first.go(until=2 * BATCHES)
    state = copied([first.schedule.state_dict(), first.trainer.state_dict()])
    again = plateau()
    again.schedule.load_state_dict(state[0])
    again.trainer.load_state_dict(state[1])
    again.model.load_state_dict(first.model.state_dict())
    again.optimizer.load_state_dict(first.optimizer.state_dict())
    assert used(again.go().optimizer) == used(run.optimizer)[2 * BATCHES :]


@pytest.mark.parametrize(
    ("measured", "advice"),
    [
        ("good", "was shown mine='good'"),
        (torch.ones(2), "a number"),
        (None, "measured were .*val_"),
    ],
)
def test_a_metric_that_is_no_number_is_refused(measured: Any, advice: str) -> None:
    """Passed over it would never be heard. So with every trainer that shows what it measured."""
    run = plateau(rw.Plateau("mine"))
    run.evaluator.add_event_handler(
        Events.EPOCH_COMPLETED, lambda engine: engine.state.metrics.update(mine=measured)
    )
    with pytest.raises(rw.ScheduleError, match=advice):
        run.go()
    assert len(used(run.optimizer)) == BATCHES


@held("ignite", "YAML", "as a text; Ignite has no file of config of its own")
def test_a_text_is_the_value() -> None:
    """As it comes out of a file."""
    assert used(Run(TEXT).go().optimizer) == rates()


def test_a_schedule_that_finds_its_length_ends_the_run() -> None:
    """The engine is terminated, three updates behind the evaluation that decided."""
    run = plateau(rw.EarlyCool("val_loss", patience=0, threshold=0.9, decay=3))
    assert len(used(run.go().optimizer)) == 2 * BATCHES + 3 < TOTAL


def test_what_cannot_be_right_is_refused_or_said() -> None:
    """A misspelt metric, a second writer, a length that nobody told, an accumulation unknown."""
    run = Run(None)
    attach(
        run.trainer,
        run.optimizer,
        rw.Plateau(metric="val_los", patience=0),
        evaluator=run.evaluator,
    )
    run.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: run.evaluator.run(loader()))
    with pytest.raises(rw.ScheduleError, match="val_los"):
        run.go()
    run = Run()
    other = torch.optim.lr_scheduler.ExponentialLR(run.optimizer, 0.9)
    run.trainer.add_event_handler(Events.ITERATION_STARTED, LRScheduler(other))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run.go()
    told = [str(one.message) for one in said if "set by somebody else" in str(one.message)]
    assert len(told) == 1
    assert "ExponentialLR" in told[0]
    assert used(run.optimizer) == rates()
    with pytest.warns(UserWarning, match="accumulation"):
        Run(window=2).go()
    for wrong in ({"accumulation": 0}, {"acumulation": 2}, {"evaluator": 3}, {"resume": "x"}):
        with pytest.raises(rw.ScheduleError):
            Run(**wrong)
    with pytest.raises(rw.ScheduleError, match=r"attach\(trainer, optimizer, schedule\)"):
        attach(3, run.optimizer, PLAN)
    with pytest.raises(rw.ScheduleError, match="attach once for each"):
        attach(run.trainer, [run.optimizer, Run(None).optimizer], PLAN)
    other = Run()
    attach(other.trainer, other.optimizer, PLAN)
    with pytest.raises(rw.ScheduleError, match="found a schedule on this"):
        other.go()


def test_several_optimizers_have_a_schedule_each() -> None:
    """As those of a GAN, in one engine."""
    run, more = Run(), Run(None)
    attach(run.trainer, more.optimizer, PLAN, total=2 * TOTAL)

    def update() -> None:
        more.model(torch.ones(1, 1)).sum().backward()
        more.optimizer.step()
        more.optimizer.step()

    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, update)
    run.go()
    assert used(run.optimizer) == rates()
    assert used(more.optimizer) == rates(2 * TOTAL)


def test_a_second_run_is_a_run_of_its_own_and_a_longer_one_is_asked_about() -> None:
    """From the start, at the peaks; `max_epochs` raised needs a total."""
    run = Run().go()
    run.go()
    assert used(run.optimizer) == rates() * 2
    with pytest.raises(rw.ScheduleError, match=r"give attach\(…, total=16\)"):
        run.trainer.run(loader(), max_epochs=EPOCHS + 1)


def test_the_example() -> None:
    """As Ignite's own documents have it, with one line more."""
    heard, defined = example("ignite_engine.py")
    assert heard == planned(defined)
