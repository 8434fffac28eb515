"""Keras' schedules, read: every class against what JAX and TensorFlow compute for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert.reading import read
from tests.examples import examples

pytest.importorskip("keras")

often = settings(max_examples=examples(200, least=70), deadline=None)  # on each of three
N = 32
EPS = 2.0**-23  # float32

CHILD = """
import json, sys
import keras, numpy as np
from keras import ops

def rates(name, config, n):
    schedule = getattr(keras.optimizers.schedules, name)(**config)
    if name == "CosineDecayRestarts" and keras.backend.backend() == "jax":
        import jax
        with jax.disable_jit():  # its branches are compiled anew at every call
            return ops.convert_to_numpy(schedule(ops.arange(n, dtype="int32")))
    one_by_one = keras.backend.backend() == "torch" and name == "PiecewiseConstantDecay"
    if config.get("warmup_target") is None and not one_by_one:
        return ops.convert_to_numpy(schedule(ops.arange(n, dtype="int32")))
    if keras.backend.backend() == "jax":
        import jax
        return np.asarray(jax.vmap(schedule)(ops.arange(n, dtype="int32")))
    steps = [ops.convert_to_tensor(t, dtype="int32") for t in range(n)]
    return np.array([float(schedule(t)) for t in steps])

print("ready", flush=True)
for line in sys.stdin:
    try:
        answer = [float(rate) for rate in rates(*json.loads(line))]
    except Exception as error:
        answer = str(type(error))
    print(json.dumps(answer), flush=True)
"""


class Backend:
    """Keras on one backend, in a process of its own."""

    def __init__(self, name: str) -> None:
        env = {**os.environ, "KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            pytest.skip(f"Keras does not start on {name}")

    def rates(self, name: str, config: dict[str, Any]) -> np.ndarray | str:
        """The rates of N updates, or the type of the error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, config, N]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer if isinstance(answer, str) else np.array(answer)


@pytest.fixture(scope="module", params=["jax", "tensorflow", "torch"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    running = Backend(request.param)
    yield running
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.wait(timeout=300)


def plan_of(source: Any, total: int | None = N, **horizon: Any) -> rw.Plan:
    """What the format makes of a source."""
    return read(source, format="keras", total=total, **horizon)


def config_plan(name: str, config: dict[str, Any]) -> rw.Plan:
    """The plan of a serialised schedule."""
    return plan_of({"class_name": name, "config": config})


rates = st.sampled_from([1e-4, 3e-4, 0.1, 1.0]) | st.floats(1e-6, 2.0)
lengths = st.sampled_from([1, 2, 3, 31, 32, 33, 1000]) | st.integers(1, 50)
uneven = lengths | st.sampled_from([2.5, 0.5, 3.3, 10.0]) | st.floats(0.75, 40)
floors = st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1)
decays = st.sampled_from([0.0, 1.0, 0.5, 0.96, 2.0]) | st.floats(0.1, 3)
powers = st.sampled_from([0.5, 1.0, 2.0, 0.0]) | st.floats(0.25, 4)

CONFIGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "ExponentialDecay": st.fixed_dictionaries(
        {"initial_learning_rate": rates, "decay_steps": uneven, "decay_rate": decays},
        optional={"staircase": st.booleans()},
    ),
    "InverseTimeDecay": st.fixed_dictionaries(
        {"initial_learning_rate": rates, "decay_steps": uneven, "decay_rate": decays},
        optional={"staircase": st.booleans()},
    ),
    "PolynomialDecay": st.fixed_dictionaries(
        {"initial_learning_rate": rates | st.just(0.0), "decay_steps": uneven},
        optional={"end_learning_rate": rates | st.just(0.0), "power": powers},
    )
    | st.fixed_dictionaries(
        {
            "initial_learning_rate": rates,
            "decay_steps": lengths | st.sampled_from([2.5, 4.25, 0.75]),
            "cycle": st.just(True),
        },
        optional={"end_learning_rate": rates | st.just(0.0), "power": powers},
    ),
    "CosineDecay": st.fixed_dictionaries(
        {"initial_learning_rate": rates, "decay_steps": uneven},
        optional={"alpha": floors, "warmup_steps": lengths},
    )
    | st.fixed_dictionaries(
        {
            "initial_learning_rate": rates | st.just(0.0),
            "decay_steps": uneven,
            "warmup_target": rates | st.just(0.0),
            "warmup_steps": uneven | st.just(0),
        },
        optional={"alpha": floors},
    ),
    "CosineDecayRestarts": st.fixed_dictionaries(
        {"initial_learning_rate": rates, "first_decay_steps": uneven},
        optional={
            "t_mul": st.sampled_from([1.0, 2.0, 3.0, 1.5]) | st.floats(1.125, 4),
            "m_mul": st.sampled_from([1.0, 0.5, 0.0, 1.25]) | st.floats(0, 1.25),
            "alpha": floors,
        },
    ),
    "PiecewiseConstantDecay": st.lists(st.integers(-2, 40), min_size=1, max_size=6).flatmap(
        lambda bounds: st.fixed_dictionaries(
            {
                "boundaries": st.just(sorted(bounds))
                | st.just(sorted(b + 0.75 if b >= 0 else b for b in bounds)),
                "values": st.lists(
                    rates | st.just(0.0), min_size=len(bounds) + 1, max_size=len(bounds) + 1
                ),
            }
        )
    ),
}


def allowed(name: str, config: dict[str, Any], ours: np.ndarray) -> np.ndarray:
    """The difference that float32 explains, update by update.

    Two units in the last place of the rate and of the peak, and what each shape makes of an
    error of that size in its own intermediate results: in the exponent (and the rate that is its
    base), in one minus progress under a power, and in a progress that counts whole cycles.
    """
    last = config.get("end_learning_rate", 1e-4) if name == "PolynomialDecay" else 0.0
    peak, t = max(ours.max(), last, 1e-30), np.arange(N)
    slack = 2 * EPS * (ours + peak)
    if name == "ExponentialDecay" and config["decay_rate"]:
        p = t / config["decay_steps"]
        return slack + ours * p * (1 + abs(np.log(config["decay_rate"]))) * 2 * EPS
    if name == "PolynomialDecay":
        power, of = config.get("power", 1.0), config["decay_steps"]
        of = of * np.maximum(1, np.ceil(t / of)) if config.get("cycle") else of
        u = 1 - np.minimum(t / of, 1.0)
        spread = (u + 2 * EPS) ** power - np.maximum(u - 2 * EPS, 0) ** power
        return slack + 2 * EPS * peak + peak * spread * (power != 0)
    if name == "CosineDecayRestarts":
        turns = t / config["first_decay_steps"]
        grown = max(1.0, config.get("m_mul", 1.0)) ** np.floor(turns)
        return slack + 4 * EPS * peak * (1 + turns) * grown
    if name == "CosineDecay":  # updates since a warm-up that ends between two of them
        return slack + 2 * EPS * peak * config.get("warmup_steps", 0) / config["decay_steps"]
    return slack


def certain(name: str, config: dict[str, Any]) -> np.ndarray:
    """Where float32 leaves no doubt about the cycle: not where a cycle begins.

    Compiled, t/n may be t·(1/n), which is a little more than a whole number at the end of a cycle.
    """
    if name == "PolynomialDecay" and config.get("cycle"):
        t = np.arange(N)
        return (t % config["decay_steps"] != 0) | (t == 0)
    t, of, grow = np.arange(N), config.get("first_decay_steps", 1), config.get("t_mul", 2.0)
    if name != "CosineDecayRestarts" or grow == 1.0:
        return np.ones(N, dtype=bool)
    begins = of * (grow ** np.arange(60.0) - 1) / (grow - 1)
    close = np.abs(t[:, None] - begins[None, :]) < 1e-4 * (1 + t[:, None])
    return ~close.any(axis=1) | (t == 0)


@pytest.mark.parametrize("name", CONFIGS)
@often
@given(data=st.data())
def test_a_plan_uses_the_rates_that_keras_computes(
    backend: Backend, name: str, data: st.DataObject
) -> None:
    """Whatever the class and its arguments, update t uses the rate that Keras uses, in float32."""
    config = data.draw(CONFIGS[name])
    theirs = backend.rates(name, config)
    assert not isinstance(theirs, str)
    ours = config_plan(name, config).rates(N)
    fine = certain(name, config) & np.isfinite(theirs)
    off = np.abs(ours - theirs) - allowed(name, config, ours)
    assert off[fine].max(initial=0.0) <= 0, (config, ours, theirs)


WHOLE = {
    "ExponentialDecay": {"decay_steps": st.integers(1, 9), "decay_rate": decays},
    "InverseTimeDecay": {"decay_steps": st.integers(1, 9), "decay_rate": decays},
    "PolynomialDecay": {
        "decay_steps": st.integers(1, 40),
        "end_learning_rate": st.floats(0, 3),
        "power": powers,
        "cycle": st.booleans(),
    },
    "CosineDecay": {"decay_steps": st.integers(1, 40), "alpha": floors},
    "CosineDecayRestarts": {
        "first_decay_steps": st.integers(1, 20),
        "t_mul": st.just(1.0),
        "m_mul": decays,
        "alpha": floors,
    },
}


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=examples(100), deadline=None)
@given(data=st.data())
def test_a_whole_rate_is_read_with_all_that_it_breaks(
    backend: Backend, name: str, data: st.DataObject
) -> None:
    """An `initial_learning_rate` of 1 in place of 1.0 cuts the other arguments, and π, to ints."""
    config = {"initial_learning_rate": data.draw(st.integers(1, 3))}
    drawn = data.draw(st.fixed_dictionaries(WHOLE[name]))
    config |= {k: round(v, 3) if isinstance(v, float) else v for k, v in drawn.items()}
    theirs = backend.rates(name, config)
    assert not isinstance(theirs, str)
    plan = config_plan(name, config)
    cut = {k: int(v) if k not in ("alpha", "cycle") else v for k, v in config.items()}
    ours = plan.rates(N)
    off = np.abs(ours - theirs) - allowed(name, cut, ours)
    assert off[certain(name, cut)].max(initial=0.0) <= 0, (config, ours, theirs)
    if name.startswith("Cosine"):
        assert any("3 for π" in note for note in plan.notes)
