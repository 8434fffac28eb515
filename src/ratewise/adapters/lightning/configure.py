"""From optimizers and schedules to what `configure_optimizers` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from ratewise.adapters.arguments import HorizonOf
from ratewise.adapters.lightning.guard import Guard
from ratewise.adapters.lightning.horizon import horizon_of, long_enough, smoke_flag
from ratewise.adapters.lightning.observe import Observe
from ratewise.adapters.torch.scheduler import Scheduler, told_by
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import speaking


@dataclass(frozen=True)
class AttachSettings:
    """What `attach` was given.

    Attributes:
        schedule: One for all optimizers, or a list with one for each; they are read.
        horizon: What the user gave of it.
        policies: What to do about checkpoints that differ, and rates that others set.
        name: Name for `LearningRateMonitor`, or one for each optimizer.
    """

    schedule: Any
    horizon: dict[str, Any]
    policies: Mapping[str, Any]
    name: Any


def is_module(value: Any) -> bool:
    """Whether a value is a module of Lightning, by either name of the package."""
    return isinstance(value, nn.Module) and hasattr(value, "configure_optimizers")


def configure(optimizers: list[Any], settings: AttachSettings, module: Any) -> list[dict[str, Any]]:
    """Return one config for each optimizer, and show them what the trainer measures."""
    schedules = _spread("schedule", settings.schedule, len(optimizers))
    names = _spread("name", settings.name, len(optimizers))
    values: list[Schedule | Plan | None] = schedules
    trainer = None if module is None else trainer_of(module)
    automatic: bool = getattr(module, "automatic_optimization", True)
    known = {} if trainer is None else horizon_of(trainer, automatic)
    if known and (flag := smoke_flag(trainer)):
        known["total"] = long_enough(known, settings.horizon, values, flag)
    horizon = {**known, **settings.horizon}
    for value in values:
        _check_total(value, horizon, module)
    configs = [
        _config(optimizer, value, horizon, settings.policies, name)
        for optimizer, value, name in zip(optimizers, values, names, strict=True)
    ]
    if trainer is None:
        return configs
    Guard.over(module)
    if not any(isinstance(callback, Observe) for callback in trainer.callbacks):
        trainer.callbacks.insert(0, Observe())  # before those that save what it has shown
    return configs


def _config(
    optimizer: Any,
    schedule: Any,
    horizon: dict[str, Any],
    policies: Mapping[str, Any],
    name: str | None,
) -> dict[str, Any]:
    if schedule is None:
        return {"optimizer": optimizer}
    with speaking(HorizonOf(adapter="attach")):
        scheduler = Scheduler(optimizer, schedule, **horizon, **policies)
    told_by("attach", scheduler)
    config = {"scheduler": scheduler, "interval": "step", "frequency": 1, "name": name}
    return {"optimizer": optimizer, "lr_scheduler": config}


def _spread(what: str, given: Any, count: int) -> list[Any]:
    """Return one of a thing for each optimizer."""
    if not isinstance(given, list | tuple):
        return [given] * count
    if len(given) != count:
        rule = f"has {len(given)} for {count} optimizers"
        raise ScheduleError(f"attach({what}=[…])", rule, "give one for each")
    return list(given)


def trainer_of(module: Any) -> Any:
    """Return the trainer of a module.

    Raises:
        ScheduleError: not a module, or it has none.
    """
    if not is_module(module):
        rule = "needs a LightningModule as module"
        raise ScheduleError(
            "attach", rule, "write module=self in configure_optimizers", given=type(module).__name__
        )
    try:
        return module.trainer
    except RuntimeError:
        return None


def _check_total(schedule: Any, horizon: dict[str, Any], module: Any) -> None:
    """Say what to do where lengths need a total that is not known."""
    if schedule is None or horizon.get("total") is not None:
        return
    try:
        schedule.resolve(**horizon)
    except ScheduleError as error:
        if module is None:
            why, fix = "no trainer is known", "give module=self, or total=…"
        elif not getattr(module, "automatic_optimization", True):
            why = "manual optimization steps as often as the code says"
            fix = "give total=…, self.trainer.estimated_stepping_batches if each batch steps once"
        else:
            why, fix = "the run has no end that is known", "give the trainer max_steps, or total=…"
        raise ScheduleError("attach", f"cannot resolve {schedule!r}, since {why}", fix) from error
