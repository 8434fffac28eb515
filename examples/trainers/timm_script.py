"""The loop of timm's script: our Scheduler is its `lr_scheduler`, and called as it calls it."""

import torch

from ratewise import Cosine, Warmup
from ratewise.torch import Scheduler

model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
groups = [  # as its layer decay makes them
    {"params": model[0].parameters(), "lr_scale": 0.5},
    {"params": model[1].parameters(), "lr_scale": 1.0},
]
optimizer = torch.optim.AdamW(groups, lr=3e-2)

plan, epochs, updates = Warmup("10%") >> Cosine(to=0.1), 3, 8
lr_scheduler = Scheduler(optimizer, plan, total=epochs * updates)
for epoch in range(epochs):
    for update in range(epoch * updates, (epoch + 1) * updates):
        x = torch.randn(8, 4)
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        lr_scheduler.step_update(num_updates=update + 1)
    lr_scheduler.step(epoch + 1, 1.0)
