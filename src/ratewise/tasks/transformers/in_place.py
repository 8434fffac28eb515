"""A Transformers `Trainer`, run in place: with its own model, data and optimizer."""

from __future__ import annotations

import copy
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.tasks.batches import endless
from ratewise.tasks.protocols import Opener, Over, Rates
from ratewise.tasks.torch.groups import HookedRates
from ratewise.tasks.torch.in_place import groups_in_place
from ratewise.tasks.torch.snapshot import Snapshot
from ratewise.tasks.updates import UpdateLosses

torch = require("torch", extra="torch")
_WHO = "find(trainer)"


class _Unprepared:
    """The trainer's accelerator, which does not note down the loaders that are made for a test."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accelerator, name)

    def prepare(self, *things: Any, **_: Any) -> Any:
        return things[0] if len(things) == 1 else things


@contextmanager
def trainer_in_place(trainer: Any) -> Generator[Opener]:
    """Open runs with the trainer's model, data, loss, optimizer, clipping and accumulation.

    A copy of the trainer does it, so its state, its logs and its callbacks see nothing.
    """
    _check(trainer)
    twin = copy.copy(trainer)
    twin.accelerator = _Unprepared(trainer.accelerator)
    own = trainer.optimizer
    with Snapshot([trainer.model], own, dataset=trainer.train_dataset) as snapshot:
        yield snapshot.opener(partial(_train_until, twin, own))


def _train_until(twin: Any, own: Any, rates: Rates, over: Over) -> None:
    """Train batch by batch; every n-th makes an update, as the arguments say."""
    losses = UpdateLosses(over, _WHO, "look at its optimizer")
    several = max(int(twin.args.gradient_accumulation_steps), 1)
    twin.current_gradient_accumulation_steps = several
    twin.optimizer = own
    optimizer = own if own is not None else twin.create_optimizer()
    with HookedRates(groups_in_place(optimizer), rates.tolist()) as hooks:
        for number, batch in enumerate(endless(twin.get_train_dataloader), start=1):
            loss = twin.training_step(twin.model, batch)
            if number % several == 0:
                _update(twin, optimizer)
            if losses.take(float(loss) * several, hooks.made):
                return


def _update(twin: Any, optimizer: Any) -> None:
    norm = twin.args.max_grad_norm
    if norm:
        torch.nn.utils.clip_grad_norm_(twin.model.parameters(), norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _check(trainer: Any) -> None:
    """Refuse a trainer that is at work, and one whose updates are not made by one process."""
    if trainer.is_in_train:
        raise ScheduleError(_WHO, "came while it trains", "call it before trainer.train()")
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled or trainer.args.world_size > 1:
        rule = "trains in several processes"
        raise ScheduleError(_WHO, rule, "look for the rate in one process, or with a TorchTask")
    if getattr(trainer.accelerator, "scaler", None) is not None:
        fix = "train with bf16=True, or give step=, model=, optimizer=, batches= and also=[scaler]"
        raise ScheduleError(_WHO, "scales its losses (fp16)", fix)
