"""Schedules in DeepSpeed: the engine counts, and the rates of its optimizer's groups are written.

    engine, optimizer, loader, _ = deepspeed.initialize(model=model, optimizer=optimizer, config=…)
    attach(engine, Warmup("5%") >> Cosine(to=0.1), total=10_000)

There is nothing to call in the loop. ZeRO in all stages, bf16 and fp16, updates that overflowed and
accumulation give the same rates; `engine.save_checkpoint` holds the schedule, and the engine's own
count is enough to go on. Under Accelerate the engine is the model that `prepare` has returned; a
Trainer with `deepspeed=…` is given to `ratewise.transformers.attach`.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="deepspeed")
require("deepspeed", extra="deepspeed")

from ratewise.adapters.deepspeed.engine import (  # noqa: E402
    EngineClock,
    EngineScheduler,
    check_engine,
    inner_of,
    known_of,
)
from ratewise.adapters.torch.trainers import RunSettings  # noqa: E402
from ratewise.schedule import Plan, Schedule  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["EngineScheduler", "attach"]


@strict
def attach(
    engine: Any,
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
    """Make an engine follow a schedule; to be called behind `deepspeed.initialize(…)`.

    The update that counts is the engine's, at the boundary of its accumulation, without those that
    overflowed. `engine.lr_scheduler` is then an `EngineScheduler`, so that checkpoints of the
    engine hold its state; those that have none are taken up at the engine's count. What its monitor
    writes beside an update is the rate of that one. A schedule that was bound to the optimizer
    before gives way to this one. A schedule that listens is shown
    `engine.lr_scheduler.observe(loss=…)`.

    Args:
        engine: What `deepspeed.initialize` returned first.
        schedule: A schedule (of the rate), a plan, or the text of either.
        total: Updates in the run; an engine does not know it.
        epoch: Updates in an epoch; known where the engine made the data loader.
        samples: Samples in an update, in place of the engine's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that somebody else sets, as of `Scheduler`.
        updates: Updates that were made before, in place of the engine's count.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Returns:
        The engine.

    Raises:
        ScheduleError: not an engine, one with a scheduler of its own or without an optimizer of
            PyTorch, a mode that copies rates, lengths that do not fit or need a total.
    """
    check_engine(engine)
    settings = RunSettings.read(
        "attach",
        schedule,
        unknown,
        example="attach(engine, Cosine(to=0), total=…)",
        resume=resume,
        by_hand=by_hand,
        updates=updates,
        total=total,
        epoch=epoch,
        samples=samples,
        tokens=tokens,
    )
    EngineClock(inner_of(engine), settings, known_of(engine), engine)
    return engine
