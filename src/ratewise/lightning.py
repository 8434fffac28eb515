"""Schedules in Lightning: what `configure_optimizers` returns, or a module that returns it.

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-4)
        return attach(optimizer, Warmup("5%") >> Cosine(to=0.1), module=self)

or, from outside, for a module that returns optimizers alone:

    attach(module, Warmup("5%") >> Cosine(to=0.1))
    lightning.Trainer(…).fit(module)

or, in the file of a Lightning command line, without a line of Python:

    trainer:
      callbacks:
        - class_path: ratewise.lightning.Attach
          init_args: {schedule: "Warmup('5%') >> Cosine(to=0.1)"}

The optimizer counts its own updates, so neither the interval nor the frequency matters, and manual
optimization needs no `scheduler.step()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratewise._extras import require

require("torch", extra="lightning")
require("lightning", extra="lightning")

from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402
from torch.optim import Optimizer  # noqa: E402

from ratewise.adapters.arguments import given, read_each, refuse_unknown  # noqa: E402
from ratewise.adapters.lightning.attachment import ModuleAttachment, is_attached  # noqa: E402
from ratewise.adapters.lightning.configure import AttachSettings, configure, is_module  # noqa: E402
from ratewise.adapters.lightning.observe import Observe  # noqa: E402
from ratewise.adapters.torch.hands import check_by_hand  # noqa: E402
from ratewise.adapters.torch.resume import check_policy  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.lengths import Length  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["Attach", "Observe", "attach"]

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
    warmup: Length | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    resume: str | None = None,
    by_hand: str = "warn",
    on_device: bool | None = None,
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

    Where the trainer itself says that it only tries the code (`fast_dev_run`, `overfit_batches`),
    lengths that do not fit into so few updates are those of a longer run, of which the beginning
    is run; a warning says so once.

    A schedule that listens hears what was logged in training and validation, the sanity check
    left out, and one that finds its own length ends the run; the callback `Observe` sees to it,
    and comes by itself where the trainer is known.

    Args:
        target: An optimizer, a list of optimizers, or a module not yet fitted.
        schedule: A schedule (of the rate), a plan, the text of either, or a name that is known
            elsewhere, such as "cosine", with what it takes there; or a list with one for each
            optimizer, None for one that is left alone.
        module: The module whose trainer knows the horizon, inside `configure_optimizers`.
        warmup: Length of the warm-up that a name begins with.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that a callback sets, as of `Scheduler`.
        on_device: Whether the rates are tensors with their clock beside the weights, as of
            `Scheduler`.
        name: Name under which `LearningRateMonitor` logs, or one for each optimizer.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Returns:
        A dict for one optimizer, a list of dicts for several, the module for a module.

    Raises:
        ScheduleError: not an optimizer or a module, already attached, a number of schedules that
            does not fit, lengths that do not fit or need what the trainer does not know.
    """
    fix = "write attach(optimizer, Cosine(to=0), module=self)"
    read, unknown = read_each("attach", schedule, fix, {"warmup": warmup, **unknown})
    refuse_unknown("attach", unknown, ["module", "resume", "by_hand", "on_device", "name"], _ADVICE)
    horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
    policies: dict[str, Any] = {"resume": check_policy(resume), "by_hand": check_by_hand(by_hand)}
    policies["on_device"] = on_device
    settings = AttachSettings(read, horizon, policies, name)
    if is_module(target):
        return ModuleAttachment.to(target, settings)
    optimizers = [target] if isinstance(target, Optimizer) else target
    if not isinstance(optimizers, list | tuple):
        rule = "needs an optimizer, a list of them or a module"
        raise ScheduleError(
            "attach", rule, "write attach(optimizer, schedule, module=self)", given=target
        )
    if not optimizers:
        raise ScheduleError("attach([], …)", "was given 0 optimizers", "give at least one")
    configs = configure(list(optimizers), settings, module)
    return configs[0] if isinstance(target, Optimizer) else configs


class Attach(Callback):
    """A callback that attaches a schedule to the module, as `attach(module, schedule)` does.

    It is for where there is no place to call `attach`: the file of a command line, or a list of
    callbacks that is handed on.

    Args:
        schedule: As of `attach`.
        warmup: Length of the warm-up that a name begins with, `{schedule: cosine, warmup: 3%}`.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update.
        resume: As of `attach`.
        by_hand: As of `attach`.
        name: As of `attach`.
        **unknown: What else a name takes, in a file of Lightning's `dict_kwargs: {num_cycles: 2}`;
            a misspelt argument is answered with the nearest one.

    Raises:
        ScheduleError: the schedule is none, or an argument does not exist; when the trainer fits,
            what `attach` refuses.
    """

    @strict
    def __init__(
        self,
        schedule: str | list[str | None] | Schedule | Plan,
        warmup: int | float | str | None = None,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        resume: str | None = None,
        by_hand: str = "warn",
        name: str | list[str] | None = None,
        **unknown: Any,
    ) -> None:
        """Keep what is to be attached; a text is read at once, so that a slip is heard early."""
        fix = "write Attach(schedule='Cosine(to=0)')"
        self._schedule, left = read_each("Attach", schedule, fix, {"warmup": warmup, **unknown})
        refuse_unknown("Attach", left, ["warmup", "resume", "by_hand", "name"], _ADVICE)
        horizon = {"total": total, "epoch": epoch, "samples": samples, "tokens": tokens}
        policies = {"resume": check_policy(resume), "by_hand": check_by_hand(by_hand)}
        self._asked: dict[str, Any] = {**horizon, **policies, "name": name}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Attach before the module configures its optimizers."""
        if stage == "fit" and not is_attached(pl_module):
            attach(pl_module, self._schedule, **self._asked)
