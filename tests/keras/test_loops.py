"""Loops that a backend has of its own: compiled by hand, mirrored over devices, torch.compile."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

import keras
import numpy as np
import pytest

from ratewise.keras import Callback, LearningRate
from tests import warm
from tests.keras.tools import BACKEND, PLAN, Moves, assert_close, fit, model, rates


def accumulating() -> tuple[Any, Any]:
    weight = keras.Variable(np.zeros((1,), np.float32))
    optimizer = keras.optimizers.SGD(
        LearningRate(PLAN, 0.01, total=12), gradient_accumulation_steps=2
    )
    optimizer.build([weight])
    return weight, optimizer


def test_how_an_optimizer_asks_for_its_rate_was_seen_in_this_keras() -> None:
    """From 3.12 to 3.15 a schedule is handed the optimizer's own count of batches, and no more.

    `LearningRate` looks for the optimizer among its callers. In a later Keras see first whether
    that is still how it asks, or whether it says by now how many batches make an update.
    """
    asked: list[Any] = []

    class Asked(LearningRate):
        def __call__(self, step: Any) -> Any:
            asked.append(step)
            return super().__call__(step)

    optimizer = keras.optimizers.SGD(Asked(PLAN, 0.01, total=12), gradient_accumulation_steps=2)
    optimizer.build([keras.Variable(np.zeros((1,), np.float32))])
    assert float(keras.ops.add(optimizer.learning_rate, 0.0)) > 0
    variables = [step for step in asked if isinstance(step, keras.Variable)]
    assert variables
    assert all(any(step is one for one in optimizer.variables) for step in variables)
    assert (3, 12) <= tuple(map(int, keras.__version__.split(".")[:2])) <= (3, 15)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a loop of TensorFlow")
@pytest.mark.parametrize("jit", [False, True])
def test_a_loop_under_tf_function(jit: bool) -> None:
    """A step of one's own under `tf.function` finds the accumulation, and is traced once."""
    import tensorflow as tf

    weight, optimizer = accumulating()

    @tf.function(jit_compile=jit)
    def step() -> None:
        optimizer.apply([tf.ones((1,))], [weight])

    moved = []
    for _ in range(24):
        weight.assign(np.zeros((1,), np.float32))
        step()
        moved.append(-float(weight.value[0]))
    assert_close(moved[1::2], rates(PLAN, 12))
    assert step.experimental_get_tracing_count() == 1


@pytest.mark.skipif(BACKEND != "jax", reason="a loop of JAX")
def test_a_loop_under_jax_jit() -> None:
    """`stateless_apply` under `jax.jit` finds the accumulation, compiles once, leaks no tracer."""
    import jax

    weight, optimizer = accumulating()

    traced = []

    @jax.jit
    def step(weights: Any, state: Any) -> Any:
        traced.append(1)
        return optimizer.stateless_apply(state, [np.ones((1,), np.float32)], weights)

    weights, state = [weight.value], [v.value for v in optimizer.variables]
    moved = []
    with jax.checking_leaks():
        for _ in range(24):
            weights, state = step([weights[0] * 0], state)
            moved.append(-float(weights[0][0]))
    assert_close(moved[1::2], rates(PLAN, 12))
    assert len(traced) == 1
    assert not jax.config.jax_enable_x64


MIRRORED = """
    import sys
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import keras
    import numpy as np
    from ratewise.keras import Callback, LearningRate
    from tests.keras.tools import PLAN, Moves, assert_close, fit, model, rates

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        ours = [Callback(PLAN, total=12)] if sys.argv[1] == "callback" else []
        trained = model(keras.optimizers.SGD(0.01 if ours else LearningRate(PLAN, 0.01, total=12)))
    moves = Moves()
    fit(trained, 24, moves, *ours, batch_size=2)
    assert_close(moves.moved, rates(PLAN, 12))
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a strategy of TensorFlow")
@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_two_mirrored_devices_make_one_update(kind: str) -> None:
    """Under `MirroredStrategy` with two replicas, update t uses f(t)."""
    words = ["-W", "ignore", "-c", textwrap.dedent(MIRRORED), kind]
    done = warm.run(words, imported=warm.KERAS, KERAS_BACKEND=BACKEND)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.skipif(BACKEND != "torch", reason="torch.compile")
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a compiler")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_steps_compiled_by_torch(kind: str) -> None:
    """With `jit_compile=True` on PyTorch, update t uses f(t)."""
    ours = [Callback(PLAN, total=12)] if kind == "callback" else []
    rate = 0.01 if ours else LearningRate(PLAN, 0.01, total=12)
    moves = Moves()
    fit(model(keras.optimizers.SGD(rate), True), 12, moves, *ours)
    assert_close(moves.moved, rates(PLAN, 12))


@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_mixed_float16_is_scheduled_inside_its_loss_scale(kind: str) -> None:
    """Under the policy mixed_float16 the rates are float32, and exact."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        ours = [Callback(PLAN, total=12)] if kind == "callback" else []
        trained = model(keras.optimizers.SGD(0.01 if ours else LearningRate(PLAN, 0.01, total=12)))
    finally:
        keras.config.set_dtype_policy("float32")
    assert type(trained.optimizer) is keras.optimizers.LossScaleOptimizer
    moves = Moves()
    fit(trained, 12, moves, *ours)
    assert_close(moves.moved, rates(PLAN, 12), ulps=4)
