"""Real trainers around tiny models, with an optimizer that writes down the rates it uses."""

from __future__ import annotations

from typing import Any

import torch
import transformers

LR = 3e-4


class Recorder(torch.optim.AdamW):
    """Keeps the values of each update, read inside `step`, beside any hook."""

    used: list[list[float]]
    keys = ("lr",)

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        row = [float(group[key]) for group in self.param_groups for key in self.keys]
        self.__dict__.setdefault("used", []).append(row)
        return result


def model(labels: int = 2, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=50,
        max_position_embeddings=16,
        num_labels=labels,
    )
    return transformers.BertForSequenceClassification(config)


def rows(n: int) -> list[dict[str, Any]]:
    return [
        {"input_ids": [1, 2, i % 50], "attention_mask": [1, 1, 1], "labels": i % 2}
        for i in range(n)
    ]


class Stream(torch.utils.data.IterableDataset[Any]):
    """Rows without a length."""

    def __init__(self, n: int) -> None:
        self.rows = rows(n)

    def __iter__(self) -> Any:
        return iter(self.rows)


def arguments(folder: Any, kind: Any = transformers.TrainingArguments, **options: Any) -> Any:
    standard = {
        "output_dir": str(folder),
        "learning_rate": LR,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return kind(**{**standard, **options})


class Tiny(transformers.Trainer):
    """A trainer that makes its optimizer by its own method, as many subclasses do."""

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if self.optimizer is None:
            kept = [p for p in self.model.parameters() if p.requires_grad]
            groups = [
                {"params": [p for p in kept if p.dim() > 1], "lr": LR},
                {"params": [p for p in kept if p.dim() <= 1], "lr": LR / 10, "weight_decay": 0.0},
            ]
            self.optimizer = Recorder(groups, lr=LR)
        return self.optimizer


def make(folder: Any, n: int = 24, kind: Any = Tiny, data: Any = None, **options: Any) -> Any:
    """A trainer on `n` rows; options are training arguments, or `callbacks`, `eval_dataset`, …"""
    own = ("callbacks", "eval_dataset", "compute_metrics", "model_init", "optimizers", "model")
    given = {name: options.pop(name) for name in own if name in options}
    if "model_init" not in given:
        given.setdefault("model", model())
    data = rows(n) if data is None else data
    return kind(args=arguments(folder, **options), train_dataset=data, **given)


def innermost(trainer: Any) -> Any:
    return getattr(trainer.optimizer, "optimizer", trainer.optimizer)


def used(trainer: Any, column: int = 0) -> list[float]:
    """The rates that a group's updates used."""
    return [row[column] for row in innermost(trainer).__dict__.get("used", [])]


def rates(schedule: Any, total: int, lr: float = LR, **horizon: Any) -> list[float]:
    return [lr * level for level in schedule.resolve(total, **horizon).values(total).tolist()]


def logged(trainer: Any, name: str = "learning_rate") -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


class At(transformers.TrainerCallback):
    """Does something once, when an update has been made."""

    def __init__(self, update: int, act: Any) -> None:
        self.update, self.act = update, act

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        if state.global_step == self.update:
            self.act(control)


def stop(control: Any) -> None:
    control.should_training_stop = True
