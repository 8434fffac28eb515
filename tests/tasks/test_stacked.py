"""Runs in one call of the model do what each does alone; the ordinary run is the observer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ratewise.tasks.torch.stacked import Stacking, blanked, clipped
from ratewise.tasks.torch.stacked_steps import PROPORTIONAL
from tests.examples import examples
from tests.tasks.stacks import (
    alone,
    apart,
    clip_by_hook,
    ends_of,
    entropy,
    falling,
    hooked,
    leaky,
    normed,
    plain,
    stack_of,
    task_of,
    uneven,
)

SEEDS = [0, 3, 0, 1]
CLOSE = 1e-4
"""Relative difference of two losses that are the same but for how sums are rounded."""

OWN = Stacking(own_steps=True)


def groups(model: Any) -> torch.optim.Optimizer:
    """Two groups at rates of their own, one without weight decay."""
    held = [{"params": model[0].parameters(), "lr": 1e-3, "weight_decay": 0.0}]
    rest = [p for layer in model[1:] for p in layer.parameters()]
    return torch.optim.AdamW([*held, {"params": rest}], lr=1e-2, weight_decay=0.2)


def of(name: str, **options: Any) -> Any:
    return lambda model: getattr(torch.optim, name)(model.parameters(), **options)


OPTIMIZERS = {
    **{name: of(name, lr=1e-2) for name in PROPORTIONAL},
    "momentum": of("SGD", lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": of("SGD", lr=0.1, momentum=0.9, nesterov=True, dampening=0),
    "amsgrad": of("Adam", lr=1e-2, amsgrad=True, weight_decay=0.1),
    "centred": of("RMSprop", lr=3e-3, centered=True, momentum=0.9),
    "fading": of("Adagrad", lr=1e-1, lr_decay=0.01),
    "fused": of("AdamW", lr=1e-2, fused=True),
    "single": of("AdamW", lr=1e-2, foreach=False),
    "tensor": of("Adam", lr=torch.tensor(1e-2)),
    "ascending": of("SGD", lr=1e-3, maximize=True),
    "groups": groups,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_are_those_of_runs_alone(name: str) -> None:
    """50 updates, three seeds, four rates: every loss, and what each run ends with."""
    task = task_of(optimizer=OPTIMIZERS[name])
    rates = falling([task.peak, task.peak / 3, task.peak / 50, task.peak], 50)
    losses, ends = alone(task, SEEDS, rates)
    stack = stack_of(task, SEEDS, Stacking())
    made = np.concatenate([stack.train(rates[:, :20]), stack.train(rates[:, 20:])], axis=1)
    assert apart(made, losses) < CLOSE
    assert apart(ends_of(task, stack, SEEDS), ends) < CLOSE


@pytest.mark.parametrize(
    ("changes", "stacking"),
    [
        ({"model": normed}, Stacking()),
        ({"model": leaky}, Stacking("same")),
        ({"clip": 0.05}, Stacking()),
        ({"optimizer": hooked(clip_by_hook)}, OWN),
        ({"clip": 0.05, "model": leaky}, Stacking("same", own_steps=True)),
        ({"data": uneven}, Stacking()),
    ],
    ids=["buffers", "dropout", "clip", "hooks", "own steps", "uneven batches"],
)
def test_what_else_a_run_has_is_its_own(changes: Any, stacking: Stacking) -> None:
    """BatchNorm's averages, dropout's masks, the norm that is clipped, the sizes of batches."""
    task = task_of(**changes)
    rates = falling([0.03, 0.01, 0.002, 0.01], 50)
    losses, _ = alone(task, SEEDS, rates)
    stack = stack_of(task, SEEDS, stacking)
    assert apart(stack.train(rates), losses) < CLOSE


def test_a_hook_and_an_argument_clip_alike() -> None:
    """`clip=` is what `clip_grad_norm_` does in a hook, to the last bit."""
    rates = falling([0.03], 20)
    by_hook, _ = alone(task_of(optimizer=hooked(clip_by_hook)), [0], rates)
    plainly = of("AdamW", lr=1e-2)
    by_clip, _ = alone(task_of(optimizer=plainly, clip=0.05), [0], rates)
    never, _ = alone(task_of(optimizer=plainly), [0], rates)
    assert (by_hook == by_clip).all()
    assert (by_hook != never).any()


def test_other_random_numbers_are_drawn_where_asked_for() -> None:
    """Twins at one rate and seed drop other units, and learn as much as runs alone."""
    task = task_of(model=leaky)
    rates = np.full((16, 60), 0.02)
    stack = stack_of(task, [0] * 16, Stacking("different"))
    losses = stack.train(rates)
    assert len(np.unique(losses[:, 0])) == 16
    single, _ = alone(task, list(range(8)), rates[:8])
    late, expected = losses[:, -20:].mean(1), single[:, -20:].mean(1)
    assert abs(late.mean() - expected.mean()) < 3 * (late.std() / 4 + expected.std() / np.sqrt(8))


class Tied(nn.Module):
    """One weight used twice, a weight that is not trained, and one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.fixed = nn.Linear(6, 2)
        self.fixed.requires_grad_(False)
        self.unused = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fixed(self.second(self.first(x).tanh()))


@pytest.mark.parametrize("stacking", [Stacking(), OWN], ids=["one step", "own steps"])
def test_what_is_tied_fixed_or_unused_stays_so(stacking: Stacking) -> None:
    """Weight decay does not reach a weight without a gradient, as it does not alone."""
    task = task_of(model=Tied, optimizer=of("AdamW", lr=1e-2, weight_decay=0.5))
    rates = falling([0.03, 0.01, 0.01, 0.001], 30)
    losses, _ = alone(task, SEEDS, rates)
    stack = stack_of(task, SEEDS, stacking)
    assert apart(stack.train(rates), losses) < CLOSE
    begun = task.open(0)
    run = task.open(0)
    run.restore(stack.state(0))
    for name in ("unused", "fixed"):
        held = (getattr(one.model, name).parameters() for one in (run, begun))
        assert all(torch.equal(a, b) for a, b in zip(*held, strict=True))


class Lion(torch.optim.Optimizer):
    """An optimizer of somebody's own, whose step is not in proportion to anything."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            norm = torch.stack([p.grad.norm() for p in group["params"]]).norm()
            for p in group["params"]:
                p.add_(p.grad.sign() * norm.clamp(max=1.0), alpha=-group["lr"])


def test_an_optimizer_that_looks_at_all_numbers_steps_for_each_run() -> None:
    """A norm over all parameters is that of one run."""
    task = task_of(optimizer=lambda model: Lion(model.parameters(), 1e-2))
    rates = falling([0.03, 0.01, 0.002, 0.01], 30)
    losses, _ = alone(task, SEEDS, rates)
    assert apart(stack_of(task, SEEDS, OWN).train(rates), losses) < CLOSE


def test_a_run_goes_from_a_stack_to_itself_and_back() -> None:
    """What a stack has saved a run alone goes on from, and the other way round."""
    task = task_of(model=normed)
    rates = falling([0.03, 0.01, 0.002, 0.01], 30)
    losses, _ = alone(task, SEEDS, rates)
    stack = stack_of(task, SEEDS, Stacking())
    stack.train(rates[:, :10])
    states = []
    for place, seed in enumerate(SEEDS):
        run = task.open(seed)
        run.restore(stack.state(place))
        assert apart(run.train(rates[place, 10:20]), losses[place, 10:20]) < CLOSE
        states.append(run.save())
    later = stack_of(task, SEEDS, Stacking(), states)
    assert later.position == 20
    assert apart(later.train(rates[:, 20:]), losses[:, 20:]) < CLOSE


def test_a_run_that_breaks_leaves_the_others_alone() -> None:
    """Its losses are NaN behind the first that is not finite; theirs are what they were."""
    task = task_of(optimizer=of("SGD", lr=0.1), loss=lambda m, b: entropy(m, b) ** 2)
    rates = falling([0.1, 1e30, 0.01, 0.1], 20)
    losses, _ = alone(task, SEEDS, rates)
    made = stack_of(task, SEEDS, Stacking()).train(rates)
    whole = [0, 2, 3]
    assert apart(made[whole], losses[whole]) < CLOSE
    broke = [int(np.argmin(np.isfinite(one[1]))) for one in (made, losses)]
    assert broke[0] == broke[1]
    assert np.isnan(made[1, broke[0] + 1 :]).all()


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.lists(st.sampled_from([0.5, float("nan"), float("inf")]), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_only_what_comes_behind_a_break_is_blanked(rows: Any) -> None:
    """Every number until the first that is not finite stays, and that one, too."""
    given_losses = np.array(rows)
    for row, told in zip(given_losses, blanked(given_losses), strict=True):
        sound = np.isfinite(row)
        first = len(row) if sound.all() else int(np.argmin(sound)) + 1
        assert np.array_equal(told[:first], row[:first], equal_nan=True)
        assert np.isnan(told[first:]).all()


@settings(max_examples=examples(30))
@given(st.integers(1, 5), st.floats(1e-3, 10), st.integers(0, 2**31))
def test_clipping_a_stack_is_clipping_each(runs: int, largest: float, seed: int) -> None:
    """`torch.nn.utils.clip_grad_norm_` on each run's own gradients says the same."""
    draw = torch.Generator().manual_seed(seed)
    shapes = [(3, 2), (4,), ()]
    gradients = [torch.randn(runs, *shape, generator=draw) for shape in shapes]
    made = clipped([*gradients, None], largest)
    assert made[-1] is None
    for run in range(runs):
        own = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient[run].clone()
        nn.utils.clip_grad_norm_(own, largest)
        for parameter, one in zip(own, made, strict=False):
            assert torch.allclose(parameter.grad, one[run], rtol=1e-5, atol=0)


def test_ends_differ_by_less_than_seeds_do() -> None:
    """20 seeds: what a stack ends with is within a hundredth of what another seed changes."""
    task, seeds = task_of(model=leaky), list(range(20))
    rates = falling([0.02] * 20, 60)
    _, ends = alone(task, seeds, rates)
    stack = stack_of(task, seeds, Stacking("same"))
    stack.train(rates)
    off = np.abs(np.array(ends_of(task, stack, seeds)) - ends)
    assert off.max() < 0.01 * np.std(ends)


def test_weights_of_short_types_end_where_they_do_alone() -> None:
    """bfloat16 weights at two rates, within a few of the steps that the type can tell apart."""
    changes: dict[str, Any] = {
        "model": lambda: plain().bfloat16(),
        "loss": lambda model, batch: entropy(model, (batch[0].bfloat16(), batch[1])),
        "metric": lambda model: 0.0,
    }
    task = task_of(**changes)
    rates = np.outer([1e-2, 1.005e-2], np.ones(10))
    stack = stack_of(task, [0, 0], Stacking())
    stack.train(rates)
    for place in range(2):
        run = task.open(0)
        run.train(rates[place])
        own = run.save()["model"]["parameters"]
        made = stack.state(place)["model"]["parameters"]
        for a, b in zip(own, made, strict=True):
            assert torch.allclose(a.value.float(), b.value.float(), rtol=0.02, atol=2e-3)
