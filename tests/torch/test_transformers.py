"""The Transformers Trainer: accumulation, logs and resuming."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ratewise.torch import Scheduler

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow

LR = 3e-4
TOTAL = 10


def tiny() -> Any:
    config = transformers.BertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=50,
        max_position_embeddings=16,
    )
    return transformers.BertForSequenceClassification(config)


def trainer(tools: Any, folder: Any, window: int, stop: int | None = None) -> Any:
    """A trainer for 10 updates, that saves at 4 and may stop there as if it had been killed."""
    model = tiny()
    kind = tools.recording(torch.optim.AdamW)
    optimizer = kind(model.parameters(), lr=LR)
    scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)
    rows = [
        {"input_ids": [1, 2, i % 50], "attention_mask": [1, 1, 1], "labels": i % 2}
        for i in range(2 * window * TOTAL)
    ]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=window,
        max_steps=TOTAL,
        logging_steps=1,
        save_steps=4,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )

    class Stop(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            control.should_training_stop |= state.global_step == stop

    return transformers.Trainer(
        model,
        arguments,
        train_dataset=rows,
        optimizers=(optimizer, scheduler),
        callbacks=[Stop()],
    )


def logged(made: Any) -> list[float]:
    return [entry["learning_rate"] for entry in made.state.log_history if "learning_rate" in entry]


@pytest.mark.parametrize("window", [1, 3])
def test_killed_and_resumed_the_run_is_the_same(tools: Any, window: int, tmp_path: Any) -> None:
    """Rates used and rates logged are f(0) … f(9), through a stop at 5 and a resume from 4."""
    first = trainer(tools, tmp_path, window, stop=5)
    first.train()
    whole = tools.expected(tools.plan, TOTAL)
    assert tools.trace(first.optimizer.optimizer) == logged(first) == whole[:5]
    second = trainer(tools, tmp_path, window)
    second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert tools.trace(second.optimizer.optimizer) == whole[4:]
    assert logged(second) == whole
