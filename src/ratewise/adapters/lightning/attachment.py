"""A schedule on a module: it stands in for the module's `configure_optimizers`."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from ratewise.adapters.lightning.configure import AttachSettings, configure, trainer_of
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.scheduler import Scheduler, rewind
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten


class ModuleAttachment:
    """Adds schedulers to the optimizers that a module configures, each time it is fitted."""

    def __init__(self, module: Any, settings: AttachSettings) -> None:
        self.module = module
        self.settings = settings
        self._schedulers: list[Scheduler] = []
        self._configure = module.configure_optimizers

    @staticmethod
    def to(module: Any, settings: AttachSettings) -> Any:
        """Attach to a module and return it."""
        if is_attached(module):
            fix = "attach once; give a list with one schedule for each optimizer"
            raise ScheduleError("attach", "found a schedule on this module", fix)
        trainer = trainer_of(module)
        if trainer is not None and trainer.training and trainer.optimizers:
            rule = f"came after training had started (step {trainer.global_step})"
            raise ScheduleError("attach", rule, "attach before trainer.fit(module)")
        module.configure_optimizers = ModuleAttachment(module, settings).configure_optimizers
        return module

    def configure_optimizers(self) -> Any:
        """Return what the module's own returns, with a scheduler for each optimizer."""
        found = self._configure()
        optimizers = _optimizers(found)
        for scheduler in self._schedulers:
            if any(unwrap("attach", o) is scheduler.optimizer for o in optimizers):
                rewind(scheduler)  # fitted again, with the optimizer of last time
        configs = configure(optimizers, self.settings, self.module)
        parts = [config["lr_scheduler"] for config in configs if "lr_scheduler" in config]
        self._schedulers = [part["scheduler"] for part in parts]
        return configs if len(configs) > 1 else configs[0]


def is_attached(module: Any) -> bool:
    """Tell whether a module follows a schedule already."""
    return isinstance(getattr(module.configure_optimizers, "__self__", None), ModuleAttachment)


def _optimizers(found: Any) -> list[Any]:
    """Return the optimizers in any form that `configure_optimizers` may have.

    Raises:
        ScheduleError: there is none, or a scheduler beside them.
    """
    if isinstance(found, tuple | list) and len(found) == 2 and isinstance(found[0], list):
        found, schedulers = found
        if schedulers:
            raise _has_own(schedulers)
    parts = list(found) if isinstance(found, list | tuple) else [found]
    optimizers: list[Any] = []
    for part in parts:
        if isinstance(part, dict):
            if part.get("lr_scheduler") is not None:
                raise _has_own(part["lr_scheduler"])
            part = part.get("optimizer")
        if not isinstance(part, Optimizer):
            rule = f"found {shorten(part)} where configure_optimizers returns optimizers"
            raise ScheduleError("attach", rule, "return an optimizer, or a list of them")
        optimizers.append(part)
    return optimizers


def _has_own(schedulers: Any) -> ScheduleError:
    rule = f"found a scheduler in what configure_optimizers returns, {shorten(schedulers)}"
    return ScheduleError("attach", rule, "return the optimizers alone")
