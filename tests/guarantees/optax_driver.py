"""JAX and Optax: a loop of the user's own around a compiled step."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ratewise.optax import current_rate, inject, listen, observe, replay
from tests.guarantees.setup import HELD_OUT, LR, Ran, Setup, rows


def loss(params: Any, x: Any, y: Any) -> Any:
    return jnp.square(x * params["w"] + params["b"] - y).mean()


class Jitted:
    """inject(plan, optax.sgd), or listen where the plan listens, inside a jitted step."""

    name = "optax"
    flushes = False

    def train(self, plan: Any, setup: Setup) -> Ran:
        wrap = listen if setup.listen else inject
        optimizer: Any = wrap(plan, optax.sgd, total=setup.told, learning_rate=LR)
        if setup.accumulation > 1:
            optimizer = optax.MultiSteps(optimizer, setup.accumulation)

        @jax.jit
        def step(params: Any, state: Any, x: Any, y: Any) -> Any:
            updates, state = optimizer.update(jax.grad(loss)(params, x, y), state, params)
            return optax.apply_updates(params, updates), state

        params: Any = {"w": jnp.zeros(()), "b": jnp.zeros(())}
        state, first, ran = optimizer.init(params), 0, Ran()
        path = setup.folder / "run.pickle"
        if setup.resume:
            saved = pickle.loads(path.read_bytes())
            params, state = jax.tree.map(jnp.asarray, saved["trees"])
            first = saved["epoch"]
        x, y = rows(setup.batches)
        for epoch in range(first, setup.epochs if setup.stop is None else setup.stop):
            for i in range(setup.batches):
                params, state = step(params, state, x[i], y[i])
                if (i + 1) % setup.accumulation == 0:
                    ran.used.append(float(current_rate(state)))
                    ran.logged.append(ran.used[-1])
                    t = epoch * (setup.batches // setup.accumulation) + (i + 1)
                    setup.after(t // setup.accumulation, ran.used[-1])
            if setup.listen:
                t = (epoch + 1) * setup.batches // setup.accumulation
                ran.heard.append((t, float(loss(params, *HELD_OUT))))
                state = observe(state, {"val_loss": ran.heard[-1][1]})
            trees = jax.tree.map(np.asarray, (params, state))
            new = path.with_suffix(".new")
            new.write_bytes(pickle.dumps({"trees": trees, "epoch": epoch + 1}))
            new.replace(path)
        ran.replay = replay(state) if setup.listen else None
        return ran
