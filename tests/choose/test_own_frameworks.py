"""The settings that frameworks have of their own, measured beside the frameworks themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.choose import choose
from ratewise.choose.own import OWN

torch = pytest.importorskip("torch")

TOTAL = 6
ONE: dict[str, Any] = {"total": TOTAL, "seeds": 1, "budget": 3 * TOTAL}


def own_of(task: Any, peak: float, **more: Any) -> Any:
    """Return the record of a task's own settings, which take part in a choice."""
    choice = choose(task, ["Linear(to=0)"], peaks=[peak, 2 * peak], **ONE, **more)
    assert not any("could not be read" in note for note in choice.notes)
    return next(run for run in choice.proof.runs if run.name == OWN)


@pytest.mark.parametrize(
    "options",
    [
        {"lr_scheduler_type": "cosine", "warmup_steps": 2},
        {},  # linear, unless something else is asked for
        {"lr_scheduler_type": "constant", "gradient_accumulation_steps": 2},
    ],
)
def test_a_trainer(tmp_path: Path, options: dict[str, Any]) -> None:
    """Its own `train()` has the same rates for its two groups, and evaluates to the same loss."""
    pytest.importorskip("transformers")
    from ratewise.choose import TrainerTask
    from tests.transformers.tiny import make, model, rows

    def made(seed: int) -> Any:
        own = {"eval_dataset": rows(8), "max_steps": TOTAL, **options}
        return make(tmp_path, model=model(seed=seed), seed=seed, **own)

    record = own_of(TrainerTask(made), 3e-4)
    trainer = made(0)
    trainer.train()
    used = np.array(trainer.optimizer.optimizer.used)
    np.testing.assert_allclose(record.rates, used[:, 0], rtol=1e-12, atol=0)
    assert record.metrics["loss"] == pytest.approx(trainer.evaluate()["eval_loss"], rel=1e-6)


def lightning_module(kind: str) -> Any:
    import lightning

    class Net(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return (self.net(batch) - batch.sum(1, keepdim=True)).square().mean()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.05)
            lrs = torch.optim.lr_scheduler
            if kind == "every epoch":
                return [optimizer], [lrs.ExponentialLR(optimizer, 0.5)]
            total = self.trainer.estimated_stepping_batches
            scheduler = lrs.OneCycleLR(optimizer, 0.2, total, cycle_momentum=False)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler,
                                                             "interval": "step"}}  # fmt: skip

    return Net()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["every epoch", "every step"])
def test_a_module(kind: str) -> None:
    """A fit of Lightning with the scheduler that the module configures ends at the same weights."""
    lightning = pytest.importorskip("lightning")
    from ratewise.choose import LightningTask
    from ratewise.tasks.lightning.trainer import SILENT

    rows = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    data = torch.utils.data.DataLoader(rows, batch_size=4)

    def metric(module: Any) -> float:
        return float(module.net(torch.ones(1, 3)))

    task = LightningTask(
        module=lambda: lightning_module(kind),
        data=lambda seed: data,
        metric=metric,
        trainer={"accelerator": "cpu"},
    )
    record = own_of(task, 0.05)
    torch.manual_seed(0)
    module, used = lightning_module(kind), []

    class Note(lightning.Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            used.append(optimizer.param_groups[0]["lr"])

    options = {**SILENT, "logger": False, "accelerator": "cpu", "max_steps": TOTAL}
    lightning.Trainer(**options, max_epochs=-1, callbacks=[Note()]).fit(module, data)
    np.testing.assert_allclose(record.rates, used, rtol=1e-12)
    assert record.metrics["metric"] == pytest.approx(metric(module), rel=1e-6)


def test_a_compiled_model() -> None:
    """`fit` with the schedule that the model is compiled with ends at the same loss."""
    keras = pytest.importorskip("keras")
    from ratewise.choose import KerasTask

    random = np.random.default_rng(0)
    batches = [(x := random.normal(size=(8, 3)).astype("float32"), x.sum(1, keepdims=True))
               for _ in range(TOTAL)]  # fmt: skip
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 4, warmup_target=0.05, warmup_steps=2)

    def model() -> Any:
        zeros = {"kernel_initializer": "ones", "bias_initializer": "zeros"}
        net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, **zeros)])
        net.compile(keras.optimizers.SGD(schedule, momentum=0.5), "mse", run_eagerly=True)
        return net

    def metric(net: Any) -> float:
        return float(net.evaluate(*batches[0], verbose=0))

    task = KerasTask(model=model, data=lambda seed: batches, metric=metric)
    record = own_of(task, 0.05)
    net = model()
    for x, y in batches:
        net.train_on_batch(x, y)
    wanted = [float(schedule(t)) for t in range(TOTAL)]
    np.testing.assert_allclose(record.rates, wanted, rtol=1e-6, atol=1e-9)
    assert record.metrics["metric"] == pytest.approx(metric(net), rel=1e-4)
