"""The PyTorch task: exact, isolated, and easy on what the user hands over."""

from __future__ import annotations

import dataclasses
import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import Run, Task, TorchTask, compare

CANDIDATES = {
    "constant": rw.Warmup(10) >> rw.Hold(),
    "cosine": rw.Warmup(10) >> rw.Cosine(to=0),
    "late": rw.Warmup(10) >> rw.Hold() >> rw.Linear(to=0, over=20),
    "later": rw.Warmup(10) >> rw.Hold() >> rw.Sqrt(to=0, over=10),
    "short": (rw.Warmup(10) >> rw.Hold(), 40),
}
RATES = np.full(12, 3e-3)


def linear(**changes: Any) -> TorchTask:
    """A task small enough to be written out by hand."""
    parts: dict[str, Any] = {
        "model": lambda: nn.Linear(3, 1),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        "data": lambda seed: [torch.randn(4, 3) for _ in range(5)],
        "loss": lambda model, batch: model(batch).square().mean(),
        "metric": lambda model: model.weight.square().sum(),
    }
    return TorchTask(**(parts | changes))


def test_the_ready_task_follows_the_protocols(noisy: TorchTask) -> None:
    """`TorchTask` is a `Task` and what it opens is a `Run`."""
    assert isinstance(noisy, Task)
    assert isinstance(noisy.open(0), Run)


@pytest.mark.parametrize("tape_bytes", [0, 2_000, 2**28])
def test_sharing_changes_no_bit(noisy: TorchTask, tape_bytes: int) -> None:
    """Every weight, buffer, loss and metric is that of the run trained alone in one go."""
    task = dataclasses.replace(noisy, tape_bytes=tape_bytes)
    shared = compare(task, CANDIDATES, total=60, peaks=[1e-3, 1e-2], seeds=2)
    assert shared.sharing > 1.3
    for record in shared.runs:
        run = noisy.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


def test_a_run_is_the_plain_loop() -> None:
    """Weights are those of the loop that everyone writes, from `torch.manual_seed(seed)` on."""
    batches = [torch.full((4, 3), float(i + 1)) for i in range(4)]

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def adam(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=1.0)

    def weights(net: nn.Module) -> float:
        return float(sum(p.detach().double().sum() for p in net.parameters()))

    task = linear(model=model, optimizer=adam, data=lambda seed: batches, metric=weights)
    rates = 1e-2 * rw.Cosine(to=0).resolve(total=10).values()
    run = task.open(5)
    losses = run.train(rates)

    torch.manual_seed(5)
    net = model()
    optimizer = adam(net)
    plain: list[float] = []
    for t, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = float(rate)
        optimizer.zero_grad()
        loss = net(batches[t % 4]).square().mean()
        loss.backward()
        optimizer.step()
        plain.append(float(loss.detach()))
    assert losses.tolist() == plain
    assert run.measure() == {"metric": weights(net)}


def test_a_state_survives_pickling_into_another_run(noisy: TorchTask) -> None:
    """A run opened elsewhere goes on from a pickled state as if it had been there."""
    here = noisy.open(3)
    here.train(RATES)
    state = pickle.dumps(here.save())
    expected = here.train(RATES).tobytes(), here.measure()
    there = noisy.open(3)
    there.restore(pickle.loads(state))
    assert (there.train(RATES).tobytes(), there.measure()) == expected


def test_training_on_does_not_alter_a_saved_state(noisy: TorchTask) -> None:
    """A state is a copy: it restores the same, again and again, whatever was trained since."""
    run = noisy.open(0)
    run.train(RATES)
    state = run.save()
    before = pickle.dumps(state)
    seen = set()
    for _ in range(3):
        seen.add((run.train(RATES).tobytes(), *run.measure().values()))
        run.restore(state)
    assert len(seen) == 1
    assert pickle.dumps(state) == before


def test_the_optimizer_state_keeps_its_types() -> None:
    """A state in float64 beside float32 weights comes back in float64, to the bit."""

    class Heavy(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # pyright: ignore
            for group in self.param_groups:
                for p in group["params"]:
                    sums = self.state[p].setdefault("sum", torch.zeros_like(p, dtype=torch.float64))
                    sums += p.grad.double() * (1 / 3)
                    p.data -= group["lr"] * sums.float()

    task = linear(optimizer=lambda model: Heavy(model.parameters(), lr=0.1))
    run = task.open(0)
    run.train(RATES)
    state = run.save()
    on = run.train(RATES).tobytes()
    run.restore(state)
    (first, *_) = run.optimizer.state.values()
    assert first["sum"].dtype == torch.float64
    assert run.train(RATES).tobytes() == on


def test_measuring_disturbs_nothing(noisy: TorchTask) -> None:
    """A metric that draws, switches modes and breaks weights leaves no trace in the run."""

    def rude(model: nn.Module) -> float:
        model.train()
        model(torch.randn(8, 6))
        torch.manual_seed(0)
        random.seed(0)
        with torch.no_grad():
            next(model.parameters()).fill_(9)
        return 1.0

    quiet, disturbed = noisy.open(0), dataclasses.replace(noisy, metric=rude).open(0)
    quiet.train(RATES)
    disturbed.train(RATES)
    disturbed.measure()
    assert quiet.train(RATES).tobytes() == disturbed.train(RATES).tobytes()


def test_all_candidates_are_measured_with_the_same_random_numbers() -> None:
    """A metric that draws sees the same draws for every candidate of a seed, others for others."""
    task = linear(metric=lambda model: torch.rand(()))
    result = compare(task, {"a": "Hold()", "b": "Linear(to=0)"}, total=5, peaks=[0.1], seeds=2)
    first, second, third, fourth = (run.metrics["metric"] for run in result.runs)
    assert first == third != second == fourth


def test_the_process_keeps_its_random_numbers_and_settings(noisy: TorchTask) -> None:
    """Drawing after a comparison gives what drawing without it would have given."""

    def meddling() -> nn.Module:
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True)
        return linear().model().float()

    def draws() -> tuple[float, float, float]:
        return float(torch.rand(())), random.random(), float(np.random.rand())

    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = draws()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    compare(noisy, {"a": "Hold()"}, total=5)
    with torch.no_grad():
        task = linear(model=meddling, data=lambda seed: [torch.randn(4, 3, dtype=torch.float32)])
        (run,) = compare(task, {"a": "Hold()"}, total=5).runs
        assert run.error is None
        assert not torch.is_grad_enabled()
    assert draws() == expected
    assert torch.get_default_dtype() == torch.float32
    assert not torch.are_deterministic_algorithms_enabled()


def test_groups_keep_their_ratio_to_the_largest() -> None:
    """The rates are those of the largest group; a group at a tenth of it stays at a tenth."""
    seen: list[tuple[float, float]] = []

    def two(model: nn.Linear) -> torch.optim.Optimizer:
        groups = [{"params": [model.bias], "lr": 0.02}, {"params": [model.weight], "lr": 0.2}]
        optimizer = torch.optim.SGD(groups)
        rates = optimizer.param_groups
        optimizer.register_step_pre_hook(lambda *_: seen.append((rates[0]["lr"], rates[1]["lr"])))
        return optimizer

    task = linear(optimizer=two)
    assert task.peak == 0.2
    task.open(0).train(np.array([3e-4, 1e-4]))
    assert [pair[1] for pair in seen] == [3e-4, 1e-4]
    assert [pair[0] for pair in seen] == pytest.approx([3e-5, 1e-5], rel=1e-12)


def test_a_tensor_rate_is_filled_in_place() -> None:
    """A learning rate that is a tensor stays that tensor, over training and restoring."""
    rate = torch.tensor(0.1)
    task = linear(optimizer=lambda model: torch.optim.Adam(model.parameters(), lr=rate))
    run = task.open(0)
    state = run.save()
    run.train(np.array([3e-4]))
    assert run.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(3e-4, rel=1e-6)
    run.restore(state)
    assert run.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.1, rel=1e-6)


def test_batches_may_be_changed_by_the_loss() -> None:
    """Popping labels does not empty the batches of the next round or of the next candidate."""
    batches = [{"x": torch.randn(4, 3), "labels": torch.randn(4, 1)} for _ in range(2)]

    def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return (model(batch["x"].mul_(2)) - batch.pop("labels")).square().mean()

    before = [batch["x"].clone() for batch in batches]
    task = linear(data=lambda seed: batches, loss=loss)
    result = compare(task, {"a": "Hold()", "b": "Linear(to=0)"}, total=9)
    assert [run.error for run in result.runs] == [None, None]
    assert all(torch.equal(batch["x"], x) for batch, x in zip(batches, before, strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": lambda seed: []}, "gave no batch"),
        ({"data": lambda seed: iter(())}, "gave no batch"),
        ({"model": nn.Linear(3, 1), "optimizer": 3}, "is no function, got 3"),
        ({"higher_is_better": "accuracy"}, "needs a tuple of names"),
        ({"higher_is_better": ("accuracy",)}, "is not measured"),
        (
            {"optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.0)},
            "has no learning rate above 0",
        ),
    ],
)
def test_a_task_that_cannot_work_is_refused_before_training(
    change: dict[str, Any], words: str
) -> None:
    """What is wrong with the task comes as a `ScheduleError`, with nothing trained."""
    with pytest.raises(rw.ScheduleError, match=words):
        compare(linear(**change), {"a": "Hold()"}, total=5, peaks=[0.1])
