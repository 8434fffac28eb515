"""The harness for users' own tests: what did each committed update use?"""

from __future__ import annotations

import pytest

import ratewise as rw
from ratewise.testing import trace

torch = pytest.importorskip("torch")

from ratewise.torch import Scheduler  # noqa: E402

PLAN, LR, TOTAL = rw.Warmup("10%") >> rw.Cosine(to=0.1), 3e-4, 50


def train(optimizer, updates=TOTAL, each=lambda: None):
    """Make updates."""
    for _ in range(updates):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = torch.ones_like(weight)
        optimizer.step()
        each()


def optimizer():
    """A new optimizer over one weight."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)


def test_a_right_run_passes():
    """The rates of a scheduled run are recorded and equal those meant."""
    one = optimizer()
    Scheduler(one, PLAN, total=TOTAL)
    with trace(one) as run:
        train(one)
    run.check(PLAN, LR, total=TOTAL)
    run.check(rw.Plan(lr=PLAN, peak={"lr": LR}), total=TOTAL)
    train(one, 1)
    assert len(run.rates) == TOTAL


@pytest.mark.parametrize(
    ("factor", "shift", "said"),
    [(1, -1, "one update late"), (1, 1, "one update early"), (2, 0, "2 times those meant")],
)
def test_a_wrong_run_is_told_what_is_wrong(factor, shift, said):
    """The message names the update and the likely cause."""
    rates = LR * PLAN.resolve(TOTAL).values()
    one = optimizer()
    schedule = torch.optim.lr_scheduler.LambdaLR(
        one, lambda t: factor * float(PLAN.resolve(TOTAL)(max(0, min(t + shift, TOTAL - 1))))
    )
    with trace(one) as run:
        train(one, each=schedule.step)
    with pytest.raises(AssertionError, match=said):
        run.check(rates)


def test_skipped_updates_are_not_recorded():
    """A fused optimizer that is told to skip makes no committed update."""
    one = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR, fused=True)
    with trace(one) as run:
        train(one, 2)
        one.found_inf = torch.ones(())
        train(one, 1)
        del one.found_inf
        train(one, 1)
    assert len(run.rates) == 3


def test_nothing_recorded_and_foreign_things_are_refused():
    """A trace of nothing is no proof."""
    with trace(None) as run:
        pass
    with pytest.raises(rw.ScheduleError, match="finds no update"):
        run.check(PLAN, LR, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="needs an optimizer"), trace(3):
        pass


class Own(torch.optim.SGD):
    """An optimizer of one's own around a step that may be hooked itself."""

    def step(self, closure=None):
        return super().step(closure)


def test_a_step_around_a_hooked_step_is_one_update():
    """PyTorch calls the hooks of both classes once the base class was used too."""
    torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    optimizer = Own([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    with trace(optimizer) as run:
        for _ in range(3):
            optimizer.step()
    assert run.rates == [[0.1]] * 3
