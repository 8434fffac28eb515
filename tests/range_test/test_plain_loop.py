"""A loop of one's own: updates are counted, ratios kept, and everything is put back to the bit."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ratewise import ScheduleError
from ratewise.choose import find
from tests.tasks.fixtures import Noisy, network


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Loop:
    """A user's loop: two groups, a scaler, a scheduler, an average of the weights, a loader."""

    def __init__(self, kind: Any = torch.optim.AdamW, several: int = 1) -> None:
        torch.manual_seed(1)
        self.model = network()
        head, body = self.model[5].parameters(), self.model[1].parameters()
        norm = self.model[2].parameters()
        groups = [{"params": [*body, *norm], "lr": 1e-4}, {"params": list(head), "lr": 1e-3}]
        self.optimizer = kind(groups, lr=1e-3)
        self.average = torch.optim.swa_utils.AveragedModel(self.model)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=7)
        order = torch.Generator().manual_seed(5)
        self.loader = torch.utils.data.DataLoader(
            Noisy(), batch_size=16, shuffle=True, generator=order
        )
        self.several, self.calls, self.loudness = several, 0, 1.0
        self.used: list[list[float]] = []
        self.hook: Callable[[], None] = lambda: None

    def step(self, batch: Any) -> Any:
        self.hook()
        loss = nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        self.scaler.scale(loss * self.loudness / self.several).backward()
        self.calls += 1
        if self.calls % self.several == 0:
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.used.append([group["lr"] for group in self.optimizer.param_groups])
            self.optimizer.zero_grad()
            self.average.update_parameters(self.model)
        return loss

    def train(self, batches: int) -> list[float]:
        losses: list[float] = []
        while True:
            for batch in self.loader:
                losses.append(float(self.step(batch).detach()))
                if len(losses) == batches:
                    return losses

    def find(self, **options: Any) -> Any:
        also = [self.scaler, self.average]
        given = {"rungs": 20, "updates": 1, "seeds": 2, "also": also, **options}
        return find(
            step=self.step,
            model=self.model,
            optimizer=self.optimizer,
            batches=self.loader,
            **given,
        )


def state(loop: Loop) -> Any:
    """All there is, as plain values: tensors as bytes, so that NaN and -0.0 count."""
    optimizer = loop.optimizer.state_dict()
    modes = [module.training for module in loop.model.modules()]
    gradients = [one.grad for one in loop.model.parameters()]
    odd = [loop.model[0].calls, loop.model[0].scale, loop.model[0].seen]
    return plain(
        [
            [loop.model.state_dict(), optimizer, modes, gradients, odd],
            [loop.scaler.state_dict(), loop.average.state_dict()],
            [loop.loader.generator.get_state(), torch.get_rng_state(), random.getstate()],
            np.random.get_state(),
        ]
    )


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return [(key, plain(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
@pytest.mark.parametrize("before", [0, 5])
def test_everything_is_put_back_to_the_bit(kind: Any, before: int) -> None:
    """Fresh or in the middle of training: state, gradients, modes, generators; then on as ever."""
    loop, other = Loop(kind), Loop(kind)
    loop.train(before) if before else None
    loop.model[2].eval()  # a part that is frozen
    batch = next(iter(loop.loader))
    nn.functional.cross_entropy(loop.model(batch[0]), batch[1]).backward()
    was = state(loop)
    gradients = [one.grad for one in loop.model.parameters()]
    loop.find()
    assert state(loop) == was
    assert all(a is one.grad for a, one in zip(gradients, loop.model.parameters(), strict=True))
    assert was != state(other)


def test_training_goes_on_as_if_there_had_been_no_test() -> None:
    """The losses of two runs, of which one was tested in the middle, are the same to the bit."""
    runs = []
    for tested in (False, True):
        loop = Loop()
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)
        first = loop.train(6)
        if tested:
            loop.find()
        runs.append([*first, *loop.train(9)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 7, 25])
def test_an_exception_leaves_nothing_behind(error: type[BaseException], at: int) -> None:
    """Whenever it comes, also between the scaler's calls, all is put back and it is passed on."""
    loop = Loop()
    loop.train(3)
    was = state(loop)
    count = 0

    def hook() -> None:
        nonlocal count
        count += 1
        if count == at:
            raise error

    loop.hook = hook
    with pytest.raises((ScheduleError, KeyboardInterrupt)) as caught:
        loop.find()
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert count == at
    assert state(loop) == was
    loop.hook = lambda: None
    loop.train(3)  # no hook of ours is left, and the scaler can be used
    assert loop.used[-1] == [1e-4, 1e-3]


def test_an_exception_inside_a_scaled_step_leaves_a_scaler_that_works() -> None:
    """A step that was stopped after `unscale_` does not haunt the next one."""
    loop = Loop()
    loop.train(2)
    was = state(loop)

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    handle = loop.optimizer.register_step_pre_hook(fails)
    with pytest.raises(KeyboardInterrupt):
        loop.find()
    handle.remove()
    assert state(loop) == was
    for batch in list(loop.loader)[:2]:
        loss = nn.functional.cross_entropy(loop.model(batch[0]), batch[1])
        loop.scaler.scale(loss).backward()
        loop.scaler.unscale_(loop.optimizer)
        loop.scaler.step(loop.optimizer)
        loop.scaler.update()


def test_groups_keep_their_ratio() -> None:
    """Each update uses the ladder's rate in the largest group, and a tenth of it in the other."""
    loop = Loop()
    found = loop.find(highest=1e-1, seeds=1)
    ladder = found.ladder.all_rates.tolist()
    assert [used[1] for used in loop.used] == ladder
    np.testing.assert_allclose([used[0] for used in loop.used], np.array(ladder) / 10, rtol=1e-12)


def test_batches_that_make_one_update_together_are_one_step_of_the_ladder() -> None:
    """With accumulation the rate climbs by updates, and an update's loss is its batches' mean."""
    loop = Loop(several=3)
    seen: list[float] = []
    step = loop.step

    def noted(batch: Any) -> Any:
        loss = step(batch)
        seen.append(float(loss.detach()))
        return loss

    loop.step = noted  # type: ignore[method-assign]
    found = loop.find(highest=1e-2, seeds=1)
    assert [used[1] for used in loop.used] == found.ladder.all_rates.tolist()
    means = np.array(seen).reshape(-1, 3).mean(1)
    np.testing.assert_allclose(found.sweeps[0].losses, means, rtol=1e-12)


def test_an_update_that_the_scaler_skips_is_no_step_of_the_ladder() -> None:
    """A scale that overflows costs batches, not rungs."""
    loop = Loop()
    loop.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=10**6)
    loop.loudness = 1e3
    made: list[float] = []
    loop.optimizer.register_step_post_hook(lambda o, *_: made.append(o.param_groups[1]["lr"]))
    found = loop.find(highest=1e-2, seeds=1)
    assert len(loop.used) > len(made) == len(found.sweeps[0].losses) == 21
    assert made == found.ladder.all_rates.tolist()


@pytest.mark.parametrize("state_of", ["lr tensor", "scheduler"])
def test_rates_hold_whoever_else_sets_them(state_of: str) -> None:
    """A tensor keeps its identity; a scheduler in the loop is overruled and put back."""
    torch.manual_seed(0)
    model = nn.Linear(6, 2)
    rate = torch.tensor(1e-3) if state_of == "lr tensor" else 1e-3
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    before = copy.deepcopy(scheduler.state_dict())
    used: list[float] = []

    def step(batch: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        used.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step()
        return loss

    loader = torch.utils.data.DataLoader(Noisy(), 16)
    parts = {"step": step, "model": model, "optimizer": optimizer, "batches": loader}
    found = find(**parts, rungs=9, updates=1, seeds=1, highest=1e-2, also=[scheduler])
    np.testing.assert_allclose(used, found.ladder.all_rates, rtol=1e-6)
    assert scheduler.state_dict() == before
    if state_of == "lr tensor":
        assert optimizer.param_groups[0]["lr"] is rate
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(1e-3, rel=1e-7)


def test_every_sweep_starts_with_the_same_weights_and_sees_other_batches() -> None:
    """Seeds differ in the order of the data; the first loss is of the same model."""
    loop = Loop()
    loop.model.eval()
    one, two = loop.find(highest=1e-2, seeds=[4, 5]).sweeps
    (again,) = loop.find(highest=1e-2, seeds=[5]).sweeps
    assert one.losses != two.losses == again.losses


def wrong(**changes: Any) -> dict[str, Any]:
    loop = Loop()
    parts = {"step": loop.step, "model": loop.model, "optimizer": loop.optimizer}
    return {**parts, "batches": loop.loader, **changes}


def test_what_a_loop_lacks_is_said() -> None:
    """Each argument that cannot be used has an error that names it."""
    frozen = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.0)
    cases = {
        "batches": [None, 3, iter([1]), []],
        "model": [None, print],
        "optimizer": [None, print, frozen],
        "also": [[print]],
        "step": [3, lambda batch: None],
    }
    for name, values in cases.items():
        for value in values:
            with pytest.raises(ScheduleError, match=name):
                find(**wrong(**{name: value}))


def test_a_step_that_never_updates_is_refused() -> None:
    """A loop that forgets `optimizer.step()` would go on forever."""
    with pytest.raises(ScheduleError, match="no update in 1000 batches"):
        find(**wrong(step=lambda batch: 1.0, batches=[0]))
