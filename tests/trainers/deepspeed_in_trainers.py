"""DeepSpeed under Accelerate and under the Trainer; prints the rates that were used and logged.

A process of its own, since both keep what they run on for as long as theirs lasts.

python -m tests.trainers.deepspeed_in_trainers FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DeepSpeedPlugin

import ratewise.deepspeed
import ratewise.transformers
from tests.trainers.deepspeed_run import BUCKETS, ENVIRONMENT, Watched, join, used
from tests.trainers.tiny import LR, PLAN, TEXT, TOTAL
from tests.transformers.tiny import Tiny, arguments, logged, model, rows

ZERO = {"zero_optimization": {"stage": 2, **BUCKETS}, "steps_per_print": 10**9}
SIZES = {"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 2}


def accelerated() -> dict[str, list[float]]:
    """A loop of Accelerate, whose optimizer and engine DeepSpeed makes of what is prepared."""
    config = {**ZERO, **SIZES, "zero_allow_untested_optimizer": True}
    accelerator = Accelerator(deepspeed_plugin=DeepSpeedPlugin(hf_ds_config=config))
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    groups = [{"params": part.parameters()} for part in net]
    loader: Any = torch.utils.data.DataLoader(torch.ones(2 * TOTAL, 2), batch_size=1)
    engine, optimizer, loader = accelerator.prepare(net, Watched(groups, lr=LR), loader)
    ratewise.deepspeed.attach(engine, PLAN, total=TOTAL)
    told: list[float] = []
    for x in loader:
        with accelerator.accumulate(engine):
            accelerator.backward(engine(x).square().mean())
            optimizer.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            told.append(float(engine.lr_scheduler.get_last_lr()[0]))
    AcceleratorState._reset_state(True)
    return {"used": used(engine), "log": told}


def trainer(folder: str, optimizer: dict[str, Any] | None = None, plan: Any = PLAN) -> Any:
    """A Trainer that was attached to; with `optimizer`, DeepSpeed makes it."""
    sizes = dict.fromkeys(SIZES, "auto")
    made = {"optimizer": optimizer} if optimizer else {}
    options = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    saving = {"save_strategy": "steps", "save_steps": 5, "max_steps": TOTAL, "use_cpu": False}
    args = arguments(folder, deepspeed={**ZERO, **sizes, **made}, **options, **saving)
    kind = transformers.Trainer if optimizer else Tiny
    return ratewise.transformers.attach(kind(model(), args, train_dataset=rows(48)), plan)


def trained(one: Any, **options: Any) -> dict[str, list[float]]:
    one.train(**options)
    steps = getattr(one.deepspeed.basic_optimizer, "used", [])
    return {"used": [row[0] for row in steps][::2], "log": logged(one)}


def main(folder: str) -> None:
    """Run all of them."""
    os.environ.update(ENVIRONMENT)
    warnings.simplefilter("ignore")
    join()
    ran = {"accelerate": accelerated(), "whole": trained(trainer(folder, plan=TEXT))}
    last = os.path.join(folder, "checkpoint-5")
    ran["resumed"] = trained(trainer(folder), resume_from_checkpoint=last)
    theirs = {"type": "AdamW", "params": {"lr": "auto", "torch_adam": True}}
    ran["theirs"] = trained(trainer(folder, theirs))
    print("\n" + json.dumps(ran))


if __name__ == "__main__":
    main(sys.argv[1])
