"""DeepSpeed: one line behind `deepspeed.initialize`; start it with the launcher, `deepspeed`."""

import deepspeed
import torch

from ratewise import Cosine, Warmup
from ratewise.deepspeed import attach

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
config = {
    "train_micro_batch_size_per_gpu": 8,
    "gradient_accumulation_steps": 2,
    "zero_optimization": {"stage": 2},
    "zero_allow_untested_optimizer": True,
}
engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)

plan = Warmup("10%") >> Cosine(to=0.1)
attach(engine, plan, total=24)
for _ in range(48):
    x = torch.randn(8, 4, device=engine.device)
    engine.backward((engine(x) - x.sum(1, keepdim=True)).square().mean())
    engine.step()
