"""A training loop of one's own, run in place: with its own model, optimizer and loader."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.tasks.batches import endless
from ratewise.tasks.protocols import Opener, Over, Rates
from ratewise.tasks.torch.groups import HookedRates, RateSetter
from ratewise.tasks.torch.snapshot import Snapshot, has_state
from ratewise.tasks.updates import UpdateLosses

torch = require("torch", extra="torch")


@contextmanager
def loop_in_place(
    step: Callable[[Any], Any], model: Any, optimizer: Any, batches: Any, also: Iterable[Any]
) -> Generator[Opener]:
    """Open runs of a function that trains on one batch; put everything back at the end."""
    models = list(model) if isinstance(model, list | tuple) else [model]
    for one in models:
        if not isinstance(one, torch.nn.Module):
            rule, fix = "is no module", "give the torch.nn.Module you train"
            raise ScheduleError("find(model=…)", rule, fix, given=one)
    if not callable(step):
        rule, fix = "is no function", "give one that trains on a batch"
        raise ScheduleError("find(step=…)", rule, fix, given=step)
    for thing in also:
        if not has_state(thing):
            rule = "has no state_dict and load_state_dict"
            fix = "give what has both, such as a GradScaler"
            raise ScheduleError("find(also=…)", rule, fix, given=thing)
    groups = groups_in_place(unwrap("find(optimizer=…)", optimizer))
    check_batches(batches)
    with Snapshot(models, groups.optimizer, batches, also) as snapshot:
        yield snapshot.opener(partial(_train_until, step, batches, groups))


def _train_until(
    step: Callable[[Any], Any], batches: Any, groups: RateSetter, rates: Rates, over: Over
) -> None:
    """Call a function with batch after batch; the optimizer says what is an update."""
    losses = UpdateLosses(over, "find(step=…)", "let it call optimizer.step()")
    with HookedRates(groups, rates.tolist()) as hooks:
        for batch in endless(lambda: batches):
            if losses.take(_number(step(batch)), hooks.made):
                return


def groups_in_place(optimizer: Any) -> RateSetter:
    """Return the groups of an optimizer, whose scheduler may have set them to 0 to warm up."""
    return RateSetter("find(optimizer=…)", optimizer, keys=("lr", "initial_lr"))


def check_batches(batches: Any) -> None:
    """Refuse what cannot be iterated, and what can be only once."""
    who = "find(batches=…)"
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        fix = "give a loader, or a list of batches"
        raise ScheduleError(who, "cannot be iterated", fix, given=batches)
    if hasattr(batches, "__next__"):
        rule = "can be iterated only once, so it cannot be put back"
        raise ScheduleError(who, rule, "give the loader itself, or a list of batches")


def _number(loss: Any) -> float:
    try:
        return float(loss.detach()) if isinstance(loss, torch.Tensor) else float(loss)
    except (TypeError, ValueError, RuntimeError):
        rule, fix = f"returned {shorten(loss)}", "let it return the loss of the batch, one number"
        raise ScheduleError("find(step=…)", rule, fix) from None
