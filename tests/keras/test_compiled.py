"""Inside a compiled step nothing asks the host, but for a schedule that listens on JAX."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests.keras.tools import BACKEND, fit, model

SGD = keras.optimizers.SGD
PLAN = rw.Warmup(2) >> rw.Cosine(to=0.1)
INSIDE = lambda: (SGD(LearningRate(PLAN, 0.01, total=20)), ())  # noqa: E731
ATTACHED = lambda: (SGD(0.01), (Callback(PLAN, total=20),))  # noqa: E731
LISTENING = lambda: (SGD(0.01), (Callback(rw.Plateau("loss")),))  # noqa: E731


def host_calls(made: Any) -> int:
    """How often a traced update of a model's optimizer, attached as it is, asks the host."""
    optimizer, weights = made.optimizer, made.trainable_variables
    if BACKEND == "jax":
        import jax

        grads = [np.ones(weight.shape, np.float32) for weight in weights]
        state = [variable.value for variable in optimizer.variables]
        program = jax.make_jaxpr(optimizer.stateless_apply)(
            state, grads, [weight.value for weight in weights]
        )
        return str(program).count("callback[")
    import tensorflow as tf

    @tf.function(jit_compile=False)
    def step() -> None:
        optimizer.apply([tf.ones(weight.shape) for weight in weights], weights)

    operations = step.get_concrete_function().graph.get_operations()
    return sum("PyFunc" in operation.type for operation in operations)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs a step of Keras as it is written")
@pytest.mark.parametrize(
    ("made", "jax_asks"),
    [(INSIDE, 0), (ATTACHED, 0), (LISTENING, 1)],
    ids=["inside", "attached", "listening"],
)
def test_a_compiled_step_asks_the_host_for_nothing(made: Any, jax_asks: int) -> None:
    """On JAX a step reads no variable that is not the model's: one that listens asks, once."""
    optimizer, callbacks = made()
    trained = model(optimizer)
    fit(trained, 4, *callbacks)
    assert host_calls(trained) == (jax_asks if BACKEND == "jax" else 0)
