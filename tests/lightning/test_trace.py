"""The rates that updates use under Lightning, in all the ways in which it counts."""

from __future__ import annotations

from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import GradientAccumulationScheduler

import ratewise as rw
from ratewise.lightning import Observe, attach
from ratewise.torch import Scheduler
from tests.lightning import tiny

PLAN = rw.Warmup("25%") >> rw.Cosine(to=0.1)
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")
CASES = {
    "epochs": (6, {"max_epochs": 2}, 12),
    "max_steps": (6, {"max_steps": 8}, 8),
    "both": (6, {"max_epochs": 2, "max_steps": 100}, 12),
    "accumulation": (6, {"max_epochs": 2, "accumulate_grad_batches": 3}, 4),
    "partial last window": (22, {"max_epochs": 2, "accumulate_grad_batches": 4}, 12),
    "a part of the data": (22, {"max_epochs": 2, "limit_train_batches": 5}, 10),
}


class Inside(tiny.Module):
    """Attaches in `configure_optimizers`."""

    def __init__(self, plan: Any, **options: Any) -> None:
        super().__init__()
        self.plan, self.options = plan, options

    def configure_optimizers(self) -> Any:
        return attach(super().configure_optimizers(), self.plan, module=self, **self.options)


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize(("batches", "options", "total"), CASES.values(), ids=CASES)
def test_updates_use_the_schedule(batches: int, options: Any, total: int, outside: bool) -> None:
    """Attached inside or outside of the module, every update uses lr·f(t), to the end of f."""
    module = attach(tiny.Module(), PLAN) if outside else Inside(PLAN)
    trainer = tiny.fit(module, batches, **options)
    assert tiny.used(module.made) == tiny.rates(PLAN, total)
    assert Scheduler.of(module.made).committed == trainer.global_step == total


def test_a_stream_runs_to_max_steps() -> None:
    """Data without a length needs max_steps, and shares are of it."""
    module = attach(tiny.Module(), PLAN)
    tiny.fit(module, torch.utils.data.DataLoader(tiny.Stream()), max_steps=7)
    assert tiny.used(module.made) == tiny.rates(PLAN, 7)
    endless = attach(tiny.Module(), PLAN)
    with pytest.raises(rw.ScheduleError, match="no end that is known"):
        tiny.fit(endless, torch.utils.data.DataLoader(tiny.Stream()), max_epochs=2)


def test_units_come_from_the_trainer() -> None:
    """An epoch is its updates with the partial window; samples are batch × window."""
    plan = rw.Warmup("1 epoch") >> rw.Hold(over="16 samples") >> rw.Linear(to=0)
    module = attach(tiny.Module(), plan)
    options = {"max_epochs": 3, "accumulate_grad_batches": 4}
    tiny.fit(module, tiny.data(10, size=2), **options)
    assert tiny.used(module.made) == tiny.rates(plan, 9, epoch=3, samples=8)


def test_accumulation_that_changes_is_counted_epoch_by_epoch() -> None:
    """Where windows grow, the horizon is the sum of what each epoch has."""
    module = attach(tiny.Module(), PLAN)
    windows = GradientAccumulationScheduler({0: 1, 1: 4})
    tiny.fit(module, 6, max_epochs=3, callbacks=[windows])
    assert tiny.used(module.made) == tiny.rates(PLAN, 6 + 2 + 2)


def test_without_a_trainer_a_total_is_asked_for() -> None:
    """Outside of a run, total= is enough; without it the error says what to write."""
    module = tiny.Module()
    made = attach(module.configure_optimizers(), PLAN, total=9)
    assert set(made) == {"optimizer", "lr_scheduler"}
    assert made["lr_scheduler"]["interval"] == "step"
    with pytest.raises(rw.ScheduleError, match="give module=self, or total=…"):
        attach(module.configure_optimizers(), PLAN)
    with pytest.raises(rw.ScheduleError, match="give module=self, or total=…"):
        attach(tiny.Module().configure_optimizers(), "Warmup('3 epochs') >> Linear(to=0)")


class Two(tiny.Module):
    """Two optimizers, stepped by hand, the second every other time."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.other = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, index: int) -> None:
        for i, (optimizer, layer) in enumerate(
            zip(self.optimizers(), (self.layer, self.other), strict=True)
        ):
            if not i or index % 2:
                optimizer.zero_grad()
                self.manual_backward(layer(batch).sum())
                optimizer.step()

    def configure_optimizers(self) -> Any:
        one = tiny.Recorder(self.layer.parameters(), lr=tiny.LR)
        two = tiny.Recorder(self.other.parameters(), lr=1e-2)
        self.both = one, two
        return [one, two]


@pytest.mark.parametrize("outside", [True, False])
def test_several_optimizers_have_clocks_of_their_own(outside: bool) -> None:
    """Stepped by hand, without scheduler.step(), each follows its schedule at its own pace."""
    slow = rw.Warmup(2) >> rw.Linear(to=0, over=4)
    plans = [rw.Warmup(4) >> rw.Linear(to=0, over=8), slow]

    class Within(Two):
        def configure_optimizers(self) -> Any:
            return attach(super().configure_optimizers(), plans, module=self, name=["a", "b"])

    module = attach(Two(), plans) if outside else Within()
    tiny.fit(module, 6, max_epochs=2)
    assert tiny.used(module.both[0]) == tiny.rates(plans[0], 12)
    assert tiny.used(module.both[1]) == tiny.rates(slow, 6, 1e-2)


def test_one_of_several_may_be_left_alone() -> None:
    """None in the list leaves an optimizer as it is; one schedule is for all."""
    module = attach(Two(), [PLAN, None], total=12)
    tiny.fit(module, 6, max_epochs=2)
    assert tiny.used(module.both[0]) == tiny.rates(PLAN, 12)
    assert tiny.used(module.both[1]) == [1e-2] * 6
    alike = attach(Two(), PLAN, total=12)
    tiny.fit(alike, 6, max_epochs=2)
    assert tiny.used(alike.both[1]) == tiny.rates(PLAN, 12, 1e-2)[:6]


def test_by_hand_only_the_code_knows_how_often() -> None:
    """With manual optimization a share of the run asks for total=."""
    with pytest.raises(rw.ScheduleError, match="manual optimization"):
        tiny.fit(attach(Two(), PLAN), 6, max_epochs=2)


def test_fitted_again_the_schedule_starts_again() -> None:
    """A module fitted twice, with a new optimizer or the old one, follows f from the start."""
    module = attach(tiny.Module(), PLAN)
    for total in (6, 12):
        tiny.fit(module, 6, max_epochs=total // 6)
        assert tiny.used(module.made) == tiny.rates(PLAN, total)

    class Same(tiny.Module):
        made: Any = None

        def configure_optimizers(self) -> Any:
            return self.made or super().configure_optimizers()

    same = attach(Same(), PLAN)
    for epochs in (1, 2):
        tiny.fit(same, 6, max_epochs=epochs)
    assert tiny.used(same.made) == tiny.rates(PLAN, 6) + tiny.rates(PLAN, 12)


@pytest.mark.parametrize("form", ["dict", "dicts", "pair", "list"])
def test_every_form_that_a_module_may_return(form: str) -> None:
    """A dict, a list of dicts, a pair of lists and a list are one optimizer each."""

    class Forms(tiny.Module):
        def configure_optimizers(self) -> Any:
            made = super().configure_optimizers()
            part = {"optimizer": made}
            return {"dict": part, "dicts": [part], "pair": ([made], []), "list": [made]}[form]

    module = attach(Forms(), PLAN)
    tiny.fit(module, 6, max_epochs=1)
    assert tiny.used(module.made) == tiny.rates(PLAN, 6)


def test_the_callback_comes_once_and_first() -> None:
    """Observe is there wherever the trainer is known, before callbacks that save."""
    module = attach(tiny.Module(), PLAN)
    saving = lightning.pytorch.callbacks.ModelCheckpoint(save_last=True)
    first = tiny.fit(module, 6, max_epochs=1, enable_checkpointing=True, callbacks=[saving])
    assert isinstance(first.callbacks[0], Observe)
    own = tiny.fit(attach(tiny.Module(), PLAN), 6, max_epochs=1, callbacks=[Observe()])
    assert sum(isinstance(callback, Observe) for callback in own.callbacks) == 1


class Fused(tiny.Module):
    """A module whose optimizer takes rates that are tensors."""

    def configure_optimizers(self) -> Any:
        super().configure_optimizers().param_groups[0]["fused"] = True
        return self.made


def test_rates_on_the_device() -> None:
    """`attach(on_device=True)`: rates are float32 tensors, each base·f(t) rounded once."""
    module = attach(Fused(), PLAN, on_device=True)
    with pytest.warns(UserWarning, match="are tensors on cpu"):
        tiny.fit(module, 6, max_epochs=2)
    assert isinstance(module.made.param_groups[0]["lr"], torch.Tensor)
    exact = torch.tensor(tiny.rates(PLAN, 12), dtype=torch.float64)
    assert tiny.used(module.made) == exact.float().tolist()
    assert Scheduler.of(module.made).committed == 12
