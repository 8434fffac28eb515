"""A loop of one's own in PyTorch, as something that climbs a ladder of rates."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.clock import overflow
from ratewise.range_test.ladder import Sweep
from ratewise.range_test.sources import Climb
from ratewise.range_test.torch_kept import check_also, check_batches, kept
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.tasks.torch.random_stream import RandomStream

torch = require("torch", extra="torch")

IDLE = 1000
"""Batches in a row without an update, after which something is wrong."""


@contextmanager
def plain_loop(
    step: Callable[[Any], Any], model: Any, optimizer: Any, batches: Any, also: Iterable[Any]
) -> Generator[Climb]:
    """Climb with a function that trains on one batch; put everything back at the end."""
    models = list(model) if isinstance(model, list | tuple) else [model]
    for one in models:
        if not isinstance(one, torch.nn.Module):
            rule, fix = "is no module", "give the torch.nn.Module you train"
            raise ScheduleError("find(model=…)", rule, fix, given=one)
    if not callable(step):
        rule, fix = "is no function", "give one that trains on a batch"
        raise ScheduleError("find(step=…)", rule, fix, given=step)
    check_also(also)
    inner = unwrap("find(optimizer=…)", optimizer)
    ratios = ratios_of(inner)
    check_batches(batches)
    with kept(models, inner, batches, also=also) as aside:

        def climb(sweep: Sweep) -> None:
            aside.back()
            aside.reseed(sweep.seed)
            with RandomStream(sweep.seed, settings=True), Clock(inner, ratios, sweep) as clock:
                follow(sweep, clock, map(step, endless(lambda: batches)))

        yield climb


def follow(sweep: Sweep, clock: Clock, losses: Iterable[Any]) -> None:
    """Tell a sweep the loss of every update, a mean where several batches make one."""
    waiting: list[float] = []
    made = 0
    for given in losses:
        waiting.append(_read(given))
        if clock.made > made + 1:
            rule = f"made {clock.made - made} updates with one batch"
            raise ScheduleError("find(step=…)", rule, "let it make one at most")
        if clock.made > made or not np.isfinite(waiting[-1]):
            if sweep.tell(float(np.mean(waiting))):
                return
            made = clock.made
            waiting.clear()
        elif len(waiting) >= IDLE:
            rule = f"made no update in {IDLE} batches"
            raise ScheduleError("find(step=…)", rule, "let it call optimizer.step()")


class Clock:
    """Counts an optimizer's committed updates, and sets the rate of the next, by its hooks.

    A step that calls the hooked step of its base class is counted once, and one that a scaler
    has a fused optimizer skip is not.

    Args:
        optimizer: The optimizer.
        ratios: Each group's share of the rate.
        sweep: The sweep whose ladder is climbed.
    """

    def __init__(self, optimizer: Any, ratios: list[float], sweep: Sweep) -> None:
        self.made = self._next = 0
        self._optimizer = optimizer
        self._ratios = ratios
        self._rates = sweep.ladder.all_rates.tolist()
        self._hooks: list[Any] = []

    def __enter__(self) -> Clock:
        self._hooks = [
            self._optimizer.register_step_pre_hook(self._before),
            self._optimizer.register_step_post_hook(self._after),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, *_: Any) -> None:
        rate = self._rates[min(self.made, len(self._rates) - 1)]
        groups = self._optimizer.param_groups
        for group, ratio in zip(groups, self._ratios, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate * ratio)
            else:
                group["lr"] = rate * ratio
        skipped = hasattr(self._optimizer, "found_inf") and overflow(self._optimizer)
        self._next = self.made if skipped else self.made + 1

    def _after(self, *_: Any) -> None:
        self.made = self._next


def ratios_of(optimizer: Any) -> list[float]:
    """Return each group's learning rate over the largest.

    A scheduler may have set the rates to 0 for its warm-up; then the initial ones count.
    """
    for key in ("lr", "initial_lr"):
        rates = [float(group.get(key, 0.0)) for group in optimizer.param_groups]
        if rates and 0 < max(rates) < np.inf:
            return [rate / max(rates) for rate in rates]
    rule = "has no learning rate above 0"
    raise ScheduleError("find(optimizer=…)", rule, "give the optimizer an lr such as 1e-3")


def endless(batches: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield batches, and start again when they end."""
    while True:
        empty = True
        for batch in batches():
            empty = False
            yield batch
        if empty:
            rule, fix = "gave no batch", "give a loader with at least one"
            raise ScheduleError("find(batches=…)", rule, fix)


def _read(loss: Any) -> float:
    try:
        return float(loss.detach()) if isinstance(loss, torch.Tensor) else float(loss)
    except (TypeError, ValueError, RuntimeError):
        rule, fix = f"returned {shorten(loss)}", "let it return the loss of the batch, one number"
        raise ScheduleError("find(step=…)", rule, fix) from None
