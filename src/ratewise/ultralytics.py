"""Schedules in Ultralytics: callbacks of a model, or of its trainer.

    model = YOLO("yolo11n.pt")
    attach(model, Warmup("3%") >> Cosine(to=0.01))
    model.train(data="coco8.yaml", epochs=100)

The trainer knows how long the training is and how many batches an update has (`nbs` over `batch`);
the optimizer counts its own updates, and what is in `last.pt` of it is enough to go on.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="ultralytics")

from ratewise.adapters.torch.trainers import RunSettings  # noqa: E402
from ratewise.adapters.ultralytics.callbacks import (  # noqa: E402
    UltralyticsSchedule,
    check_target,
)
from ratewise.schedule import Plan, Schedule  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["UltralyticsSchedule", "attach"]


@strict
def attach(
    target: Any,
    schedule: Schedule | Plan | str,
    *,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    resume: str | None = None,
    by_hand: str = "warn",
    updates: int | None = None,
    **unknown: Any,
) -> Any:
    """Make the trainings of a model follow a schedule; to be called before `model.train(…)`.

    Ultralytics' own warm-up, of rates, momentum and accumulation, is switched off
    (`warmup_epochs=0`): the schedule has its own. `lr0` is the peak. `results.csv` has the rate of
    the last update of each epoch.

    A schedule that listens hears the losses of the training, what was validated, under the names
    of `results.csv`, and `fitness`, at each epoch's end; its state is written beside the weights,
    as `schedule.json`. One that finds its own length ends the training.

    On several devices Ultralytics starts processes of its own, which know no callbacks: a trainer
    that would do so is refused.

    Args:
        target: A model, `YOLO(…)`, or a trainer.
        schedule: A schedule (of the rate), a plan, or the text of either.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that a callback sets, as of `Scheduler`.
        updates: Updates that were made before, as of `Scheduler`.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Returns:
        The model, or the trainer.

    Raises:
        ScheduleError: not such a target, one that has a schedule; when a training is set up,
            `cos_lr` or `time`, lengths that do not fit; at an epoch's end, a metric that nothing
            measures.
    """
    check_target(target)
    settings = RunSettings.read(
        "attach",
        schedule,
        unknown,
        example="attach(model, Cosine(to=0.01))",
        resume=resume,
        by_hand=by_hand,
        updates=updates,
        total=total,
        epoch=epoch,
        samples=samples,
        tokens=tokens,
    )
    for event, function in UltralyticsSchedule(settings).callbacks().items():
        target.add_callback(event, function)
    return target
