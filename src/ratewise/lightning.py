"""Schedules in Lightning: what `configure_optimizers` returns, or a module that returns it.

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-4)
        return attach(optimizer, Warmup("5%") >> Cosine(to=0.1), module=self)

or, from outside, for a module that returns optimizers alone:

    attach(module, Warmup("5%") >> Cosine(to=0.1))
    lightning.Trainer(…).fit(module)

The optimizer counts its own updates, so neither the interval nor the frequency matters, and manual
optimization needs no `scheduler.step()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratewise._extras import require

require("torch", extra="lightning")
require("lightning", extra="lightning")

from torch.optim import Optimizer  # noqa: E402

from ratewise.adapters.arguments import given, refuse_unknown  # noqa: E402
from ratewise.adapters.lightning.attachment import ModuleAttachment  # noqa: E402
from ratewise.adapters.lightning.configure import AttachSettings, configure, is_module  # noqa: E402
from ratewise.adapters.lightning.observe import Observe  # noqa: E402
from ratewise.adapters.torch.resume import check_policy  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["Observe", "attach"]

Given = Schedule | Plan | str
_ADVICE = {
    "interval": "leave it out, the optimizer's updates are the clock",
    "frequency": "leave it out, the optimizer's updates are the clock",
    "monitor": 'write Plateau(metric="val_loss")',
    "reduce_on_plateau": 'write Plateau(metric="val_loss")',
    "strict": "leave it out, a metric that is missing is no observation",
}


@strict
def attach(
    target: Any,
    schedule: Given | Sequence[Given | None],
    *,
    module: Any = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    resume: str | None = None,
    name: str | Sequence[str] | None = None,
    **unknown: Any,
) -> Any:
    """Make the optimizers of a module follow a schedule, or one schedule each.

    Given an optimizer, or several, returns what `configure_optimizers` is to return. Given a
    module, every optimizer that its `configure_optimizers` returns is followed, and the module is
    returned.

    The horizon is the trainer's: `estimated_stepping_batches`, the updates of an epoch with its
    partial last window, and the samples in an update. With manual optimization only the code
    knows how often it steps: give `total`.

    A schedule that listens hears what was logged in training and validation, the sanity check
    left out, and one that finds its own length ends the run; the callback `Observe` sees to it,
    and comes by itself where the trainer is known.

    Args:
        target: An optimizer, a list of optimizers, or a module not yet fitted.
        schedule: A schedule (of the rate), a plan, or the text of either; or a list with one for
            each optimizer, None for one that is left alone.
        module: The module whose trainer knows the horizon, inside `configure_optimizers`.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        name: Name under which `LearningRateMonitor` logs, or one for each optimizer.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Returns:
        A dict for one optimizer, a list of dicts for several, the module for a module.

    Raises:
        ScheduleError: not an optimizer or a module, already attached, a number of schedules that
            does not fit, lengths that do not fit or need what the trainer does not know.
    """
    refuse_unknown("attach", unknown, ["module", "resume", "name"], _ADVICE)
    horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
    settings = AttachSettings(schedule, horizon, check_policy(resume), name)
    if is_module(target):
        return ModuleAttachment.to(target, settings)
    optimizers = [target] if isinstance(target, Optimizer) else target
    if not isinstance(optimizers, list | tuple):
        rule = "needs an optimizer, a list of them or a module"
        raise ScheduleError(
            "attach", rule, "write attach(optimizer, schedule, module=self)", given=target
        )
    configs = configure(list(optimizers), settings, module)
    return configs[0] if isinstance(target, Optimizer) else configs
