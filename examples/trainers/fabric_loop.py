"""Lightning Fabric: our Scheduler on the optimizer that it has set up; nothing to step."""

import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader, TensorDataset

from ratewise import Cosine, Warmup
from ratewise.torch import Scheduler

fabric = Fabric(accelerator="cpu")
x = torch.randn(64, 4)
loader = fabric.setup_dataloaders(DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8))
model = torch.nn.Linear(4, 1)
model, optimizer = fabric.setup(model, torch.optim.AdamW(model.parameters(), lr=3e-2))

plan = Warmup("10%") >> Cosine(to=0.1)
scheduler = Scheduler(optimizer, plan, total=3 * len(loader))
for _ in range(3):
    for inputs, targets in loader:
        fabric.backward((model(inputs) - targets).square().mean())
        optimizer.step()
        optimizer.zero_grad()
print(scheduler)
