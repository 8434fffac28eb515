"""A Muon beside an AdamW: one scheduler for both, each at its own rate and on its own clock."""

import torch

from ratewise import Cosine, Warmup
from ratewise.torch import Scheduler

model = torch.nn.Linear(4, 4)
muon = torch.optim.Muon([model.weight], lr=3e-2)
adam = torch.optim.AdamW([model.bias], lr=3e-2)

plan = Warmup("10%") >> Cosine(to=0.1)
schedulers = Scheduler([muon, adam], plan, total=24)
for _ in range(24):
    x = torch.randn(8, 4)
    (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
    for optimizer in (muon, adam):
        optimizer.step()
        optimizer.zero_grad()
print(schedulers.committed)
