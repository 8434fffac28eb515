"""PyTorch Ignite: `attach` in the place of a scheduler's handler."""

import torch
from ignite.engine import create_supervised_trainer
from torch.utils.data import DataLoader, TensorDataset

from ratewise import Cosine, Warmup
from ratewise.ignite import attach

x = torch.randn(64, 4)
loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8, shuffle=True)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2)
trainer = create_supervised_trainer(model, optimizer, torch.nn.MSELoss())

plan = Warmup("10%") >> Cosine(to=0.1)
schedule = attach(trainer, optimizer, plan)
trainer.run(loader, max_epochs=3)
print(schedule.scheduler)
