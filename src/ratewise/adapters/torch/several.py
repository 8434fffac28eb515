"""Several optimizers in one run: each has a clock of its own, and they are held together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from ratewise.adapters.torch.contract import Contract
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

KIND = "ratewise.torch, several"


class Schedulers(LRScheduler):
    """The schedulers of several optimizers, such as those of a GAN, or a Muon beside an AdamW.

    `Scheduler([a, b], schedule, …)` makes them: one for each optimizer, which counts the updates of
    that one. An optimizer that is stepped five times as often comes five times as far. What it is
    asked, it asks each of them, in order; rates are those of all groups, one optimizer after the
    other.

    An argument that is a list has one for each optimizer: `Scheduler([a, b], plan, total=[9, 45])`.

    Attributes:
        schedulers: One for each optimizer, in order.
    """

    __module__ = "ratewise.torch"

    def __init__(
        self, make: Callable[..., Contract], optimizers: Any, schedule: Any, **options: Any
    ) -> None:
        given = list(optimizers.values() if isinstance(optimizers, Mapping) else optimizers)
        each = _spread({"schedule": schedule, **options}, len(given))
        made: list[Any] = []
        try:
            for optimizer, own in zip(given, each, strict=True):
                made.append(make(optimizer, **own))
        except Exception:
            for one in made:
                one.detach()
            raise
        self.schedulers: tuple[Any, ...] = tuple(made)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.schedulers)

    def __len__(self) -> int:
        return len(self.schedulers)

    def __getitem__(self, index: int) -> Any:
        return self.schedulers[index]

    def __repr__(self) -> str:
        return f"<Schedulers {list(self.schedulers)}>"

    @property
    def optimizers(self) -> tuple[Any, ...]:
        """The optimizers, in order."""
        return tuple(one.optimizer for one in self.schedulers)

    @property
    def optimizer(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The first of the optimizers, for frameworks that look for one."""
        return self.schedulers[0].optimizer

    @property
    def committed(self) -> tuple[int, ...]:
        """Updates that each optimizer has committed so far."""
        return tuple(one.committed for one in self.schedulers)

    @property
    def finished(self) -> bool:
        """Whether all schedules that find their own lengths have come to the end."""
        return all(one.finished for one in self.schedulers)

    def seek(self, updates: int) -> None:
        """Go to where each optimizer has committed `updates` updates."""
        for one in self.schedulers:
            one.seek(updates)

    def step(self, *args: Any, **kwargs: Any) -> None:
        """Do as `Scheduler.step`, for each."""
        for one in self.schedulers:
            one.step(*args, **kwargs)

    def step_update(self, num_updates: Any = None, metric: Any = None) -> None:
        """Do as `Scheduler.step_update`, for each."""
        for one in self.schedulers:
            one.step_update(num_updates, metric)

    def observe(self, metrics: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Show each schedule what was measured; those that are open-loop do not look."""
        for one in self.schedulers:
            one.observe(metrics, **named)

    def detach(self, *, keep: bool = False) -> None:
        """Take the schedules off their optimizers; see `Scheduler.detach`."""
        for one in self.schedulers:
            one.detach(keep=keep)

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate that each group of each optimizer used last."""
        return [rate for one in self.schedulers for rate in one.get_last_lr()]

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate that each group of each optimizer will use in its next update."""
        return [rate for one in self.schedulers for rate in one.get_lr()]

    @property
    def base_lrs(self) -> list[float | Tensor]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rate of each group of each optimizer at level 1."""
        return [rate for one in self.schedulers for rate in one.base_lrs]

    @property
    def last_epoch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The updates of the optimizer that has made most; setting it moves nothing."""
        return max(self.committed)

    @last_epoch.setter
    def last_epoch(self, value: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Accept what a framework counts, and keep our own counts."""

    @property
    def _last_lr(self) -> list[float | Tensor]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all, primitives only."""
        return {"kind": KIND, "schedulers": [one.state_dict() for one in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the states were saved; if one cannot be loaded, none is.

        Raises:
            ScheduleError: not such a state, or of another number of optimizers.
        """
        states = _read(state_dict, len(self.schedulers))
        before = [one.state_dict() for one in self.schedulers]
        done: list[int] = []
        try:
            for i, (one, state) in enumerate(zip(self.schedulers, states, strict=True)):
                one.load_state_dict(state)
                done.append(i)
        except Exception:
            for i in done:
                self.schedulers[i].load_state_dict(before[i])
            raise


def _spread(arguments: Mapping[str, Any], several: int) -> list[dict[str, Any]]:
    """Return the arguments of each; a list holds one for each, all else is that of all."""
    if not several:
        raise ScheduleError("Scheduler([])", "was given 0 optimizers", "give at least one")
    lists = {name: list(value) for name, value in arguments.items() if _is_list(value)}
    for name, values in lists.items():
        if len(values) != several:
            who, rule = f"Scheduler([…], {name}=[…])", f"has {len(values)} for {several} optimizers"
            raise ScheduleError(who, rule, "give one for all, or a list with one for each")
    return [{**arguments, **{k: v[i] for k, v in lists.items()}} for i in range(several)]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _read(state: Any, several: int) -> list[Any]:
    who = "Schedulers.load_state_dict"
    content: Any = state if isinstance(state, dict) else {}
    found: Any = content.get("schedulers")
    if content.get("kind") != KIND or not isinstance(found, list):
        rule = f"got something that several schedulers did not save, {shorten(state)}"
        raise ScheduleError(who, rule, "load what Scheduler([…]).state_dict() gave")
    states = list[Any](found)
    if len(states) != several:
        rule = f"got the states of {len(states)} optimizers, and there are {several}"
        raise ScheduleError(who, rule, "give the optimizers of the run that was saved, in order")
    return states
