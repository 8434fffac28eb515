"""The trainer of a piece, and what is asked of a Lightning module."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ratewise._extras import require
from ratewise.adapters.torch.scheduler import Scheduler
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix

DATA, MODULE = "LightningTask(data=…)", "LightningTask(module=…)"
NO_LOSS = "return the loss of the batch from training_step"
_LONG = 10**9
"""Updates that a fit is told to make, which is stopped long before."""

SILENT: dict[str, Any] = {
    "limit_val_batches": 0,
    "num_sanity_val_steps": 0,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""Options of a trainer that only trains."""


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def quiet_trainer(
    library: Any, options: dict[str, Any], *callbacks: Any, total: int = _LONG
) -> Any:
    """Return a trainer that leaves nothing behind."""
    ours = {"max_steps": total, "max_epochs": -1, "logger": False, "callbacks": [*callbacks]}
    trainer = library.Trainer(**{"devices": 1, **SILENT, **options, **ours})
    if trainer.world_size > 1:
        fix = 'write trainer={"devices": 1}'
        raise ScheduleError("LightningTask(trainer=…)", "trains in several processes", fix)
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        fix = 'write trainer={"precision": "bf16-mixed"}'
        raise ScheduleError("LightningTask(trainer=…)", "scales its losses (fp16)", fix)
    return trainer


def optimizer_of(trainer: Any) -> Any:
    """Return the trainer's optimizer, if there is one and nobody else sets its rate."""
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, Scheduler):
            rule, fix = "follows a schedule already", "leave attach out, the rates are set"
            raise ScheduleError(MODULE, rule, fix)
    if not trainer.optimizers or not trainer.optimizers[0].param_groups:
        raise ScheduleError(MODULE, "has no optimizer", "let configure_optimizers return one")
    return trainer.optimizers[0]


def configured(module: Any) -> Any:
    """Return the optimizer that a module configures, or None if it is none alone."""
    return first_of(module.configure_optimizers())[0]


def first_of(made: Any) -> tuple[Any, Any]:
    """Return the first optimizer of what `configure_optimizers` returns, and its scheduler.

    The scheduler is as it is there, alone or in a dict that says when it is stepped; each is None
    if there is none.
    """
    scheduler: Any = None
    pair = isinstance(made, list | tuple) and len(made) == 2
    if pair and all(isinstance(one, list | tuple) for one in made):
        made, schedulers = made
        scheduler = schedulers[0] if schedulers else None
    while isinstance(made, list | tuple) and made:
        made = made[0]
    if isinstance(made, dict):
        scheduler, made = made.get("lr_scheduler", scheduler), made.get("optimizer")
    return made if hasattr(made, "param_groups") else None, scheduler


def loss_of(outputs: Any) -> Any:
    """Return the loss of a batch that a trainer tells of, or None if the module skipped it."""
    return outputs.get("loss") if isinstance(outputs, dict) else outputs


def library(module: Any, who: str = MODULE, instead: str | Fix = "write a TorchTask") -> Any:
    """Return the package that the module's class is from: there are two of the same.

    Args:
        module: The module.
        who: What to call it in an error.
        instead: What to do with one that optimizes by hand.
    """
    for base in type(module).__mro__:
        if base.__name__ == "LightningModule":
            if not module.automatic_optimization:
                raise ScheduleError(who, "optimizes by hand, so its loss is not known", instead)
            name = "lightning.pytorch" if base.__module__.startswith("lightning.") else None
            return require(name or "pytorch_lightning", extra="lightning")
    rule = "needs a Lightning module"
    raise ScheduleError(who, rule, "give a LightningModule", given=module)


@contextmanager
def silenced(module: Any, names: tuple[str, ...]) -> Generator[None]:
    """Let hooks of a module do nothing for a while."""
    own = {name: vars(module)[name] for name in names if name in vars(module)}
    for name in names:
        vars(module)[name] = nothing
    try:
        yield
    finally:
        for name in names:
            del vars(module)[name]
        vars(module).update(own)


@contextmanager
def quiet() -> Generator[None]:
    """Keep trainers from reporting on themselves."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning")]
    levels = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
