"""What cannot be attached to, and why."""

from __future__ import annotations

import dataclasses
from typing import Any

from transformers import Trainer

from ratewise.adapters.transformers.attachment import TrainerAttachment
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

_WHO = "attach"
_OWN = ("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "warmup_ratio")
_IN_BACKWARD = ("lomo", "adalomo")


def check_trainer(trainer: Any) -> None:
    """Refuse what is no trainer, and a trainer that cannot follow a schedule of ours."""
    if not isinstance(trainer, Trainer):
        rule = "needs a transformers.Trainer"
        raise ScheduleError(_WHO, rule, "write attach(trainer, schedule)", given=trainer)
    if isinstance(getattr(trainer.create_scheduler, "__self__", None), TrainerAttachment):
        rule = "found a schedule on this trainer"
        raise ScheduleError(_WHO, rule, "attach once; put several schedules in a Plan")
    if trainer.is_in_train:
        rule = f"came after training had started (update {trainer.state.global_step})"
        raise ScheduleError(_WHO, rule, "attach before trainer.train()")
    if trainer.lr_scheduler is not None:
        rule = f"found a {type(trainer.lr_scheduler).__name__} on this trainer"
        fix = "make a new trainer, with optimizers=(optimizer, None) if it has its own"
        raise ScheduleError(_WHO, rule, fix)
    check_optimizer(trainer)
    check_arguments(trainer.args)


def check_optimizer(trainer: Any) -> None:
    """Refuse what changes the weights otherwise than by one `optimizer.step()` for all."""
    name = str(getattr(trainer.args.optim, "value", trainer.args.optim))
    if trainer.is_deepspeed_enabled:
        rule = "cannot count the updates of DeepSpeed, which steps group by group"
        raise ScheduleError(_WHO, rule, "train with FSDP or DDP")
    if name in _IN_BACKWARD or name.endswith("layerwise"):
        rule = f"cannot count the updates of optim={name!r}, which makes them while it goes back"
        raise ScheduleError(_WHO, rule, "use an optimizer that makes them in step()")


def check_arguments(args: Any) -> None:
    """Refuse training arguments that ask for another schedule."""
    defaults = {field.name: field.default for field in dataclasses.fields(args)}
    for name in _OWN:
        value = getattr(args, name, None)
        if value and value != defaults.get(name):
            shown = getattr(value, "value", value)
            who = f"{type(args).__name__}({name}={shorten(shown)})"
            fix = f"leave {name} out, or do not attach a schedule"
            raise ScheduleError(who, "asks for a schedule of its own", fix)
