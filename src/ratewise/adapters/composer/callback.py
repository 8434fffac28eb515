"""A schedule on a trainer of Composer: bound before a checkpoint is loaded, in its state."""

from __future__ import annotations

import math
from typing import Any

from composer.core import Callback, TimeUnit  # pyright: ignore[reportMissingImports]

from ratewise.adapters.torch.scheduler import Scheduler, announce, recall, rewind
from ratewise.adapters.torch.trainers import RunSettings, hear, take_up
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.strict import strict

WHO = "ComposerCallback"


class StateScheduler(Scheduler):
    """The scheduler in a trainer's state, which Composer steps before it logs.

    Its `step()` leaves in the groups what the last update used: `LRMonitor` comes behind it.
    """

    __module__ = "ratewise.composer"

    def step(self, *args: Any, **kwargs: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move nothing, and put nothing in place: the callback does, when a batch starts."""


class ComposerCallback(Callback):
    """A callback that makes the optimizer of a trainer follow a schedule.

        Trainer(model, loader, optimizers=optimizer, max_duration="10ep",
                callbacks=[ComposerCallback("Warmup('5%') >> Cosine(to=0.1)")])

    The trainer knows how long the run is; leave its `schedulers` out. Its checkpoints hold the
    schedule among them, and where it was left out, the count in the optimizer's state is enough.

    A schedule that listens hears the metrics of the evaluators, and those of the training at an
    epoch's end; one that finds its own length ends the run.

    Args:
        schedule: A schedule (of the rate), a plan, or the text of either.
        total: Updates in the run, in place of the trainer's.
        epoch: Updates in an epoch, in place of the trainer's.
        samples: Samples in an update, in place of the trainer's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that somebody else sets, as of `Scheduler`.
        updates: Updates that were made before, as of `Scheduler`.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Attributes:
        scheduler: The scheduler of the run; None until the trainer is made.

    Raises:
        ScheduleError: no schedule, or an argument that does not exist; when the trainer is made, a
            scheduler of its own, several optimizers, lengths that do not fit; at an epoch's end, a
            metric that nothing measures.
    """

    @strict
    def __init__(
        self,
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
    ) -> None:
        """Read what is to be followed; it is bound when the trainer is made."""
        self.scheduler: Scheduler | None = None
        self._seen: set[str] = set()
        self._total: int | None = None
        self._begun = False
        self._settings = RunSettings.read(
            WHO,
            schedule,
            unknown,
            example='ComposerCallback("Cosine(to=0)")',
            resume=resume,
            by_hand=by_hand,
            updates=updates,
            total=total,
            epoch=epoch,
            samples=samples,
            tokens=tokens,
        )

    def before_load(self, state: Any, logger: Any) -> None:
        """Bind to the optimizer, in time for a checkpoint."""
        self._bind(state)

    def fit_start(self, state: Any, logger: Any) -> None:
        """Bind where only `fit` was told how long the run is; look who else is there."""
        self._bind(state)
        if not self._settings.knows_total:
            self._keep_length(state)
        self._begun = True
        running = self._running()
        others = [one for one in state.schedulers if one is not running]
        if others:
            raise _second(others[0])
        if self._settings.policies["updates"] is None:  # a checkpoint may have no state of ours
            take_up(running, int(state.timestamp.batch), WHO)
        else:  # it was said, whatever the optimizer's state leaves open
            running.seek(running.committed)

    def _keep_length(self, state: Any) -> None:
        """See to it that a run is as long as it was said to be when its schedule was bound.

        `fit(duration=…)` may make it longer or shorter, `fit(reset_time=True)` begins another one.
        """
        running, total = self._running(), _known(state)["total"]
        another = self._begun and not int(state.timestamp.batch) and running.committed > 0
        if another or (total != self._total and not running.committed):
            rewind(running)
            self.scheduler, state.schedulers = None, []
            self._bind(state)
        elif total != self._total:
            rule = f"was begun as a run of {self._total} updates, which is to make {total} now"
            raise ScheduleError(WHO, rule, f"give {WHO}(…, total={total})")

    def _bind(self, state: Any) -> None:
        if self.scheduler is not None or state.max_duration is None or state.dataloader is None:
            return
        if len(state.optimizers) != 1:
            rule = f"found {len(state.optimizers)} optimizers"
            fix = "give one, or schedulers=Scheduler([a, b], …).schedulers"
            raise ScheduleError(WHO, rule, fix)
        if state.schedulers:
            raise _second(state.schedulers[0])
        known = _known(state)
        self.scheduler = self._settings.bind(state.optimizers[0], kind=StateScheduler, **known)
        state.schedulers = [self.scheduler]
        self._total = known["total"]

    def batch_start(self, state: Any, logger: Any) -> None:
        """Let who looks at the start of a batch find the coming rates."""
        announce(self._running())

    def batch_end(self, state: Any, logger: Any) -> None:
        """End a run whose schedule has found its end."""
        if self._running().finished:
            state.stop_training()

    def eval_end(self, state: Any, logger: Any) -> None:
        """Show the schedule what was evaluated behind an update."""
        if self._running().committed:
            self._hear(state, state.eval_metric_values, sure=False)

    def epoch_end(self, state: Any, logger: Any) -> None:
        """Show the schedule what was measured in training."""
        self._hear(state, state.train_metric_values or {}, sure=False)

    def epoch_checkpoint(self, state: Any, logger: Any) -> None:
        """By now everything has come once."""
        self._hear(state, {}, sure=True)

    def _hear(self, state: Any, metrics: Any, sure: bool) -> None:
        if hear(self._running(), metrics, self._seen, sure=sure):
            state.stop_training()

    def fit_end(self, state: Any, logger: Any) -> None:
        """Leave in the groups what the last update used."""
        recall(self._running())

    def _running(self) -> Scheduler:
        if self.scheduler is None:
            rule = "does not know how long the run is"
            raise ScheduleError(WHO, rule, "give Trainer(max_duration=…), or total=…")
        return self.scheduler


def _second(scheduler: Any) -> ScheduleError:
    rule = f"found a {type(scheduler).__name__} beside it, which sets the rate as well"
    return ScheduleError(WHO, rule, "leave schedulers=… out of the trainer")


def _known(state: Any) -> dict[str, Any]:
    """Return the horizon that a trainer's state gives; a batch is an update."""
    length, duration = state.dataloader_len, state.max_duration
    batches = None if length is None else int(length)
    size = getattr(state.dataloader, "batch_size", None)
    each = {
        TimeUnit.BATCH: 1,
        TimeUnit.EPOCH: batches,
        TimeUnit.SAMPLE: None if not size else 1 / size,
    }.get(duration.unit)
    total = None if each is None else math.ceil(duration.value * each)
    return {"total": total, "epoch": batches, "samples": size}
