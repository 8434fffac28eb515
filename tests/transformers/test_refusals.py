"""What cannot be attached, and what is said about it."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
import weakref
from typing import Any

import pytest
import torch
import transformers
from transformers import SchedulerType

import ratewise as rw
from ratewise.transformers import attach
from tests.transformers import tiny

PLAN = rw.Warmup("25%") >> rw.Cosine(to=0.1)


def test_a_second_schedule_is_refused(tmp_path: Any) -> None:
    """One trainer, one attachment."""
    trainer = attach(tiny.make(tmp_path), PLAN)
    with pytest.raises(rw.ScheduleError, match="attach once"):
        attach(trainer, PLAN)


def test_after_the_start_it_is_too_late(tmp_path: Any) -> None:
    """While it trains, and after it has trained with a scheduler of its own."""
    trainer = tiny.make(tmp_path, max_steps=2)
    late = tiny.At(1, lambda _: attach(trainer, PLAN))
    trainer.add_callback(late)
    with pytest.raises(rw.ScheduleError, match=r"training had started \(update 1\)"):
        trainer.train()
    done = tiny.make(tmp_path, max_steps=2)
    done.train()
    with pytest.raises(rw.ScheduleError, match="LambdaLR"):
        attach(done, PLAN)


def test_a_scheduler_that_was_handed_over_is_refused(tmp_path: Any) -> None:
    """optimizers=(optimizer, scheduler) and attach cannot both be meant."""
    model = tiny.model()
    made = tiny.Recorder(model.parameters(), lr=tiny.LR)
    other = torch.optim.lr_scheduler.ConstantLR(made)
    trainer = tiny.make(tmp_path, kind=transformers.Trainer, model=model, optimizers=(made, other))
    with pytest.raises(rw.ScheduleError, match=r"optimizers=\(optimizer, None\)"):
        attach(trainer, PLAN)


@pytest.mark.parametrize(
    "options",
    [
        {"lr_scheduler_type": "cosine"},
        {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps", "eval_steps": 1},
        {"lr_scheduler_type": "greedy", "eval_strategy": "steps", "eval_steps": 1},
        {"warmup_steps": 10},
        {"lr_scheduler_kwargs": {"min_lr": 0.1}},
    ],
    ids=lambda options: next(iter(options)),
)
def test_arguments_that_ask_for_another_schedule_are_refused(options: Any, tmp_path: Any) -> None:
    """Nothing that was asked for is passed over: the argument is named."""
    if options.get("lr_scheduler_type") == "greedy" and "greedy" not in list(SchedulerType):
        pytest.skip("this version of Transformers has no such scheduler")
    trainer = tiny.make(tmp_path, eval_dataset=tiny.rows(2), **options)
    with pytest.raises(rw.ScheduleError, match=next(iter(options))):
        attach(trainer, PLAN)


@pytest.mark.parametrize("name", ["lomo", "adalomo", "galore_adamw_layerwise"])
def test_optimizers_without_a_step_are_refused(name: str, tmp_path: Any) -> None:
    """Updates made on the way back cannot be counted."""
    trainer = tiny.make(tmp_path)
    trainer.args.optim = transformers.training_args.OptimizerNames(name)
    with pytest.raises(rw.ScheduleError, match=name):
        attach(trainer, PLAN)


def test_another_scheduler_in_our_place_is_found(tmp_path: Any) -> None:
    """A subclass that sets lr_scheduler behind our back is refused before its first update."""

    class Replacing(tiny.Tiny):
        def train(self, *args: Any, **kwargs: Any) -> Any:
            ours = self.create_scheduler
            self.create_scheduler = lambda *a, **k: (ours(*a, **k), self.replace())
            return super().train(*args, **kwargs)

        def replace(self) -> None:
            self.lr_scheduler = torch.optim.lr_scheduler.ConstantLR(self.optimizer)

    trainer = attach(tiny.make(tmp_path, kind=Replacing, max_steps=2), PLAN)
    with pytest.raises(rw.ScheduleError, match="found a ConstantLR"):
        trainer.train()


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"schedule": 3}, "needs a schedule"),
        ({"schedule": "Cosin(to=0)"}, "Cosine"),
        ({"resume": "chekpoint"}, "checkpoint"),
        ({"totl": 10}, "did you mean total"),
        ({"trainer": torch.nn.Linear(1, 1)}, r"needs a transformers\.Trainer"),
    ],
)
def test_what_was_written_wrong_is_named(change: Any, advice: str, tmp_path: Any) -> None:
    """Unknown arguments and names get the nearest match."""
    given = {"trainer": tiny.make(tmp_path), "schedule": PLAN, **change}
    with pytest.raises(rw.ScheduleError, match=advice):
        attach(**given)


def test_lengths_that_do_not_fit_are_refused_before_the_first_update(tmp_path: Any) -> None:
    """A warm-up as long as the run is named with both numbers."""
    trainer = attach(tiny.make(tmp_path, max_steps=5), rw.Warmup(500) >> rw.Cosine(to=0))
    with pytest.raises(rw.ScheduleError, match=r"Warmup\(500\) does not fit in total=5"):
        trainer.train()
    assert tiny.used(trainer) == []


def test_correct_use_warns_of_nothing(tmp_path: Any) -> None:
    """Neither we nor PyTorch about us say anything, through training, evaluating and saving."""
    plan = rw.Warmup(2) >> rw.Plateau("eval_loss")
    options = {"eval_strategy": "steps", "eval_steps": 2, "eval_dataset": tiny.rows(4)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = tiny.make(tmp_path, max_steps=4, save_strategy="steps", **options)
        attach(trainer, plan).train()
    ours = [w for w in caught if "ratewise" in w.filename or "lr_scheduler" in str(w.message)]
    assert ours == []


def test_a_trainer_that_is_let_go_is_freed(tmp_path: Any) -> None:
    """Nothing of ours holds the trainer or its optimizer."""
    trainer = attach(tiny.make(tmp_path, max_steps=2), PLAN)
    trainer.train()
    held = weakref.ref(trainer), weakref.ref(tiny.innermost(trainer))
    trainer.accelerator.free_memory()
    del trainer
    gc.collect()
    assert [ref() for ref in held] == [None, None]


def test_a_missing_extra_is_named() -> None:
    """Without Transformers the import says which command installs it."""
    script = (
        "import sys; sys.modules['transformers'] = None\n"
        "try: import ratewise.transformers\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'ratewise[transformers]'" in run.stdout, run.stderr
