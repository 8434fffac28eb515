"""The rates that updates use, however they are run."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import ratewise as rw
from ratewise.keras import Callback, LearningRate, by_epoch
from tests.keras.tools import (
    BACKEND,
    JITS,
    PLAN,
    Moves,
    assert_close,
    fit,
    model,
    ones,
    rates,
    weight,
)

SCHEDULES = [
    PLAN,
    rw.Warmup("5%") >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    rw.Repeat(rw.Cosine(to=0), every=7, grow=2),
    rw.Restarts(10, shrink=0.5, to=0.1),
    rw.Cyclic(0.1, 5),
    rw.Step(0.1, every=9),
    rw.Piecewise({0: 1, 10: 0.5, 20: 0.1}, shape="cosine"),
    rw.Part(rw.Linear(to=0), begin=1.5, of=90.0, over=80, warp=1.3),
    rw.ExponentialDecay(0.9, every=3, staircase=True),
    rw.PolynomialCycles(to=0.1, power=2, every=11),
    rw.Saturate(5),
    rw.Tanh(to=0.01),
    rw.Exponential(to=0.01),
    rw.InverseSqrt(10),
    rw.Warmup(9, shape="log", start=0.1) >> rw.Rex(to=0),
    PLAN * rw.Linear(to=0.5),
    PLAN.clip(0.2, 0.8),
    rw.Function(lambda t: 1 / (1 + t)),
]


def made(kind: str, lr: float = 0.01, total: int = 12, **options: Any) -> tuple[Any, list[Any]]:
    """An optimizer and the callbacks, with the schedule in the one or in the other."""
    if kind == "rate":
        return keras.optimizers.SGD(LearningRate(PLAN, lr, total=total), **options), []
    return keras.optimizers.SGD(lr, **options), [Callback(PLAN, lr=lr, total=total)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_tensor_gives_what_an_int_gives(schedule: Any) -> None:
    """Traced, every shape is lr·f(t) within 2 ulp of float32 at every update and past the end."""
    rate = LearningRate(schedule, 3e-4, total=100)
    traced = rate(ops.arange(105, dtype="int32"))
    found = ops.convert_to_numpy(traced)
    assert_close(found, [rate(t) for t in range(105)])
    alone = [rate(ops.convert_to_tensor(t, dtype="int32")) for t in (0, 1, 57, 104)]
    assert {keras.backend.standardize_dtype(r.dtype) for r in (traced, *alone)} == {"float32"}
    assert_close([float(r) for r in alone], [rate(t) for t in (0, 1, 57, 104)])


def test_updates_are_whole_numbers_beyond_2_to_the_24() -> None:
    """In a run of 40 million updates, neighbours differ as they should."""
    rate = LearningRate(rw.Warmup(5) >> rw.Linear(to=0), 1.0, total=40_000_000)
    for t in (2**24 - 1, 2**24, 2**24 + 1, 39_999_990, 39_999_997, 39_999_999, 40_000_000):
        traced = float(rate(ops.convert_to_tensor(t, dtype="int32")))
        assert traced == np.float32(rate(t))


def test_on_the_host_it_gives_floats() -> None:
    """An int gives a float, lr·f(t) in float64; an array gives an array."""
    rate = LearningRate(PLAN, 3e-4, total=12)
    assert [rate(t) for t in range(12)] == (3e-4 * PLAN.resolve(12).values()).tolist()
    assert type(rate(3)) is float
    assert rate(np.arange(3)).tolist() == [rate(0), rate(1), rate(2)]


@pytest.mark.parametrize("kind", ["rate", "callback"])
@pytest.mark.parametrize("jit", JITS)
def test_the_weights_move_by_the_rates(kind: str, jit: bool) -> None:
    """Under `fit`, compiled or not, update t moves the weight by lr·f(t); past the end it holds."""
    optimizer, callbacks = made(kind)
    moves = Moves()
    fit(model(optimizer, jit), 7, moves, *callbacks, epochs=2)
    meant = rates(PLAN, 12)
    held = np.float32(0.01 * PLAN.resolve(12).end)
    assert_close(moves.moved, [*meant, held, held])


@pytest.mark.parametrize("kind", ["rate", "callback"])
@pytest.mark.parametrize("jit", JITS[:1])
def test_batches_that_are_accumulated_are_not_updates(kind: str, jit: bool) -> None:
    """With accumulation over 3 batches, and windows across epochs, update t still uses f(t)."""
    optimizer, callbacks = made(kind, gradient_accumulation_steps=3)
    moves = Moves()
    fit(model(optimizer, jit), 18, moves, *callbacks, epochs=2)
    assert_close(moves.moved[2::3], rates(PLAN, 12))
    assert set(moves.moved[0::3] + moves.moved[1::3]) == {0.0}


@pytest.mark.skipif(BACKEND == "torch", reason="Keras allows one step per execution there")
@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_several_steps_in_one_execution_use_a_rate_each(kind: str) -> None:
    """With 4 steps per execution the weight has moved by the sum of four rates."""
    optimizer, callbacks = made(kind)
    moves = Moves()
    fit(model(optimizer, steps_per_execution=4), 12, moves, *callbacks)
    np.testing.assert_allclose(moves.moved, rates(PLAN, 12).reshape(3, 4).sum(1), rtol=1e-6)


@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_loops_of_ones_own_use_the_same_rates(kind: str) -> None:
    """`train_on_batch` uses f(t); a plan stays on the optimizer after the `fit`."""
    optimizer, callbacks = made(kind)
    trained = model(optimizer)
    fit(trained, 4, *callbacks)
    x, y = ones(1)
    moved = []
    for _ in range(8):
        before = weight(trained)
        trained.train_on_batch(x, y)
        moved.append(before - weight(trained))
    np.testing.assert_allclose(moved, rates(PLAN, 12)[4:], rtol=1e-4)


def test_a_second_fit_goes_on_and_a_new_optimizer_starts_again() -> None:
    """The clock is the optimizer's: two fits are one trace, held past its end."""

    def rate() -> Any:
        return keras.optimizers.SGD(LearningRate(PLAN, 0.01, total=12))

    moves, trained = Moves(), model(rate())
    for _ in range(2):
        fit(trained, 8, moves)
    assert_close(moves.moved[:12], rates(PLAN, 12))
    assert_close(moves.moved[12:], [np.float32(0.01 * PLAN.resolve(12).end)] * 4)
    moves.moved.clear()
    trained.compile(rate(), trained.loss)
    fit(trained, 12, moves)
    assert_close(moves.moved, rates(PLAN, 12))


def test_nothing_is_traced_again_from_step_to_step() -> None:
    """The rate is computed in the graph: Python sees it as often in 20 steps as in 4."""
    counts = []
    for batches in (4, 20):
        seen: list[int] = []

        class Counting(LearningRate):
            def __call__(self, step: Any, seen: list[int] = seen) -> Any:
                seen.append(1)
                return super().__call__(step)

        optimizer = keras.optimizers.SGD(Counting(PLAN, 0.01, total=20))
        fit(model(optimizer, JITS[0]), batches)
        counts.append(len(seen))
    assert counts[0] == counts[1] if JITS[0] else counts == [4, 20]


def test_the_rate_in_logs_and_history_is_the_one_that_was_used() -> None:
    """At the end of an epoch `learning_rate` is what its last update used; other keys too."""
    plan = rw.Plan(lr=PLAN, momentum=rw.Linear(to=0.5))
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    history = fit(model(optimizer), 5, Callback(plan, total=10), epochs=2).history
    assert_close(history["learning_rate"], rates(PLAN, 10)[[4, 9]])
    assert history["momentum"] == [0.9 * rw.Linear(to=0.5, over=10)(t) for t in (4, 9)]
    assert_close([float(ops.convert_to_tensor(optimizer.learning_rate))], rates(PLAN, 10)[9:])


def test_batch_logs_have_the_rate_on_demand() -> None:
    """With `log_batches`, callbacks behind ours read the rate of the batch."""
    logged: list[float] = []
    read = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: logged.append(logs["learning_rate"])
    )
    trained = model(keras.optimizers.SGD(0.01))
    fit(trained, 6, Callback(PLAN, total=6, log_batches=True), read)
    assert_close(logged, rates(PLAN, 6))


def test_what_is_left_out_is_read_from_fit() -> None:
    """Without total and epoch, shares are of epochs × steps, in updates."""
    schedule = rw.Warmup("1 epochs") >> rw.Linear(to=0)
    optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)
    moves = Moves()
    fit(model(optimizer), 8, moves, Callback(schedule), epochs=3)
    resolved = schedule.resolve(12, epoch=4)
    assert_close(moves.moved[1::2], (0.01 * resolved.values()).astype(np.float32))


def test_one_rate_per_epoch_for_the_scheduler_of_keras() -> None:
    """`by_epoch` gives `LearningRateScheduler` lr·f(epoch), whatever the current rate is."""
    schedule = rw.Warmup(1) >> rw.Linear(to=0)
    trained = model(keras.optimizers.SGD(5.0))
    scheduler = keras.callbacks.LearningRateScheduler(by_epoch(schedule, lr=0.01, epochs=4))
    moves = Moves()
    fit(trained, 2, moves, scheduler, epochs=4)
    assert_close(moves.moved, np.repeat(rates(schedule, 4), 2))
