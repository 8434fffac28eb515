"""Plateau counts as PyTorch, Keras and Optax count, observation by observation."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import ratewise as rw

SEQUENCES = 1000


def metrics(rng: random.Random, n: int = 30) -> list[float]:
    """A noisy curve that improves for a while, of either sign, on a grid that floats hold."""
    scale, drift = rng.choice([1.0, -1.0, 8.0]), rng.choice([0.0, 0.05, 0.2])
    curve = [scale * (2.0 - drift * i) + rng.randint(-8, 8) / 64 for i in range(n)]
    return [round(value * 1024) / 1024 for value in curve]


def levels(plateau: rw.Plateau, values: list[float]) -> list[float]:
    """The level after each observation."""
    machine = plateau.machine()
    state, out = machine.init(), []
    for t, value in enumerate(values):
        state = machine.observe(state, t, {"loss": value})
        out.append(machine.level(state, t))
    return out


def test_counts_as_torch_counts():
    """On 1,000 random sequences the rate is that of PyTorch's, with `counting="torch"`."""
    torch = pytest.importorskip("torch")
    rng, lr = random.Random(0), 3e-4
    reductions = 0
    for _ in range(SEQUENCES):
        how = {
            "mode": rng.choice(["min", "max"]),
            "factor": rng.choice([0.1, 0.5, 0.9]),
            "patience": rng.randint(0, 4),
            "cooldown": rng.randint(0, 3),
            "threshold": rng.choice([0.0, 1e-4, 0.1]),
            "threshold_mode": rng.choice(["rel", "abs"]),
        }
        floor = rng.choice([0.0, 0.05])
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=floor * lr, **how)
        ours = rw.Plateau("loss", counting="torch", floor=floor, least=1e-8 / lr, **how)
        values, rates = metrics(rng), []
        for value in values:
            theirs.step(value)
            rates.append(optimizer.param_groups[0]["lr"])
        np.testing.assert_allclose(lr * np.array(levels(ours, values)), rates, rtol=1e-12)
        reductions += len(set(rates)) - 1
    assert reductions > SEQUENCES


def test_counts_as_keras_counts():
    """On 1,000 random sequences the rate is that of Keras' callback, with `counting="keras"`."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    rng, lr = random.Random(1), 3e-4
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(lr), loss="mse")
    reductions = 0
    for _ in range(SEQUENCES):
        how = {
            "mode": rng.choice(["min", "max"]),
            "factor": rng.choice([0.1, 0.5, 0.9]),
            "patience": rng.randint(0, 4),
            "cooldown": rng.randint(0, 3),
        }
        floor, threshold = rng.choice([0.0, 0.05]), rng.choice([0.0, 1e-4, 0.1])
        theirs = keras.callbacks.ReduceLROnPlateau(
            monitor="loss", min_delta=threshold, min_lr=floor * lr, **how
        )
        theirs.set_model(model)
        model.optimizer.learning_rate = lr
        theirs.on_train_begin()
        ours = rw.Plateau(
            "loss", counting="keras", floor=floor, threshold=threshold, threshold_mode="abs", **how
        )
        values, rates = metrics(rng, 15), []
        for epoch, value in enumerate(values):
            theirs.on_epoch_end(epoch, {"loss": value})
            rates.append(float(model.optimizer.learning_rate))
        np.testing.assert_allclose(lr * np.array(levels(ours, values)), rates, rtol=3e-6)
        reductions += len(set(rates)) - 1
    assert reductions > SEQUENCES / 2


def test_counts_as_optax_counts():
    """On 1,000 random sequences the scale is that of Optax, with `counting="optax"`."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    rng, reductions = random.Random(2), 0
    with jax.enable_x64(True):
        for _ in range(40):
            how = {
                "factor": rng.choice([0.1, 0.5, 0.9]),
                "patience": rng.randint(0, 4),
                "cooldown": rng.randint(0, 3),
            }
            mode, threshold = rng.choice(["rel", "abs"]), rng.choice([1e-4, 0.1])
            floor = rng.choice([0.0, 0.05])
            apart = (
                {"rtol": threshold, "atol": 0.0}
                if mode == "rel"
                else {"rtol": 0.0, "atol": threshold}
            )
            theirs = optax.contrib.reduce_on_plateau(min_scale=floor, **apart, **how)
            ours = rw.Plateau(
                "loss",
                counting="optax",
                floor=floor,
                threshold=threshold,
                threshold_mode=mode,
                **how,
            )
            batch = np.array([metrics(rng) for _ in range(SEQUENCES // 40)])
            scales = np.asarray(_scales(jax, theirs, batch))
            wanted = np.array([levels(ours, values) for values in batch.tolist()])
            np.testing.assert_allclose(wanted, scales, rtol=1e-12)
            reductions += int((np.diff(scales) < 0).sum())
    assert reductions > SEQUENCES


def _scales(jax, transformation, batch):
    """The scale after each observation, for every sequence of a batch."""
    grads = np.ones(1)

    def one(values):
        def step(state, value):
            _, state = transformation.update(grads, state, value=value)
            return state, state.scale

        return jax.lax.scan(step, transformation.init(grads), values)[1]

    return jax.jit(jax.vmap(one))(batch)
