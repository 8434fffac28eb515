"""A schedule that listens, driven by the optimizer."""

from __future__ import annotations

import io
import json
import math

import pytest

import ratewise as rw

torch = pytest.importorskip("torch")

from ratewise.torch import Scheduler  # noqa: E402

PLAN = rw.Warmup(5) >> rw.Plateau("loss", patience=1, factor=0.5) >> rw.Linear(to=0, over=10)
TOTAL, LR, EVERY = 60, 3e-4, 4
LOSSES = [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, math.nan, 0.8, 0.8, 0.8, 0.7, 0.8, 0.8, 0.8]


def make(lr=LR):
    """A new optimizer over one weight."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1, dtype=torch.float64))], lr=lr)


def go(optimizer, scheduler, start=0, stop=TOTAL):
    """The rates that updates used, an evaluation after every fourth update."""
    used = []
    for t in range(start, stop):
        if t and t % EVERY == 0:
            scheduler.observe(loss=torch.tensor(LOSSES[t // EVERY]), epoch=t)
        weight = optimizer.param_groups[0]["params"][0]
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        used.append(float(optimizer.param_groups[0]["lr"]))
        assert [float(x) for x in scheduler.get_last_lr()] == used[-1:]
    return used


def truth():
    """The rates by the pure simulation of the same schedule."""
    shown = [(t, {"loss": LOSSES[t // EVERY]}) for t in range(EVERY, TOTAL, EVERY)]
    return (LR * PLAN.resolve(TOTAL).simulate(shown).values(TOTAL)).tolist()


def test_the_run_is_the_simulation():
    """Under PyTorch the rates are those of the state machine, to the bit, and there are cuts."""
    optimizer = make()
    used = go(optimizer, Scheduler(optimizer, PLAN, total=TOTAL))
    assert used == truth()
    assert len(set(used[5:50])) >= 4


def test_the_run_can_be_played_again():
    """The open-loop plan of the finished run gives the same rates without any metric."""
    first = make()
    scheduler = Scheduler(first, PLAN, total=TOTAL)
    used = go(first, scheduler)
    again = make()
    replayed = Scheduler(again, rw.parse(repr(scheduler.replay())))
    assert go(again, replayed) == used


@pytest.mark.parametrize("cut", range(0, TOTAL, 3))
def test_resume_mid_patience(cut):
    """Killed and resumed at any update, the run goes on with its counts and decisions."""
    first = make()
    scheduler = Scheduler(first, PLAN, total=TOTAL)
    go(first, scheduler, 0, cut)
    file = io.BytesIO()
    torch.save([first.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    json.dumps(saved[1]["listening"])
    second = make(lr=LR)
    resumed = Scheduler(second, PLAN, total=TOTAL)
    for _ in range(2):
        resumed.load_state_dict(saved[1])
    second.load_state_dict(saved[0])
    assert go(second, resumed, cut) == truth()[cut:]


def test_a_tensor_rate_is_filled_in_place():
    """With a tensor rate the trace is the same and the tensor stays the same object."""
    rate = torch.tensor(LR, dtype=torch.float64)
    optimizer = make(lr=rate)
    held = optimizer.param_groups[0]["lr"]
    assert go(optimizer, Scheduler(optimizer, PLAN, total=TOTAL)) == truth()
    assert optimizer.param_groups[0]["lr"] is held


def test_groups_keep_their_ratio():
    """A plateau cuts all groups alike, and a group's own schedule may listen to something else."""
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    groups = [{"params": [w], "lr": LR * 10**i, "name": str(i)} for i, w in enumerate(weights)]
    optimizer = torch.optim.SGD(groups)
    own = rw.Plateau("accuracy", mode="max", patience=0, factor=0.1)
    plan = rw.Plan(lr=rw.Plateau("loss", patience=0, factor=0.5), groups={"2": own})
    scheduler = Scheduler(optimizer, plan)
    for loss, accuracy in ((1.0, 0.5), (1.0, 0.6), (1.0, 0.6)):
        scheduler.observe({"loss": loss, "accuracy": accuracy})
        optimizer.step()
    assert scheduler.get_last_lr() == [LR * 0.25, LR * 10 * 0.25, LR * 100 * 0.1]


def test_step_with_a_metric_is_an_observation():
    """A metric by name, as `ReduceLROnPlateau` has it, or behind an epoch, as timm has it."""
    for epochs in (True, False):
        optimizer = make()
        scheduler = Scheduler(optimizer, rw.Plateau("loss", patience=0, factor=0.5))
        for epoch in range(3):
            if epochs:
                scheduler.step(epoch + 1, 1.0)
            else:
                scheduler.step(metrics={"loss": 1.0} if epoch else 1.0)
            scheduler.step()
            optimizer.step()
        assert scheduler.get_last_lr() == [LR * 0.25]


def test_a_number_by_position_is_never_a_metric():
    """An epoch changes nothing; what may be either is refused, with what to write."""
    optimizer = make()
    scheduler = Scheduler(optimizer, rw.Plateau("val_loss", patience=0, factor=0.5))
    for epoch in range(6):
        scheduler.step(epoch)
        scheduler.step_update(epoch, 1.0)
        optimizer.step()
    assert scheduler.get_last_lr() == [LR]
    for value in (0.5, torch.tensor(0.5), float("nan")):
        with pytest.raises(rw.ScheduleError, match=r"step\(metrics=.*observe\(val_loss="):
            scheduler.step(value)


@pytest.mark.parametrize("given", [0.5, torch.tensor(0.5), "good", [0.5]])
def test_a_metric_without_a_name_is_told_how_it_is_shown(given):
    """`observe(loss)` is answered with what to write, by a schedule that listens or does not."""
    for plan, name in ((rw.Plateau("acc"), "acc"), (rw.Cosine(over=9), "val_loss")):
        with pytest.raises(rw.ScheduleError, match=rf"without a name: write observe\({name}="):
            Scheduler(make(), plan).observe(given)


def test_a_misspelt_metric_is_refused_and_nothing_changes():
    """The error lists the names that were seen; the run can go on."""
    optimizer = make()
    scheduler = Scheduler(optimizer, rw.Plateau("val_loss", patience=0, factor=0.5))
    scheduler.observe(val_los=1.0)
    before = scheduler.state_dict()
    with pytest.raises(rw.ScheduleError, match="measured were val_los"):
        scheduler.observe(val_los=1.0)
    assert scheduler.state_dict() == before


def test_a_run_that_finds_its_own_length_says_when_it_is_over():
    """`finished` turns true when the cooldown is through."""
    optimizer = make()
    plan = rw.EarlyCool("loss", patience=1, decay=4)
    scheduler = Scheduler(optimizer, plan, total=1000)
    updates = 0
    while not scheduler.finished:
        scheduler.observe(loss=1.0)
        optimizer.step()
        updates += 1
    assert (updates, scheduler.get_last_lr()) == (6, [LR * 0.25])


def test_a_damaged_state_changes_nothing():
    """A state whose listening part is cut is refused whole."""
    optimizer = make()
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    go(optimizer, scheduler, 0, 30)
    state = scheduler.state_dict()
    for damaged in ({**state, "listening": {}}, {**state, "listening": {"lr": {"moves": {}}}}):
        with pytest.raises(rw.ScheduleError, match="damaged"):
            scheduler.load_state_dict(damaged)
    assert scheduler.state_dict() == state
