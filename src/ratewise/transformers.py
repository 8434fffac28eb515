"""Schedules in the Transformers Trainer, and in any trainer that is one.

    trainer = Trainer(model, TrainingArguments(…), train_dataset=…)
    attach(trainer, Warmup("5%") >> Cosine(to=0.1))
    trainer.train()

or `attach(trainer, "cosine", warmup="3%")`, by a name that people know.

The trainer makes its optimizer as always and knows how long the run is; the rate of every update
is the schedule's. What it logs and evaluates reaches schedules that listen.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="transformers")
require("accelerate", extra="transformers")
require("transformers", extra="transformers")

from transformers import Trainer  # noqa: E402

from ratewise.adapters.arguments import given, refuse_unknown  # noqa: E402
from ratewise.adapters.torch.hands import check_by_hand  # noqa: E402
from ratewise.adapters.torch.resume import check_policy  # noqa: E402
from ratewise.adapters.transformers.attachment import (  # noqa: E402
    Follow,
    TrainerAttachment,
    check_trainer,
)
from ratewise.schedule import Plan, Schedule  # noqa: E402
from ratewise.schedule.familiar import read_named  # noqa: E402
from ratewise.schedule.lengths import Length  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["attach"]


@strict
def attach(
    trainer: Trainer,
    schedule: Schedule | Plan | str,
    *,
    warmup: Length | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    resume: str | None = None,
    by_hand: str = "warn",
    on_device: bool | None = None,
    **unknown: Any,
) -> Trainer:
    """Make a trainer follow a schedule; to be called before `trainer.train()`.

    The horizon is the trainer's: the updates of the run, of an epoch, the samples in an update
    and, with packed rows, the tokens. It is asked again whenever the trainer builds its run anew,
    for a smaller batch that was found automatically or for a second `train()`. Once the run has
    started, `trainer.lr_scheduler` is the `Scheduler`.

    What the trainer logs with update k as `learning_rate` is the rate that update k used, in its
    first group. Groups that do not all share one rate are logged one by one, as
    `learning_rate/NAME`, or by their place, `learning_rate/0`, where they have no name.

    A schedule that listens hears what is logged (`loss`, `grad_norm`, anything that is a number)
    and what is evaluated (`eval_loss`, …), and one that finds its own length ends the run. A
    checkpoint has it all; one without `scheduler.pt` is taken up at its number of updates.

    Args:
        trainer: A `transformers.Trainer`, or one of a class made from it.
        schedule: A schedule (of the rate), a plan, the text of either, or a name that is known
            elsewhere, such as "cosine" or "linear"; what it takes there may be given beside it.
        warmup: Length of the warm-up that a name begins with.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update; needed for lengths in tokens, unless rows are packed.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that a callback sets, as of `Scheduler`.
        on_device: Whether the rates are tensors with their clock beside the weights, as of
            `Scheduler`.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Returns:
        The trainer.

    Raises:
        ScheduleError: not a trainer, already attached or training, a scheduler of its own or
            arguments that ask for one, an optimizer whose updates cannot be counted; at
            `train()`, lengths that do not fit, or a metric that nothing measures.
    """
    check_trainer(trainer)
    fix = "write attach(trainer, Cosine(to=0))"
    value, unknown = read_named("attach", schedule, fix, {"warmup": warmup, **unknown})
    refuse_unknown("attach", unknown, ["resume", "by_hand", "on_device"])
    horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
    policies: dict[str, Any] = {"resume": check_policy(resume), "by_hand": check_by_hand(by_hand)}
    policies["on_device"] = on_device
    attachment = TrainerAttachment(trainer, value, horizon, policies)
    trainer.create_scheduler = attachment.create_scheduler
    trainer.get_train_dataloader = attachment.get_train_dataloader
    trainer.log = attachment.log
    trainer.add_callback(Follow(attachment))
    return trainer
