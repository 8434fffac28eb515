"""Runs that go on from the optimizer's checkpoint, and trainers that count for themselves."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as native

import ratewise as rw
from ratewise.torch import Scheduler
from tests.edges.rows import edge, refused
from tests.edges.runs import made, step, warned

RESUME, TRAINER = "a checkpoint of the optimizer alone", "a trainer that counts for itself"
PLAN = rw.Warmup(2) >> rw.Cosine(to=0.1)
RATES = [0.1 * level for level in PLAN.resolve(total=10).values().tolist()]


def adam() -> Any:
    return Adam([torch.nn.Parameter(torch.ones(2))], lr=0.1)


def used(optimizer: Any, updates: int) -> list[float]:
    return [rate for (rate,) in step(optimizer, updates)]


@edge(RESUME, "8 updates, `optimizer.state_dict()` saved and loaded, then a new `Scheduler`")
def loaded_first() -> str:
    saved, fresh = adam(), adam()
    Scheduler(saved, PLAN, total=10)
    step(saved, 8)
    fresh.load_state_dict(copy.deepcopy(saved.state_dict()))
    scheduler = Scheduler(fresh, PLAN, total=10)
    assert (scheduler.committed, scheduler.base_lrs) == (8, [0.1])
    assert used(fresh, 2) == RATES[8:]
    return "goes on at update 8 with its rate and peak"


@edge(RESUME, "the same, loaded behind the `Scheduler`, of an optimizer that has no state")
def loaded_behind() -> str:
    saved, fresh = made(0.1), made(0.1)
    Scheduler(saved, PLAN, total=10)
    step(saved, 8)
    scheduler = Scheduler(fresh, PLAN, total=10)
    fresh.load_state_dict(copy.deepcopy(saved.state_dict()))
    assert scheduler.committed == 8
    assert used(fresh, 2) == RATES[8:]
    return "goes on at update 8 with its rate and peak"


@edge(RESUME, "a state of a run with PyTorch's own scheduler: moments and a peak, no count")
def of_torch() -> str:
    saved, fresh = adam(), adam()
    scheduler = native.CosineAnnealingLR(saved, 10)
    for _ in range(4):
        step(saved)
        scheduler.step()
    fresh.load_state_dict(copy.deepcopy(saved.state_dict()))
    ours = Scheduler(fresh, PLAN, total=10)
    told = refused(lambda: step(fresh), "how many updates", "updates=N", "own step says 4")
    ours.seek(4)
    assert used(fresh, 1) == RATES[4:5]
    return told


@edge(RESUME, "the optimizer's state of update 5, the scheduler's of update 3")
def of_two_updates() -> str:
    one, fresh = adam(), adam()
    scheduler = Scheduler(one, PLAN, total=10)
    step(one, 3)
    own = scheduler.state_dict()
    step(one, 2)
    fresh.load_state_dict(copy.deepcopy(one.state_dict()))
    again = Scheduler(fresh, PLAN, total=10)
    return refused(lambda: again.load_state_dict(own), "update 3", "update 5")


@edge(RESUME, "a schedule that listens, whose optimizer alone was saved")
def listening() -> str:
    one, fresh = adam(), adam()
    scheduler = Scheduler(one, rw.Plateau("loss"))
    step(one, 3)
    scheduler.observe(loss=1.0)
    fresh.load_state_dict(copy.deepcopy(one.state_dict()))
    Scheduler(fresh, rw.Plateau("loss"))
    return refused(lambda: step(fresh), "decides by metrics", "seek(3)")


@edge(RESUME, "`get_state_dict(model, optimizer)` on a fresh optimizer, which steps it at rate 0")
def distributed() -> str:
    from torch.distributed.checkpoint.state_dict import get_state_dict

    model = torch.nn.Linear(2, 2)
    optimizer = Adam(model.parameters(), lr=0.1)
    scheduler = Scheduler(optimizer, PLAN, total=10)
    before = copy.deepcopy(model.state_dict())
    get_state_dict(model, optimizer)
    assert scheduler.committed == 0
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    return "no update: nothing is counted, no weight moves"


@edge(TRAINER, "Ultralytics sets `scheduler.last_epoch = start_epoch - 1`")
def ultralytics() -> str:
    optimizer = made(0.1)
    scheduler = Scheduler(optimizer, PLAN, total=10)
    scheduler.last_epoch = -1
    step(optimizer, 6)
    state = copy.deepcopy(optimizer.state_dict())
    fresh = made(0.1)
    again = Scheduler(fresh, PLAN, total=10)
    fresh.load_state_dict(state)
    again.last_epoch = 1
    assert used(fresh, 4) == RATES[6:]
    return "the updates count, at the start and resumed in its third epoch"


@edge(
    TRAINER, "Ignite writes `get_lr()` and adds 1 to `last_epoch` at each of 3 accumulated batches"
)
def ignite() -> str:
    optimizer = made(0.1)
    scheduler = Scheduler(optimizer, PLAN, total=10)
    seen: list[float] = []

    def loop() -> None:
        for batch in range(30):
            (optimizer.param_groups[0]["lr"],) = scheduler.get_lr()
            scheduler.last_epoch += 1
            if batch % 3 == 2:
                seen.extend(used(optimizer, 1))

    assert warned(loop) == []
    assert seen == RATES
    return "each update has its rate, and nothing warns"


@edge(TRAINER, "skorch makes a scheduler again, with `last_epoch=` its epochs")
def skorch() -> str:
    optimizer = made(0.1)
    Scheduler(optimizer, PLAN, total=10)
    step(optimizer, 6)
    Scheduler(optimizer, PLAN, total=10, last_epoch=1)
    assert used(optimizer, 4) == RATES[6:]
    return "goes on at update 6"


@edge(TRAINER, "timm's `step(epoch + 1, metric)` on a plateau, with a metric that improves")
def timm() -> str:
    optimizer = made(0.1)
    scheduler = Scheduler(optimizer, rw.Plateau("loss", patience=0, factor=0.1))
    for epoch in range(6):
        assert used(optimizer, 1) == [0.1]
        scheduler.step_update(num_updates=epoch, metric=0.2)
        scheduler.step(epoch + 1, 1.0 / (1 + epoch))
    return "hears the metric, never the epoch: stays at 0.1"


@edge(TRAINER, "`scheduler.step(0.4)` on a schedule that listens")
def by_position() -> str:
    scheduler = Scheduler(made(0.1), rw.Plateau("val_loss"))
    return refused(lambda: scheduler.step(0.4), "an epoch, or a metric", "step(metrics=0.4)")


@edge(TRAINER, "timm's `layer_decay`: `lr_scale` in the groups")
def layer_decay() -> str:
    scales = (0.125, 0.25, 0.5, 1.0)
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr_scale": x} for x in scales]
    optimizer = SGD(groups, lr=0.01)
    Scheduler(optimizer, rw.Hold(), total=10)
    assert step(optimizer) == [[0.01 * scale for scale in scales]]
    return "multiplied, once: 0.00125 to 0.01"


@edge(TRAINER, "`SequentialLR` with one of ours in it")
def sequential() -> str:
    optimizer = made(0.1)
    parts = [Scheduler(optimizer, PLAN, total=10), native.ConstantLR(optimizer)]
    return refused(lambda: native.SequentialLR(optimizer, parts, milestones=[3]), "first >> second")


@edge(TRAINER, "`SWALR` beside a schedule of ours")
def swalr() -> str:
    optimizer = made(0.1)
    Scheduler(optimizer, PLAN, total=10)
    other = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.5)

    def loop() -> None:
        for rate in RATES:
            assert used(optimizer, 1) == [rate]
            other.step()

    (told,) = warned(loop)
    assert "SWALR is bound to this optimizer too" in told
    return f"kept out, and warns once: {told}"
