"""Schedules in fastai: a callback of the learner.

    learn = Learner(dls, model, loss_func=mse, cbs=FastaiCallback("Warmup('5%') >> Cosine(to=0)"))
    learn.fit(5, 3e-3)

or, for a learner that is there, `attach(learn, Warmup("5%") >> Cosine(to=0))`. The learner knows
how long a fit is; what `learn.save` writes of the optimizer is enough to go on.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="fastai")
require("fastai", extra="fastai")

from fastai.learner import Learner  # noqa: E402

from ratewise.adapters.fastai.callback import FastaiCallback  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["FastaiCallback", "attach"]


@strict
def attach(learn: Any, schedule: Schedule | Plan | str, **options: Any) -> Any:
    """Make a learner follow a schedule; to be called before it is fitted.

    Args:
        learn: A `Learner`.
        schedule: A schedule (of the rate), a plan, or the text of either.
        **options: As of `FastaiCallback`: the horizon and policies.

    Returns:
        The learner.

    Raises:
        ScheduleError: not a learner, one that has a schedule, or what `FastaiCallback` refuses.
    """
    if not isinstance(learn, Learner):
        rule = "needs a Learner of fastai"
        raise ScheduleError("attach", rule, "write attach(learn, schedule)", given=learn)
    if any(isinstance(one, FastaiCallback) for one in learn.cbs):
        rule = "found a schedule on this learner"
        raise ScheduleError("attach", rule, "attach once; put several schedules in a Plan")
    return learn.add_cb(FastaiCallback(schedule, **options))
