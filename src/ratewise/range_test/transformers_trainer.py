"""A Transformers `Trainer` as something that climbs a ladder of rates."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ratewise._extras import require
from ratewise.range_test.ladder import Sweep
from ratewise.range_test.sources import Climb
from ratewise.range_test.torch_kept import kept
from ratewise.range_test.torch_loop import Clock, endless, follow, ratios_of
from ratewise.schedule import ScheduleError
from ratewise.tasks.torch.random_stream import RandomStream

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
def trainer_loop(trainer: Any) -> Generator[Climb]:
    """Climb with the trainer's model, data, loss, optimizer, clipping and accumulation.

    A copy of the trainer does it, so its state, its logs and its callbacks see nothing.
    """
    _check(trainer)
    own = trainer.optimizer
    twin = copy.copy(trainer)
    twin.accelerator = _Unprepared(trainer.accelerator)
    with kept([trainer.model], own, dataset=trainer.train_dataset) as aside:

        def climb(sweep: Sweep) -> None:
            aside.back()
            aside.reseed(sweep.seed)
            with RandomStream(sweep.seed, settings=True):
                twin.optimizer = own
                optimizer = own if own is not None else twin.create_optimizer()
                with Clock(optimizer, ratios_of(optimizer), sweep) as clock:
                    batches = endless(twin.get_train_dataloader)
                    follow(sweep, clock, _losses(twin, optimizer, batches))

        yield climb


def _losses(twin: Any, optimizer: Any, batches: Iterator[Any]) -> Iterator[float]:
    """Yield the loss of every batch; every n-th makes an update, as the arguments say."""
    several = max(int(twin.args.gradient_accumulation_steps), 1)
    twin.current_gradient_accumulation_steps = several
    step: Callable[..., Any] = twin.training_step
    for number, batch in enumerate(batches, start=1):
        loss = step(twin.model, batch)
        if number % several == 0:
            if twin.args.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(twin.model.parameters(), twin.args.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield float(loss) * several


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
