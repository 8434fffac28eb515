"""`trace` sees what each framework's updates used, and finds the run that used something else."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule import ScheduleError
from ratewise.testing import trace
from tests.guarantees.setup import LR
from tests.guarantees.test_runs import PLAN, quietly


def transformers_run(folder, plan):
    """A Trainer with a plan attached, traced from before its optimizer is made."""
    transformers = pytest.importorskip("transformers")
    from ratewise.transformers import attach
    from tests.guarantees.setup import rows
    from tests.guarantees.trainer_driver import Regression, dataset

    arguments = transformers.TrainingArguments(
        str(folder), learning_rate=LR, max_steps=20, per_device_train_batch_size=1,
        gradient_accumulation_steps=2, report_to=[], use_cpu=True, disable_tqdm=True,
        save_strategy="no",
    )  # fmt: skip
    trainer = transformers.Trainer(Regression(), arguments, train_dataset=dataset(*rows(8)))
    if plan is not None:
        attach(trainer, plan)
    with trace(trainer) as run:
        trainer.train()
    return run


def lightning_run(folder, plan):
    """A LightningModule with a plan attached, traced through its trainer."""
    lightning = pytest.importorskip("lightning")
    import torch

    from ratewise.lightning import attach
    from tests.guarantees.lightning_driver import Module
    from tests.guarantees.torch_driver import tensors

    module = Module() if plan is None else attach(Module(), plan)
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=20, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accumulate_grad_batches=2,
        limit_val_batches=0,
    )  # fmt: skip
    with trace(trainer) as run:
        trainer.fit(module, torch.utils.data.DataLoader(tensors(8), batch_size=1))
    return run


def keras_run(folder, plan, rate=False):
    """A model of Keras, the plan in a callback or in the optimizer."""
    keras = pytest.importorskip("keras")
    from ratewise.keras import Callback, LearningRate
    from tests.guarantees.setup import rows

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    inside = LearningRate(plan, lr=LR, total=20) if rate else LR
    model.compile(keras.optimizers.SGD(inside, gradient_accumulation_steps=2), "mse")
    callbacks = [Callback(plan, lr=LR, total=20)] if plan is not None and not rate else []
    with trace(None) as run:
        model.fit(
            *rows(40),
            batch_size=1,
            verbose=0,
            shuffle=False,
            callbacks=[*callbacks, run.callback()],
        )
    return run


def keras_inside(folder, plan):
    return keras_run(folder, plan, rate=plan is not None)


RUNS = [transformers_run, lightning_run, keras_run, keras_inside]


@quietly
@pytest.mark.parametrize("train", RUNS)
def test_a_right_run_passes(train, tmp_path):
    """Twenty updates, each of two micro-batches, at the rates that were meant."""
    run = train(tmp_path, PLAN)
    assert len(run.rates) == 20
    run.check(PLAN, LR, total=20, rtol=3e-7)


@quietly
@pytest.mark.parametrize("train", RUNS)
def test_a_run_without_the_plan_is_found(train, tmp_path):
    """A trainer that nobody attached the plan to used other rates, and the first is named."""
    run = train(tmp_path, None)
    assert len(run.rates) == 20
    with pytest.raises(AssertionError, match=r"update \d+ used 0\.0"):
        run.check(PLAN, LR, total=20, rtol=3e-7)


@quietly
def test_momentum_of_keras_is_traced_too():
    """Any key of a plan can be recorded, as it was in the update."""
    keras = pytest.importorskip("keras")
    from ratewise.keras import Callback
    from tests.guarantees.setup import rows

    plan = rw.Plan(lr=PLAN, momentum=rw.Linear(to=0.5))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(LR, momentum=0.9), "mse")
    with trace(None) as run:
        watch = run.callback("momentum")
        model.fit(*rows(20), batch_size=1, verbose=0, callbacks=[Callback(plan, total=20), watch])
    np.testing.assert_allclose(run.group(), 0.9 * rw.Linear(to=0.5).resolve(20).values())


@quietly
def test_several_updates_in_one_execution_are_refused():
    """What cannot be seen update by update is not made up."""
    keras = pytest.importorskip("keras")
    from tests.guarantees.setup import rows

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(LR), "mse", steps_per_execution=5)
    with trace(None) as run, pytest.raises(ScheduleError, match="steps_per_execution=1"):
        model.fit(*rows(20), batch_size=1, verbose=0, callbacks=[run.callback()])


@quietly
def test_what_was_listened_to_is_left_as_it_was():
    """Behind the block nothing is recorded any more."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    with trace(optimizer) as run:
        optimizer.step()
    optimizer.step()
    assert len(run.rates) == 1
