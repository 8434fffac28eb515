"""What a schedule adds to a compiled step in JAX and in Keras, against a constant rate.

    python benchmarks/compiled.py

Nothing is random; contenders take turns, and medians over all turns are compared, of the time that
the processor has spent on them in all threads: what else runs on the machine is not in it. The
model is small, so that what is added can be seen: in a real step it is less.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from ratewise.optax import inject, listen, schedule

TOTAL = 1_000_000
PLAN = rw.Warmup(1000) >> rw.Cosine(to=0.1)
LR = 1e-3


def jitted(optimizer: Any, updates: int) -> Callable[[], None]:
    """A loop of compiled steps; the state is donated."""
    p = {"w": jnp.ones((64, 64)), "b": jnp.ones(64)}
    grads = jax.tree.map(jnp.ones_like, p)

    def step(p: Any, state: Any) -> Any:
        changes, state = optimizer.update(grads, state, p)
        return optax.apply_updates(p, changes), state

    compiled = jax.jit(step, donate_argnums=(0, 1))
    held = [compiled(p, optimizer.init(p))]

    def run() -> None:
        p, state = held[0]
        for _ in range(updates):
            p, state = compiled(p, state)
        jax.block_until_ready(p)
        held[0] = p, state

    return run


def scanned(optimizer: Any, updates: int) -> Callable[[], None]:
    """All steps in one program."""
    p = {"w": jnp.ones((64, 64)), "b": jnp.ones(64)}
    grads = jax.tree.map(jnp.ones_like, p)

    def body(carry: Any, _: Any) -> Any:
        p, state = carry
        changes, state = optimizer.update(grads, state, p)
        return (optax.apply_updates(p, changes), state), None

    whole = jax.jit(lambda carry: jax.lax.scan(body, carry, None, length=updates)[0])
    carry = (p, optimizer.init(p))
    return lambda: jax.block_until_ready(whole(carry))


def fitted(rate: Any, callback: Any, updates: int, jit: bool) -> Callable[[], None]:
    """Keras' `fit` for an epoch, on the backend that is set."""
    made = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    how: Any = {"jit_compile": jit}
    made.compile(keras.optimizers.Adam(rate), "mse", **how)
    x = np.ones((updates, 64), np.float32)
    callbacks = [] if callback is None else [callback]
    epochs = itertools.count()

    def run() -> None:
        begin = next(epochs)
        given: dict[str, Any] = {"batch_size": 1, "verbose": 0, "shuffle": False}
        made.fit(x, x, callbacks=callbacks, initial_epoch=begin, epochs=begin + 1, **given)

    return run


def contenders(kind: str, updates: int) -> dict[str, Callable[[], None]]:
    if kind in ("jit", "scan"):
        loop = jitted if kind == "jit" else scanned
        cosine = optax.warmup_cosine_decay_schedule(0, LR, 1000, TOTAL, 0.1 * LR)
        return {
            "constant": loop(optax.adam(LR), updates),
            "optax's own": loop(optax.adam(cosine), updates),
            "inside": loop(optax.adam(schedule(PLAN, LR, total=TOTAL)), updates),
            "inject": loop(inject(PLAN, optax.adam, total=TOTAL, learning_rate=LR), updates),
            "listening": loop(
                listen(rw.Plateau("loss"), optax.adam, learning_rate=LR, window=65536), updates
            ),
        }
    jit = kind == "fit, jit_compile"
    own = keras.optimizers.schedules.CosineDecay(0.0, TOTAL, 0.1, warmup_target=LR)
    return {
        "constant": fitted(LR, None, updates, jit),
        "Keras' own": fitted(own, None, updates, jit),
        "inside": fitted(LearningRate(PLAN, LR, total=TOTAL), None, updates, jit),
        "attached": fitted(LR, Callback(PLAN, total=TOTAL), updates, jit),
        "listening": fitted(LR, Callback(rw.Plateau("loss")), updates, jit),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    backend = keras.backend.backend()
    print(f"{platform.machine()}, JAX {jax.__version__}, Keras {keras.__version__} on {backend}")
    for kind in ("jit", "scan", "fit", "fit, jit_compile"):
        if kind == "fit" and backend == "jax":
            continue  # a step of JAX is compiled in any case
        runs = contenders(kind, given.updates)
        for run in runs.values():
            run()
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.turns):
            for name, run in runs.items():
                begun = time.process_time()
                run()
                times[name].append(time.process_time() - begun)
        base = statistics.median(times["constant"])
        for name, spent in times.items():
            ratio = statistics.median(a / b for a, b in zip(spent, times["constant"], strict=True))
            added = (statistics.median(spent) - base) / given.updates
            print(f"{kind:18} {name:12} {ratio:5.2f}x a constant rate, {1e6 * added:+7.2f} us")


if __name__ == "__main__":
    main()
