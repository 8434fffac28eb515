"""The Trainer of Transformers."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from ratewise.torch import Scheduler
from ratewise.transformers import attach
from tests.guarantees.setup import HELD_OUT, LR, Ran, Setup, rows
from tests.guarantees.torch_driver import Recorder, line


class Regression(torch.nn.Module):
    """A line, with the signature that a Trainer expects."""

    def __init__(self) -> None:
        super().__init__()
        self.line = line()

    def forward(self, x: Any, labels: Any) -> Any:
        out = self.line(x)
        return {"loss": (out - labels).square().mean(), "logits": out}


class Own(transformers.Trainer):
    """Makes its optimizer by its own method, as many subclasses do."""

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if self.optimizer is None:
            self.optimizer = Recorder(self.model.parameters(), lr=LR)
        return self.optimizer


class Watch(transformers.TrainerCallback):
    """Tells of every update, and ends a run early."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def on_step_end(self, args: Any, state: Any, control: Any, optimizer: Any, **rest: Any) -> None:
        while hasattr(optimizer, "optimizer"):
            optimizer = optimizer.optimizer
        self.setup.after(state.global_step, optimizer.used[-1])

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        control.should_training_stop = self.setup.stop is not None and (
            round(state.epoch) >= self.setup.stop
        )


def dataset(x: Any, y: Any) -> list[dict[str, Any]]:
    return [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]


class Trained:
    """attach(trainer, plan) and trainer.train()."""

    name = "transformers"
    flushes = True

    def train(self, plan: Any, setup: Setup) -> Ran:
        arguments = transformers.TrainingArguments(
            output_dir=str(setup.folder),
            learning_rate=LR,
            num_train_epochs=setup.epochs,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=setup.accumulation,
            eval_strategy="epoch" if setup.listen else "no",
            save_strategy="epoch",
            logging_steps=1,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        torch.manual_seed(0)
        trainer = Own(
            Regression(),
            arguments,
            train_dataset=dataset(*rows(setup.batches)),
            eval_dataset=dataset(*HELD_OUT),
            callbacks=[Watch(setup)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        attach(trainer, plan, resume=setup.policy)
        trainer.train(resume_from_checkpoint=setup.resume or None)
        optimizer: Any = trainer.optimizer
        while hasattr(optimizer, "optimizer"):
            optimizer = optimizer.optimizer
        used = optimizer.__dict__.get("used", [])
        log = trainer.state.log_history
        rates = [one["learning_rate"] for one in log if "learning_rate" in one]
        heard = [(one["step"], one["eval_loss"]) for one in log if "eval_loss" in one]
        replay = Scheduler.of(optimizer).replay()
        return Ran(used, rates[len(rates) - len(used) :], heard, replay)
