"""Optimizers that are stepped in the backward pass, one for each parameter: a scheduler for all."""

import torch

from ratewise import Cosine, Warmup
from ratewise.torch import Scheduler

model = torch.nn.Linear(4, 1)
optimizers = {weight: torch.optim.AdamW([weight], lr=3e-2) for weight in model.parameters()}


def step(weight):
    optimizers[weight].step()
    optimizers[weight].zero_grad()


for weight in model.parameters():
    weight.register_post_accumulate_grad_hook(step)

plan = Warmup("10%") >> Cosine(to=0.1)
schedulers = Scheduler(optimizers, plan, total=24)
for _ in range(24):
    x = torch.randn(8, 4)
    (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
