"""Schedulers that listen to a metric, read as moves that decide as they do."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read
from tests.feedback.test_conventions import metrics

torch = pytest.importorskip("torch")
LR, RUNS = 3e-4, 200


def optimizer():
    """A new optimizer."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)


def rates(plan, values):
    """The rate after each observation."""
    machine = plan.lr.machine()
    (metric,) = {move.metric for move in machine.moves.values()}
    state, out = machine.init(), []
    for t, value in enumerate(values):
        state = machine.observe(state, t, {metric: value})
        out.append(plan.peak["lr"] * machine.level(state, t))
    return out


def stepped(scheduler, values):
    """The rate that the framework sets after each observation."""
    out = []
    for value in values:
        scheduler.step(value)
        out.append(scheduler.optimizer.param_groups[0]["lr"])
    return out


def test_the_plateau_of_torch():
    """200 random `ReduceLROnPlateau` are read as moves that cut when they cut."""
    rng = random.Random(3)
    for _ in range(RUNS):
        how = {
            "mode": rng.choice(["min", "max"]),
            "factor": rng.choice([0.1, 0.5]),
            "patience": rng.randint(0, 3),
            "cooldown": rng.randint(0, 2),
            "threshold_mode": rng.choice(["rel", "abs"]),
            "min_lr": rng.choice([0.0, 2e-5]),
        }
        plan = read(torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer(), **how), metric="loss")
        values = metrics(rng)
        wanted = stepped(torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer(), **how), values)
        np.testing.assert_allclose(rates(plan, values), wanted, rtol=1e-12)
        assert rw.parse(repr(plan)) == plan


def test_greedy_of_transformers():
    """200 random `GreedyLR` are read as moves that raise and lower when they do."""
    optimization = pytest.importorskip("transformers.optimization")
    rng = random.Random(4)
    for _ in range(RUNS):
        how = {
            "factor": rng.choice([0.5, 0.9]),
            "patience": rng.randint(0, 3),
            "cooldown": rng.randint(0, 2),
            "warmup": rng.randint(0, 2),
            "min_lr": rng.choice([1e-5, 1e-3]),
            "max_lr": rng.choice([1e-3, 1.0]),
            "reset_start": rng.choice([2, 500]),
        }
        plan = read(optimization.GreedyLR(optimizer(), **how), metric="loss")
        values = metrics(rng)
        wanted = stepped(optimization.GreedyLR(optimizer(), **how), values)
        np.testing.assert_allclose(rates(plan, values), wanted, rtol=1e-12)


def test_training_arguments_that_listen():
    """A config with a plateau listens to the evaluation metric that the Trainer would."""
    config = {"learning_rate": LR, "lr_scheduler_type": "reduce_lr_on_plateau"}
    plan = read({**config, "lr_scheduler_kwargs": {"patience": 2}}, total=100)
    assert plan.lr.metric == "eval_loss"
    assert plan.lr.patience == 2
    plan = read({**config, "lr_scheduler_type": "greedy"}, total=100)
    assert plan.lr.low == pytest.approx(1e-3 / LR)
    assert "never reduced" in " ".join(plan.notes)


def test_the_plateau_of_keras():
    """The callback is read as a move that counts as it does."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    callback = keras.callbacks.ReduceLROnPlateau(monitor="val_accuracy", patience=2, min_lr=3e-5)
    plan = read(callback, lr=LR)
    wanted = rw.Plateau(
        "val_accuracy", mode="max", patience=2, threshold_mode="abs", floor=0.1, counting="keras"
    )
    assert plan.lr == wanted
    with pytest.raises(rw.ScheduleError, match="lr=…"):
        read(callback)


def test_a_scheduler_in_use_is_refused():
    """What has counted before cannot be read from its start."""
    used = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer())
    used.step(1.0)
    with pytest.raises(rw.ScheduleError, match="before it is used"):
        read(used)
