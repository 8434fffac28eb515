"""Whether our schedulers are still in charge of their optimizers."""

from __future__ import annotations

from typing import Any

from ratewise.adapters.torch.scheduler import Scheduler
from ratewise.schedule import ScheduleError

_SEARCH = "search for a rate while no schedule is attached, and attach it with what was found"
_INSTEAD = {
    "SWALR": "take StochasticWeightAveraging off: write its rate as the end of the schedule, "
    "… >> Linear(to=0.5, over=…) >> Hold(), and average with WeightAveraging",
    "_ExponentialLR": _SEARCH,
    "_LinearLR": _SEARCH,
}
"""What to do in the place of what Lightning's own callbacks bring: averages, and a search."""


def schedulers_of(trainer: Any) -> list[Scheduler]:
    """Return our schedulers in a trainer."""
    found = (config.scheduler for config in trainer.lr_scheduler_configs)
    return [scheduler for scheduler in found if isinstance(scheduler, Scheduler)]


def check_schedulers(trainer: Any) -> None:
    """Refuse schedulers that took the place of ours: they would set rates that are not used."""
    ours = [scheduler.optimizer for scheduler in schedulers_of(trainer)]
    for config in trainer.lr_scheduler_configs:
        optimizer = getattr(config.scheduler, "optimizer", None)
        if not any(optimizer is one for one in ours):
            refuse_stranger(config.scheduler)


def refuse_stranger(scheduler: Any) -> None:
    """Refuse a scheduler that is not ours, on an optimizer that follows one of ours."""
    if not isinstance(scheduler, Scheduler) and _follows(getattr(scheduler, "optimizer", None)):
        rule = f"found a {type(scheduler).__name__} in the place of its scheduler"
        fix = _INSTEAD.get(type(scheduler).__name__, "take off what replaces it")
        raise ScheduleError("The optimizer under attach", rule, fix)


def _follows(optimizer: Any) -> bool:
    try:
        Scheduler.of(optimizer)
    except ScheduleError:
        return False
    return True


class Guard:
    """Stands in for a module's `lr_scheduler_step`, which a rate finder, too, goes through."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @staticmethod
    def over(module: Any) -> None:
        """Guard a module; once is enough."""
        if not isinstance(getattr(module.lr_scheduler_step, "__self__", None), Guard):
            module.lr_scheduler_step = Guard(module.lr_scheduler_step).lr_scheduler_step

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a scheduler as the module does, unless it is a stranger's."""
        refuse_stranger(scheduler)
        self._inner(scheduler, metric)
