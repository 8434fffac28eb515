"""Composer: one callback in the place of `schedulers`."""

import torch
from composer import Trainer
from composer.models import ComposerClassifier
from torch.utils.data import DataLoader, TensorDataset

from ratewise import Cosine, Warmup
from ratewise.composer import ComposerCallback

x = torch.randn(64, 4)
model = ComposerClassifier(torch.nn.Linear(4, 2), num_classes=2)

plan = Warmup("10%") >> Cosine(to=0.1)
trainer = Trainer(
    model=model,
    train_dataloader=DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8),
    optimizers=torch.optim.AdamW(model.parameters(), lr=3e-2),
    max_duration="3ep",
    callbacks=[ComposerCallback(plan)],
)
trainer.fit()
