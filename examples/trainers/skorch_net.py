"""skorch: one callback, in a net that is fitted as any estimator of scikit-learn."""

import torch
from skorch import NeuralNetRegressor

from ratewise import Cosine, Warmup
from ratewise.skorch import SkorchCallback

x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)

plan = Warmup("10%") >> Cosine(to=0.1)
net = NeuralNetRegressor(
    torch.nn.Linear(4, 1),
    optimizer=torch.optim.AdamW,
    lr=3e-2,
    batch_size=8,
    max_epochs=3,
    train_split=None,
    callbacks=[SkorchCallback(plan)],
)
net.fit(x, y)
print("the last update of each epoch:", [f"{rate:.4g}" for rate in net.history[:, "event_lr"]])
