"""A name has the rates of the framework's own schedule of that name, in every face."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.schedule import ScheduleError

os.environ.setdefault("KERAS_BACKEND", "jax")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.trainers.test_main_names import FACES, LR, NATIVE, TOTAL  # noqa: E402

Rates = Callable[..., Any]


def injected(make: str, name: str, **options: Any) -> Any:
    """The rates that `inject` or `listen` has used, as its state tells them."""
    optax = pytest.importorskip("optax")
    import jax.numpy as jnp

    from ratewise import optax as face

    tx = getattr(face, make)(name, optax.sgd, learning_rate=LR, total=TOTAL, **options)
    state, rates = tx.init(jnp.ones(1)), []
    for _ in range(TOTAL):
        moved, state = tx.update(jnp.ones(1), state)
        rates.append(-float(moved[0]))
    return rates


def callback(name: str, **options: Any) -> Any:
    """The rates of a module that Lightning's callback was given for."""
    pl = pytest.importorskip("lightning.pytorch")
    from ratewise.lightning import Attach
    from tests.lightning.test_cli import Watched

    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False}
    quiet |= {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    module, ours = Watched(), Attach(name, **options)
    trainer = pl.Trainer(max_steps=TOTAL, callbacks=[ours], **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(torch.ones(4 * TOTAL, 3), batch_size=4))
    return module.rates


def by_settings(name: str, **options: Any) -> Any:
    """What the adapters of the smaller trainers share."""
    from ratewise.adapters.torch.trainers import RunSettings

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    asked = RunSettings.read("attach", name, options, example="…", total=TOTAL)
    asked.bind(optimizer)
    rates: list[float] = []
    optimizer.register_step_post_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    for _ in range(TOTAL):
        optimizer.step()
    return rates


EVERY: dict[str, Rates] = {
    **FACES,
    "inject": functools.partial(injected, "inject"),
    "listen": functools.partial(injected, "listen"),
    "Attach": callback,
    "RunSettings": by_settings,
}
EXAMPLES = {"Attach": 4, "transformers": 5, "inject": 5, "listen": 5}
"""Of those that make a whole trainer, or compile, a few."""


def native(name: str, warmup: int, theirs: dict[str, Any]) -> list[float]:
    """The rates of Transformers' own scheduler."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=TOTAL,
        scheduler_specific_kwargs=theirs,
    )  # fmt: skip
    rates: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    for _ in range(TOTAL):
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("face", EVERY)
def test_the_rates_are_those_of_the_framework(face: str, tmp_path: Path) -> None:
    """Behind the warm-up, each rate is that of Transformers' scheduler of the name, in a run."""
    if face in ("keras", "callback"):
        pytest.importorskip("keras")
        pytest.importorskip("jax")
    more = {"folder": tmp_path} if face == "transformers" else {}

    @settings(max_examples=EXAMPLES.get(face, 12), deadline=None)
    @given(name=st.sampled_from([*NATIVE]), warmup=st.integers(1, 8))
    def held(name: str, warmup: int) -> None:
        ours, theirs = NATIVE[name]
        found = EVERY[face](name, warmup=warmup, **ours, **more)
        wanted = native(name, warmup, theirs)
        np.testing.assert_allclose(found[warmup:], wanted[warmup:], rtol=3e-6, atol=1e-9)
        climb = [LR * (t + 1) / (warmup + 1) for t in range(warmup)]
        np.testing.assert_allclose(found[:warmup], climb, rtol=3e-6)

    held()


@pytest.mark.parametrize("face", ["inject", "listen", "Attach", "RunSettings"])
def test_a_slip_is_heard(face: str) -> None:
    """A name, an argument, a warm-up beside a schedule that says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ScheduleError, match=r"did you mean cosine\."):
            EVERY[face]("cosin", warmup=3)
        with pytest.raises(ScheduleError, match="warmpu=5"):
            EVERY[face]("cosine", warmpu=5)
        with pytest.raises(ScheduleError, match="write Warmup"):
            EVERY[face]("Cosine(to=0)", warmup=5)
        with pytest.raises(ScheduleError, match="give decay"):
            EVERY[face]("wsd", warmup=5)


def test_the_schedules_of_optax_and_keras() -> None:
    """Under the names that all of them have, without a warm-up, the rates are theirs too."""
    optax = pytest.importorskip("optax")
    keras = pytest.importorskip("keras")
    from ratewise.keras import LearningRate
    from ratewise.optax import schedule

    own = keras.optimizers.schedules
    cases: list[tuple[str, dict[str, Any], Any, Any]] = [
        ("cosine", {}, optax.cosine_decay_schedule(LR, TOTAL), own.CosineDecay(LR, TOTAL)),
        (
            "cosine_with_min_lr",
            {"to": 0.1},
            optax.cosine_decay_schedule(LR, TOTAL, alpha=0.1),
            own.CosineDecay(LR, TOTAL, alpha=0.1),
        ),
        (
            "linear",
            {},
            optax.linear_schedule(LR, 0, TOTAL),
            own.PolynomialDecay(LR, TOTAL, end_learning_rate=0),
        ),
        (
            "polynomial",
            {"power": 2.0, "to": 0.1},
            optax.polynomial_schedule(LR, 0.1 * LR, 2.0, TOTAL),
            own.PolynomialDecay(LR, TOTAL, end_learning_rate=0.1 * LR, power=2.0),
        ),
    ]
    for name, options, in_optax, in_keras in cases:
        ours = schedule(name, LR, total=TOTAL, **options)
        rate = LearningRate(name, LR, total=TOTAL, **options)
        for t in range(TOTAL):
            np.testing.assert_allclose(float(ours(t)), float(in_optax(t)), rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(float(rate(t)), float(in_keras(t)), rtol=1e-5, atol=1e-8)
