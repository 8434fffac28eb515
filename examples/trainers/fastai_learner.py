"""fastai: one callback in the place of `fit_one_cycle`."""

import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch.utils.data import DataLoader, TensorDataset

from ratewise import Cosine, Warmup
from ratewise.fastai import attach

x = torch.randn(64, 4)
data = TensorDataset(x, x.sum(1, keepdim=True))
dls = DataLoaders(DataLoader(data, 8, shuffle=True), DataLoader(data, 8))
learn = Learner(dls, torch.nn.Linear(4, 1), loss_func=torch.nn.functional.mse_loss)

plan = Warmup("10%") >> Cosine(to=0.1)
attach(learn, plan)
with learn.no_mbar():
    learn.fit(3, 3e-2)
print(f"{len(learn.recorder.lrs)} updates, the last at {learn.recorder.lrs[-1]:.4g}")
