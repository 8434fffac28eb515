"""A config of Lightning's command line gives the rates of the Trainer that runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ratewise.convert.reading import guess, read, read_source
from ratewise.schedule import ScheduleError
from tests.convert.configs.instantiate import make, node

RATE, BATCHES = 1e-3, 5
T = "torch.optim.lr_scheduler."
OPTIMIZER = {"class_path": "torch.optim.AdamW", "init_args": {"lr": RATE}}


def lightning(name: str, **given: Any) -> dict[str, Any]:
    return node(name, "class_path", **given)


def config(scheduler: Any, **trainer: Any) -> dict[str, Any]:
    return {"trainer": trainer, "optimizer": OPTIMIZER, "lr_scheduler": scheduler}


def trained(scheduler: Any, **trainer: Any) -> list[float]:
    """The rate at every step of the optimizer, in a run of Lightning's Trainer.

    The module returns what the `configure_optimizers` of its command line returns.
    """
    import lightning as L
    import torch

    rates: list[float] = []

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch).sum()

        def configure_optimizers(self) -> Any:
            one = torch.optim.AdamW(self.parameters(), lr=RATE)
            one.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
            return [one], [make(scheduler, one)]

    data = torch.utils.data.DataLoader(torch.ones(BATCHES, 1), batch_size=1)
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    L.Trainer(accelerator="cpu", **quiet, **trainer).fit(Module(), data)
    return rates


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cosine": (lightning(f"{T}CosineAnnealingLR", T_max=6, eta_min=1e-5), {"max_epochs": 6}),
    "past its end": (lightning(f"{T}CosineAnnealingLR", T_max=3), {"max_epochs": 5}),
    "step": (lightning(f"{T}StepLR", step_size=2, gamma=0.5), {"max_steps": 23}),
    "accumulated": (
        lightning(f"{T}ExponentialLR", gamma=0.5),
        {"max_epochs": 4, "accumulate_grad_batches": 2},
    ),
    "one after the other": (
        lightning(
            f"{T}SequentialLR",
            schedulers=[
                lightning(f"{T}LinearLR", start_factor=0.1, total_iters=2),
                lightning(f"{T}CosineAnnealingLR", T_max=4),
            ],
            milestones=[2],
        ),
        {"max_epochs": 6},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rates_are_those_of_the_trainer(name: str) -> None:
    """Its scheduler is stepped once per epoch, and the file says how long the run is."""
    scheduler, trainer = CASES[name]
    source = config(scheduler, **trainer)
    assert guess(source).name == "lightning_cli"
    expected = trained(scheduler, **trainer)
    epoch = -(-BATCHES // trainer.get("accumulate_grad_batches", 1))
    found = read_source(source, epoch=epoch)
    assert found.total == len(expected)
    np.testing.assert_allclose(found.plan.rates(found.total), expected, rtol=1e-9, atol=1e-18)
    assert any("once per epoch" in note for note in found.plan.notes)


def test_the_updates_of_an_epoch_are_asked_for() -> None:
    """Nothing in the file says them; a module that steps per update can be told."""
    source = config(lightning(f"{T}StepLR", step_size=2, gamma=0.5), max_epochs=10)
    with pytest.raises(ScheduleError, match="epoch"):
        read(source)
    plan = read(source, interval="update", total=4)
    np.testing.assert_allclose(plan.rates(4), [RATE, RATE, RATE / 2, RATE / 2])


def test_a_scheduler_of_the_model_is_stepped_as_the_model_says() -> None:
    """The command line has no part in it: what the file does not say is asked for."""
    inner = lightning(f"{T}StepLR", step_size=2, gamma=0.5)
    model = {"class_path": "src.Net", "init_args": {"optimizer": OPTIMIZER, "scheduler": inner}}
    with pytest.raises(ScheduleError, match="interval"):
        read({"model": model, "trainer": {"max_steps": 4}})
    model["init_args"]["scheduler_interval"] = "step"
    found = read_source({"model": model, "trainer": {"max_steps": 4}})
    assert found.total == 4
    np.testing.assert_allclose(found.plan.rates(4), [RATE, RATE, RATE / 2, RATE / 2])


def test_what_lightning_is_told_may_stand_beside_the_arguments() -> None:
    """Some projects have the interval in the section of the scheduler itself."""
    given = {**lightning(f"{T}StepLR", step_size=2, gamma=0.5), "frequency": 1, "name": "lr"}
    plan = read(config({**given, "interval": "step"}), total=4)
    np.testing.assert_allclose(plan.rates(4), [RATE, RATE, RATE / 2, RATE / 2])
    with pytest.raises(ScheduleError, match="did you mean frequency"):
        read(config({**given, "interval": "step", "freqency": 2}), total=4)


def test_without_a_scheduler_the_rate_stays() -> None:
    """The command line returns the optimizer alone; a model may do anything."""
    plan = read({"optimizer": OPTIMIZER, "trainer": {"max_steps": 3}})
    assert list(plan.rates(3)) == [RATE] * 3
    with pytest.raises(ScheduleError, match="no scheduler"):
        read({"model": {"optimizer": OPTIMIZER}}, format="lightning_cli")


def test_the_command_may_be_in_the_file() -> None:
    """The arguments lie under its name then."""
    source = config(lightning(f"{T}StepLR", step_size=2, gamma=0.5), max_epochs=3)
    assert read_source({"fit": source}, epoch=4).plan == read_source(source, epoch=4).plan
    assert read_source({"fit": source}, epoch=4).total == 12


def test_a_plateau_of_lightning_names_its_metric() -> None:
    """Its class knows what it monitors."""
    given = lightning("lightning.pytorch.cli.ReduceLROnPlateau", monitor="val_loss", patience=2)
    assert 'Plateau(metric="val_loss"' in repr(read(config(given, max_epochs=3)).lr)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (config(lightning("pl_bolts.LinearWarmupCosineAnnealingLR", warmup_epochs=1)), "pl_bolts"),
        (config({"class_path": "StepLR", "init_args": {"step": 1}}), "did you mean step_size"),
        (
            {
                **config(lightning(f"{T}StepLR", step_size=2)),
                "trainer": {"callbacks": [{"class_path": "lightning.LearningRateFinder"}]},
            },
            "LearningRateFinder",
        ),
        (config({"class_path": f"{T}LinearLR", "init_arg": {"total_iters": 9}}), "init_arg"),
        ({**config(lightning(f"{T}StepLR", step_size=2)), "warmup": 5}, "has the key 'warmup'"),
        (
            {**config(lightning(f"{T}StepLR", step_size=2)), "lr_scheduler_2": {"gamma": 5}},
            "lr_scheduler_2",
        ),
    ],
)
def test_what_cannot_be_said_is_refused(source: dict[str, Any], message: str) -> None:
    """By name."""
    with pytest.raises(ScheduleError) as caught:
        read(source, total=20, epoch=4)
    assert message in str(caught.value)
