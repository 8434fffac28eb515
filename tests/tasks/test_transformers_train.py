"""The task around a Transformers trainer: the same as `trainer.train()`, and shared runs too."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
import transformers

import ratewise as rw
from ratewise.choose import TrainerTask, compare
from ratewise.transformers import attach
from tests.tasks.fixtures import every_bit
from tests.tasks.laws import check_sharing
from tests.tasks.trainers import RATES, task_of, trainer_in, weights
from tests.transformers.tiny import LR, Stream, Tiny, make, model, rows


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


SCHEDULE = rw.Warmup(2) >> rw.Cosine(to=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_accumulation_steps": 1, "max_grad_norm": 0.0},
        {"max_grad_norm": 0.01, "weight_decay": 0.1},
        {"bf16": True},
        {"data": Stream(22), "max_steps": 8},
        {"data": Stream(22), "max_steps": 8, "gradient_accumulation_steps": 4},
        {"accelerator_config": {"use_seedable_sampler": False}},
        {"dataloader_num_workers": 1, "gradient_accumulation_steps": 3},
        {"gradient_checkpointing": True},
        {"kind": Tiny},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_a_run_is_trainer_train(tmp_path: Any, options: dict[str, Any]) -> None:
    """Weights and losses are those of the plain trainer with the schedule attached, to the bit."""
    task = task_of(tmp_path, **{"data": rows(22), **options})
    total = 8
    plain = task_of(tmp_path, **{"data": rows(22), "max_steps": total, **options})
    torch.manual_seed(4)
    trainer = attach(plain.make_trainer(4), SCHEDULE)
    trainer.train()
    run = task.open(4)
    losses = run.train(LR * SCHEDULE.resolve(total).values(total))
    assert weights(run) == every_bit(trainer.model)
    told = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(losses, told, rtol=1e-3)
    assert run.trainer.state.global_step == trainer.state.global_step
    if "max_steps" not in options:
        assert run.trainer.state.epoch == trainer.state.epoch
    measured, said = run.measure(), trainer.evaluate()
    assert measured == {name: said[f"eval_{name}"] for name in measured}


@pytest.mark.parametrize("remade", [False, True])
def test_a_function_without_a_seed_is_given_one(tmp_path: Any, remade: bool) -> None:
    """Seeds give other weights and another order; with `model_init` too, as in `train()`."""

    def network() -> Any:
        return model(seed=int(torch.randint(1000, ())))

    own: dict[str, Any] = {"model_init": network} if remade else {}

    def make_trainer() -> Any:
        parts = own or {"model": network()}
        return make(tmp_path, kind=transformers.Trainer, eval_dataset=rows(4), **parts)

    runs = [TrainerTask(make_trainer).open(seed) for seed in (0, 0, 1)]
    first, again, other = (run.train(RATES).tobytes() for run in runs)
    assert first == again != other
    assert weights(runs[0]) == weights(runs[1]) != weights(runs[2])


def test_rates_are_of_updates_and_groups_keep_their_ratio(tmp_path: Any) -> None:
    """With accumulation each update uses the next rate; the smaller group a tenth of it."""

    def make_trainer(seed: int) -> Any:
        return make(tmp_path, eval_dataset=rows(4), gradient_accumulation_steps=3, seed=seed)

    run = TrainerTask(make_trainer).open(0)
    run.train(RATES)
    made = np.array(run.optimizer.used)  # pyright: ignore
    assert made[:, 0].tolist() == RATES.tolist()
    np.testing.assert_allclose(made[:, 1], RATES / 10, rtol=1e-12)


def test_sharing_changes_no_bit(tmp_path: Any) -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    check_sharing(task_of(tmp_path), 1e-3, seeds=2)


def test_workers_change_no_bit(tmp_path: Any) -> None:
    """Two processes that make the trainer by themselves find what this one finds."""
    task = TrainerTask(partial(trainer_in, str(tmp_path)))
    asked: Any = {"total": 6, "peaks": [1e-3]}
    candidates = {"constant": rw.Hold(), "late": rw.Hold() >> rw.Linear(to=0, over=2)}
    here = compare(task, candidates, **asked)
    there = compare(task, candidates, **asked, workers=2)
    assert [run.error for run in there.runs] == [None, None]
    assert [run.losses.tobytes() for run in there.runs] == [
        run.losses.tobytes() for run in here.runs
    ]
    assert [run.metrics for run in there.runs] == [run.metrics for run in here.runs]
