"""Write a plan as code or config that needs one framework alone."""

from __future__ import annotations

from ratewise.convert.targets import deepspeed, keras, lightning, optax, torch, transformers
from ratewise.convert.targets._levels import check
from ratewise.convert.targets._text import Target, WritingJob
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, nearest, shorten
from ratewise.schedule.given import read_given, read_plan
from ratewise.schedule.strict import strict

TARGETS: dict[str, Target] = {
    module.TARGET.name: module.TARGET
    for module in (deepspeed, keras, lightning, optax, torch, transformers)
}


@strict
def write(
    plan: Plan | Schedule | str,
    target: str,
    *,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    approximate: bool = False,
) -> str:
    """Return a plan as source code, or as a config, that gives the same rate to every update.

    | target | what comes back |
    |---|---|
    | "torch" | Python: a function of the update, `make_scheduler(optimizer)` |
    | "lightning" | the same, and what `configure_optimizers` returns |
    | "transformers" | keywords of `TrainingArguments` where its own types can say it, or code |
    | "keras" | Python: a `LearningRateSchedule` that can be saved |
    | "optax" | Python: a schedule function that can be jitted and mapped |
    | "deepspeed" | JSON with a "scheduler"; it knows four types |

    Args:
        plan: A plan, a schedule (of the rate), or the text of either.
        target: One of the names above.
        total: Updates in the run, as of `Schedule.resolve`.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        approximate: Whether to write the nearest that the target can say, with its worst error
            in a comment, where it cannot say the plan itself.

    Raises:
        ScheduleError: an unknown target; lengths that need a total; a `Function`, a move that
            listens, or a kind of your own; a plan that the target cannot say.

    >>> import ratewise as rw
    >>> print(write(rw.Warmup(500, start=0) >> rw.Linear(), "torch", total=10_000))
    # Learning rates for PyTorch...
    def level(t: int) -> float:
        \"\"\"Return the level of update `t`: what the peak rate is multiplied by.\"\"\"
        if t < 500:
            return t / 500
        if t < 10000:
            return (10000 - t) / 9500
        return 0.0
    ...
    """
    if target not in TARGETS:
        who = Call("write", "target", target)
        raise ScheduleError(who, "is not a target", nearest(target, TARGETS))
    who, fix = f"write({shorten(plan)})", 'write(Cosine(to=0), "torch", …)'
    given = read_given(who, plan, fix)
    whole = read_plan(who, given, fix)
    for schedule in _all(whole):
        check(schedule)
    settled = whole.resolve(total, epoch=epoch, samples=samples, tokens=tokens)
    job = WritingJob(settled, repr(given), _length(settled), approximate)
    return TARGETS[target].write(job)


def _all(plan: Plan) -> list[Schedule]:
    inner = [schedule for part in plan.groups.values() for schedule in _all(part)]
    return [*plan.schedules().values(), *inner]


def _length(plan: Plan) -> int | None:
    lengths = [schedule.length for schedule in _all(plan)]
    return max((n for n in lengths if n is not None), default=None) if None not in lengths else None
