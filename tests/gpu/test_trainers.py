"""On a real card: trainers in half precision, with fused steps under their own scalers."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler
from tests.gpu.conftest import TWIN
from tests.torch.device_twin import rounded

LR = 3e-4
TOTAL = 24
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Written(torch.optim.AdamW):
    """Keeps the rate of each step and whether it overflowed, as tensors: it asks nothing."""

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        found = getattr(self, "found_inf", None)
        found = torch.zeros(()) if found is None else found.clone()
        used = self.__dict__.setdefault("used", [])
        used.append((torch.as_tensor(self.param_groups[0]["lr"]).clone(), found))
        return result

    def committed(self) -> list[float]:
        return [float(rate) for rate, found in self.__dict__["used"] if not float(found)]


def check(optimizer: Written, scheduler: Scheduler) -> None:
    used = optimizer.committed()
    assert used == rounded(LR * PLAN.resolve(total=TOTAL).values(len(used)))
    assert scheduler.committed == len(used) > 0


@pytest.mark.slow
def test_transformers(card: Any, tmp_path: Any) -> None:
    """fp16, accumulation of 2: overflows do not count, whatever the trainer logs."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    sizes = {"hidden_size": 32, "intermediate_size": 32, "vocab_size": 50}
    config = transformers.BertConfig(
        num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=16, **sizes
    )
    model = transformers.BertForSequenceClassification(config).to(card.device)
    optimizer = Written(model.parameters(), lr=LR, fused=True)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL, on_device=True)
    rows = [
        {"input_ids": [1, 2, i % 50], "attention_mask": [1, 1, 1], "labels": i % 2}
        for i in range(4 * TOTAL)
    ]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        max_steps=TOTAL,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=TWIN,
        fp16=not TWIN,
    )
    both = (optimizer, scheduler)
    transformers.Trainer(model, arguments, train_dataset=rows, optimizers=both).train()
    check(optimizer, scheduler)


@pytest.mark.slow
def test_lightning(card: Any) -> None:
    """16-mixed, where the module hands over both."""
    lightning = pytest.importorskip("lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch).square().mean()

        def configure_optimizers(self) -> Any:
            self.made = Written(self.parameters(), lr=LR, fused=True)
            self.scheduler = Scheduler(self.made, PLAN, total=TOTAL, on_device=True)
            config = {"scheduler": self.scheduler, "interval": "step"}
            return {"optimizer": self.made, "lr_scheduler": config}

    trainer = lightning.Trainer(
        accelerator="cpu" if TWIN else "gpu",
        devices=1,
        precision="32-true" if TWIN else "16-mixed",
        max_steps=TOTAL,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    data = torch.utils.data.DataLoader(torch.ones(2 * TOTAL, 2), batch_size=2)
    trainer.fit(module, data)
    check(module.made, module.scheduler)
