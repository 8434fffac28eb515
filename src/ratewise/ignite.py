"""Schedules in PyTorch Ignite: a handler on the engine that trains.

    trainer = create_supervised_trainer(model, optimizer, loss)
    schedule = attach(trainer, optimizer, Warmup("5%") >> Cosine(to=0.1))
    trainer.run(loader, max_epochs=10)

The engine knows how long the run is; the optimizer counts its own updates. What is returned has a
state, and is one more object for `Checkpoint`; the optimizer's state alone is enough to go on.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="ignite")
require("ignite", extra="ignite")

from ratewise.adapters.ignite.handler import EngineSchedule, check_engine  # noqa: E402
from ratewise.adapters.torch.trainers import RunSettings  # noqa: E402
from ratewise.schedule import Plan, Schedule  # noqa: E402
from ratewise.schedule.errors import shorten, whole  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["EngineSchedule", "attach"]


@strict
def attach(
    trainer: Any,
    optimizer: Any,
    schedule: Schedule | Plan | str,
    *,
    evaluator: Any = None,
    accumulation: int = 1,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    resume: str | None = None,
    by_hand: str = "warn",
    updates: int | None = None,
    **unknown: Any,
) -> EngineSchedule:
    """Make an optimizer follow a schedule in the runs of an engine.

    To be called before `trainer.run(…)`, behind the metrics of the trainer and before what saves
    checkpoints. Each run that starts at iteration 0 follows the schedule from its start. At the
    start of an iteration the groups hold the rate of the coming update, behind it that of the last.

    A schedule that listens hears the metrics of the trainer at each epoch's end, and those of the
    evaluator whenever it has run. One that finds its own length ends the run.

    Args:
        trainer: The engine that steps the optimizer.
        optimizer: The optimizer.
        schedule: A schedule (of the rate), a plan, or the text of either.
        evaluator: The engine whose metrics a schedule that listens is to hear.
        accumulation: Iterations in an update, at least 1; the engine does not tell it.
        total: Updates in the run, in place of the engine's iterations over `accumulation`.
        epoch: Updates in an epoch, in place of the engine's.
        samples: Samples in an update, in place of the loader's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that somebody else sets, as of `Scheduler`.
        updates: Updates that were made before, as of `Scheduler`.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Returns:
        What follows the schedule, with `scheduler`, `state_dict` and `load_state_dict`.

    Raises:
        ScheduleError: not an engine; when the run starts, not an optimizer, lengths that do not
            fit or need what the engine does not know; at an epoch's end, a metric that nothing
            measures.
    """
    check_engine(trainer, optimizer, evaluator)
    settings = RunSettings.read(
        "attach",
        schedule,
        unknown,
        example="attach(trainer, optimizer, Cosine(to=0))",
        known=("evaluator", "accumulation"),
        resume=resume,
        by_hand=by_hand,
        updates=updates,
        total=total,
        epoch=epoch,
        samples=samples,
        tokens=tokens,
    )
    who = f"attach(accumulation={shorten(accumulation)})"
    window = whole(who, "accumulation", accumulation, low=1)
    made = EngineSchedule(optimizer, settings, window, evaluator)
    made.follow(trainer)
    return made
