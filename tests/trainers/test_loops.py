"""Loops that people copy: timm's script, Fabric's, optimizers in the backward pass, or several.

Their loop calls our `Scheduler` as it calls its own; nothing else of ratewise is in it.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import sys
import types
import warnings
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import CSVLogger

import ratewise as rw
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

DECAY = 0.5


class Loop:
    """A plain loop, which every other one here is a variant of.

    Attributes:
        optimizers: What is stepped; each keeps the rates of its updates.
        log: The rates that the loop itself writes down.
    """

    def __init__(self, plan: Any = PLAN, folder: Any = None, begin: int = 0) -> None:
        self.model, self.folder, self.done = line(), folder, begin
        self.log: list[float] = []
        self.optimizers = self.build()
        self.scheduler: Any = None
        if plan is not None:
            self.bind(plan)

    def build(self) -> list[Any]:
        return [Recorder(self.model.parameters(), lr=LR)]

    def bind(self, plan: Any) -> None:
        self.scheduler = Scheduler(self.optimizers[0], plan, total=TOTAL)

    def backward(self) -> None:
        x, y = loader().dataset[self.done % BATCHES]
        (self.model(x) - y).square().mean().backward()

    def step(self) -> None:
        for one in self.optimizers:
            one.step()
            one.zero_grad()

    def update(self) -> None:
        self.backward()
        self.step()
        self.done += 1
        self.log.append(float(self.scheduler.get_last_lr()[0]))

    def go(self, until: int = TOTAL, after: Any = None) -> Any:
        while self.done < until:
            self.update()
            if after is not None:
                after(self)
        return self

    def states(self) -> list[Any]:
        return [one.state_dict() for one in self.optimizers]

    def load(self, states: list[Any]) -> None:
        for one, state in zip(self.optimizers, states, strict=True):
            one.load_state_dict(state)

    def rates(self) -> list[list[float]]:
        return [used(one) for one in self.optimizers]

    def wanted(self, begin: int = 0) -> list[list[float]]:
        return [rates()[begin:] for _ in self.optimizers]


class Timm(Loop):
    """timm's script: groups with `lr_scale`, `step_update` and `step(epoch, metric)`.

    Its log is the mean of the rates of the groups, before the scheduler is called.
    """

    def build(self) -> list[Any]:
        weight, bias = self.model.parameters()
        groups = [{"params": [weight], "lr_scale": DECAY}, {"params": [bias], "lr_scale": 1.0}]
        return [Recorder(groups, lr=LR)]

    def wanted(self, begin: int = 0) -> list[list[float]]:
        return [[DECAY * rate for rate in rates()[begin:]]]

    def update(self) -> None:
        if self.done and not self.log:  # a run that was resumed begins with this
            self.scheduler.step_update(self.done)
        self.backward()
        self.step()
        self.done += 1
        each = [group["lr"] for group in self.optimizers[0].param_groups]
        self.log.append(sum(each) / len(each) * DECAY / ((1 + DECAY) / 2))
        self.scheduler.step_update(num_updates=self.done, metric=1e9)
        if self.done % BATCHES == 0:
            self.scheduler.step(self.done // BATCHES, 1.0)


class InFabric(Loop):
    """Fabric: its setup, its accumulation without synchronisation, its logger."""

    def build(self) -> list[Any]:
        logger = [] if self.folder is None else [CSVLogger(self.folder, flush_logs_every_n_steps=1)]
        self.fabric = Fabric(accelerator="cpu", devices=1, loggers=logger)
        self.inner = Recorder(self.model.parameters(), lr=LR)
        self.model, self.optimizer = self.fabric.setup(self.model, self.inner)
        return [self.optimizer]

    def update(self) -> None:
        for window in range(2):
            with self.fabric.no_backward_sync(self.model, enabled=window == 0):
                x, y = loader().dataset[self.done % BATCHES]
                self.fabric.backward((self.model(x) - y).square().mean() / 2)
        self.step()
        self.done += 1
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.log.append(rate)
        self.fabric.log("lr", rate, step=self.done)

    def rates(self) -> list[list[float]]:
        return [used(self.inner)]


class InBackward(Loop):
    """An optimizer for each parameter, stepped as soon as its gradient is there."""

    def build(self) -> list[Any]:
        self.each = {weight: Recorder([weight], lr=LR) for weight in self.model.parameters()}
        for weight in self.each:
            weight.register_post_accumulate_grad_hook(self._stepped)
        return list(self.each.values())

    def _stepped(self, weight: Any) -> None:
        self.each[weight].step()
        self.each[weight].zero_grad()

    def bind(self, plan: Any) -> None:
        self.scheduler = Scheduler(self.each, plan, total=TOTAL)

    def step(self) -> None:
        """Nothing is left to do."""


class Several(Loop):
    """Two optimizers in one list, as a Muon beside an AdamW."""

    def build(self) -> list[Any]:
        weight, bias = self.model.parameters()
        return [Recorder([weight], lr=LR), Recorder([bias], lr=LR)]

    def bind(self, plan: Any) -> None:
        self.scheduler = Scheduler(self.optimizers, plan, total=TOTAL)


LOOPS = (Timm, InFabric, InBackward, Several)
every = pytest.mark.parametrize("kind", LOOPS, ids=lambda kind: kind.__name__)


@held("timm", "rates exact", "the loop of its script; lr_scale is kept")
@held("Fabric", "rates exact")
@held("optimizer in backward", "rates exact")
@held("several optimizers", "rates exact")
@every
def test_every_update_has_its_rate(kind: Any) -> None:
    """As with PyTorch's own scheduler, stepped behind each update of a loop of its own."""
    run = kind().go()
    assert run.rates() == run.wanted()
    alone = Recorder(line().parameters(), lr=run.wanted()[0][0] / rates()[0] * LR)
    other = native(alone)
    for _ in range(TOTAL):
        alone.step()
        other.step()
    assert run.rates()[0] == used(alone)


def schedulers_of_timm() -> Any:
    """timm's schedulers; without torchvision the rest of timm cannot be imported."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("timm is not installed")
    if importlib.util.find_spec("torchvision") is None and "timm" not in sys.modules:
        package = types.ModuleType("timm")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["timm"] = package
    return importlib.import_module("timm.scheduler")


def test_timms_own_scheduler_in_the_same_loop() -> None:
    """Its cosine and ours have the same rates, group by group."""
    own, ours = Timm(None), Timm(rw.Cosine(to=0))
    own.scheduler = schedulers_of_timm().CosineLRScheduler(
        own.optimizers[0], t_initial=TOTAL, t_in_epochs=False
    )
    assert ours.go().rates()[0] == pytest.approx(own.go().rates()[0], rel=1e-9)
    assert ours.log == pytest.approx(own.log, rel=1e-9)


@held("timm", "log right", "the rates of the groups, read before its scheduler is called")
@held("Fabric", "log right", "in its CSV logger")
@held("optimizer in backward", "log right", "as get_last_lr() gives them")
@held("several optimizers", "log right", "as get_last_lr() gives them")
@every
def test_the_log_has_the_rate_of_the_update(kind: Any, tmp_path: Any) -> None:
    """In what the loop itself writes down, and in the file of Fabric's logger."""
    run = kind(folder=tmp_path).go()
    assert run.log == pytest.approx(run.wanted()[0], rel=1e-12)
    if kind is InFabric:
        run.fabric.logger.finalize("success")
        with open(f"{run.fabric.logger.log_dir}/metrics.csv", encoding="utf-8") as file:
            assert [float(row["lr"]) for row in csv.DictReader(file)] == rates()


@held("timm", "optimizer alone, loaded first")
@held("timm", "optimizer alone, loaded behind")
@held("Fabric", "optimizer alone, loaded first", "as fabric.save writes it")
@held("Fabric", "optimizer alone, loaded behind", "as fabric.save writes it")
@held("optimizer in backward", "optimizer alone, loaded first")
@held("optimizer in backward", "optimizer alone, loaded behind")
@held("several optimizers", "optimizer alone, loaded first")
@held("several optimizers", "optimizer alone, loaded behind")
@every
def test_the_optimizers_alone_resume_at_every_update(kind: Any, tmp_path: Any) -> None:
    """Loaded before the scheduler is made, or behind it."""
    for at in range(1, TOTAL):
        first = kind().go(at)
        if kind is InFabric:
            first.fabric.save(tmp_path / "run.pt", {"optimizer": first.optimizer})
            states = [torch.load(tmp_path / "run.pt", weights_only=True)["optimizer"]]
        else:
            states = copied(first.states())
        for order in ("before", "behind"):
            run = kind(None if order == "before" else PLAN, begin=at)
            run.load(states)
            if order == "before":
                run.bind(PLAN)
            assert run.go().rates() == run.wanted(at), (at, order)


@held("timm", "resume by our state")
@held("Fabric", "resume by our state")
@held("optimizer in backward", "resume by our state")
@held("several optimizers", "resume by our state")
@every
def test_our_state_resumes(kind: Any, tmp_path: Any) -> None:
    """Without the optimizers', and weights only."""
    for at in (1, 5, TOTAL - 1):
        torch.save(kind().go(at).scheduler.state_dict(), tmp_path / "ours.pt")
        run = kind(begin=at)
        run.scheduler.load_state_dict(torch.load(tmp_path / "ours.pt", weights_only=True))
        assert run.go().rates() == run.wanted(at)


@held("timm", "killed and resumed")
@held("Fabric", "killed and resumed")
@held("optimizer in backward", "killed and resumed")
@held("several optimizers", "killed and resumed")
@every
def test_a_run_that_was_killed_is_taken_up(kind: Any, tmp_path: Any) -> None:
    """By SIGKILL behind the seventh update, from what was saved of the optimizers."""

    def train(die: Any) -> None:
        def after(run: Any) -> None:
            torch.save(run.states(), tmp_path / "run.pt")
            if run.done == 7:
                die()

        kind().go(after=after)

    killed(train)
    run = kind(begin=7)
    run.load(torch.load(tmp_path / "run.pt", weights_only=True))
    assert run.go().rates() == run.wanted(7)


@held("timm", "metric heard", "as step(epoch, metric); the number of the epoch is none")
@held("Fabric", "metric heard", "as scheduler.observe(val_loss=…)")
@held("optimizer in backward", "metric heard", "as scheduler.observe(val_loss=…)")
@held("several optimizers", "metric heard", "as scheduler.observe(val_loss=…)")
@every
def test_a_plateau_hears_what_was_measured(kind: Any) -> None:
    """Its third epoch is at half the rate, since the second was no better than the first."""

    def measure(run: Any) -> None:
        if kind is not Timm and run.done % BATCHES == 0:
            run.scheduler.observe(val_loss=1.0)

    run = kind(LISTENING).go(after=measure)
    peak = run.wanted()[0][3]
    assert run.rates()[0][2 : 2 * BATCHES] == [peak] * (2 * BATCHES - 2)
    assert run.rates()[0][2 * BATCHES :] == [peak / 2] * BATCHES
    assert len(run.rates()[0]) == BATCHES * EPOCHS


@held("timm", "YAML", "as a text; its own arguments are read by ratewise.convert.read")
@held("Fabric", "YAML", "as a text; Fabric has no file of config of its own")
@held("optimizer in backward", "YAML", "as a text")
@held("several optimizers", "YAML", "as a text")
@every
def test_a_text_is_the_value(kind: Any) -> None:
    """As it comes out of a file."""
    run = kind(TEXT).go()
    assert run.rates() == run.wanted()


@every
def test_a_second_writer_is_named_once(kind: Any) -> None:
    """And the schedule's rates are used."""
    run = kind()
    other = torch.optim.lr_scheduler.ExponentialLR(Scheduler.of(run.optimizers[0]).optimizer, 0.9)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run.go(after=lambda _: other.step())
    told = [str(one.message) for one in said if "set by somebody else" in str(one.message)]
    assert len(told) == 1
    assert "ExponentialLR" in told[0]
    assert run.rates() == run.wanted()


def test_the_examples() -> None:
    """Each is the loop above, in a script."""
    heard, defined = example("timm_script.py")
    assert heard == [DECAY * rate for rate in planned(defined)]
    heard, defined = example("fabric_loop.py")
    assert heard == planned(defined)
    for name in ("optimizer_in_backward.py", "several_optimizers.py"):
        heard, defined = example(name)
        assert heard[::2] == heard[1::2] == planned(defined)
