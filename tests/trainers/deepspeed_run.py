"""A short run of DeepSpeed on the CPU, in one process."""

from __future__ import annotations

from typing import Any

import deepspeed
import torch
import torch.distributed as dist

from tests.trainers.tiny import LR, TOTAL

# Its operator for shared memory would be compiled, and one process has nobody to share with.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
ENVIRONMENT = {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1"}
BUCKETS = {"reduce_bucket_size": 1000, "allgather_bucket_size": 1000, "sub_group_size": 1000,
           "stage3_prefetch_bucket_size": 1000}  # fmt: skip
"""Elements of its buffers: as it comes, each engine maps two gigabytes, and keeps them."""
RATIO = 10
"""Of the rates of the two groups."""


class Watched(torch.optim.AdamW):
    """Keeps, for every step, the rates of those groups that have a gradient in it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.__dict__["used"] = []

    def step(self, closure: Any = None) -> Any:
        groups = [g for g in self.param_groups if any(p.grad is not None for p in g["params"])]
        self.__dict__["used"].extend(float(group["lr"]) for group in groups)
        return super().step(closure)


def join() -> None:
    """Make the group of one process that DeepSpeed needs."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


def engine_of(
    stage: int = 2, bf16: bool = False, window: int = 1, more: Any = (), **options: Any
) -> Any:
    """Return an engine around a model with two groups of parameters."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    optimizer = Watched(
        [{"params": model[0].parameters(), "lr": LR / RATIO}, {"params": model[1].parameters()}],
        lr=LR,
    )
    if before := options.pop("before", None):
        before(optimizer)
    config = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": window,
        "zero_optimization": {"stage": stage, **BUCKETS},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "bf16": {"enabled": bf16},
        **dict(more),
    }
    engine = deepspeed.initialize(model=model, optimizer=optimizer, config=config, **options)[0]
    optimizer.__dict__["used"].clear()  # some engines take a step of zeros when they are made
    return engine


def train(engine: Any, updates: int = TOTAL, after: Any = None) -> Any:
    """Make so many updates."""
    kind = next(engine.module.parameters()).dtype
    for update in range(updates):
        for _ in range(engine.gradient_accumulation_steps()):
            engine.backward(engine(torch.ones(1, 2, dtype=kind)).square().mean())
            engine.step()
        if after is not None:
            after(update + 1)
    return engine


def used(engine: Any) -> list[float]:
    """The rates that the second group has used, of those of all groups in turn."""
    return engine.basic_optimizer.__dict__["used"][1::2]
