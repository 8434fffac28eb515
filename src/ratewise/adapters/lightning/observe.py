"""The callback that lets schedules hear what a trainer measures, and its loggers see the rates."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback
from torch import Tensor

from ratewise.adapters.lightning.guard import check_schedulers, schedulers_of
from ratewise.adapters.torch.scheduler import Scheduler, announce, feedback_of, recall, show
from ratewise.adapters.torch.trainers import is_number, take_up
from ratewise.schedule.strict import strict


@strict
class Observe(Callback):
    """Shows the schedulers what was logged, and stops the trainer when one of them is finished.

    From the start of a batch on, the groups hold what its update is going to use, so that
    `LearningRateMonitor`, and whoever else reads them there, writes the rate of update k beside k.
    It is the first of a trainer's callbacks, wherever it is put.

    Metrics come by the names that `self.log` gave them: those of a validation when it has ended,
    those of training with each update, or at the end of the epoch if they are logged `on_epoch`.
    The sanity check does not count. With several processes that of the first one counts for all.

    `attach` adds it where it knows the trainer; where not, write `Trainer(callbacks=[Observe()])`.
    What is to be resumed exactly is best saved with a validation, or between two: between an
    update and its validation Lightning saves a state from which that validation never comes.

    Raises:
        ScheduleError: while it runs, a metric that nothing measures, or another scheduler in the
            place of one of ours.
    """

    def __init__(self) -> None:
        self._latest: dict[str, Any] = {}
        self._committed: list[int] = []
        self._configs: list[int] = []
        self._validated = False

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Go before the callbacks that read the rates, and those that save what was shown."""
        trainer.callbacks.remove(self)
        trainer.callbacks.insert(0, self)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget what another run had measured; find the place in a run that is resumed.

        A checkpoint may have no state of ours, as one of a run that had no schedule.
        """
        self.__init__()
        schedulers = schedulers_of(trainer)
        if trainer.ckpt_path is not None and pl_module.automatic_optimization:
            for scheduler in schedulers:
                take_up(scheduler, trainer.global_step, "attach")
        self._committed = [scheduler.committed for scheduler in schedulers]

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Let those who look once an epoch find the coming rates."""
        for scheduler in schedulers_of(trainer):
            announce(scheduler)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look whether our schedulers are still in charge, and put the coming rates in place."""
        configs = [id(config.scheduler) for config in trainer.lr_scheduler_configs]
        if configs != self._configs:
            check_schedulers(trainer)
            self._configs = configs
        for scheduler in schedulers_of(trainer):
            announce(scheduler)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show what was logged with an update, and let the groups hold what the last one used."""
        schedulers = schedulers_of(trainer)
        committed = [scheduler.committed for scheduler in schedulers]
        for scheduler in schedulers:
            recall(scheduler)
        if committed != self._committed:
            self._committed = committed
            self._show(trainer, schedulers)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Set apart what was measured before."""
        if not trainer.sanity_checking:
            self._fresh(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Show what was validated."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        schedulers = schedulers_of(trainer)
        names = self._show(trainer, schedulers)
        self._validated = True
        for scheduler in schedulers:
            feedback_of(scheduler).check(self._latest, typos=names, sure=False)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Show what was measured over the epoch; by now everything has come once."""
        schedulers = schedulers_of(trainer)
        self._show(trainer, schedulers)
        sure = self._validated or not trainer.enable_validation
        for scheduler in schedulers:
            feedback_of(scheduler).check(self._latest, sure=sure)

    def _show(self, trainer: Any, schedulers: list[Scheduler]) -> set[str]:
        """Show what is new; return its names."""
        if not any(map(feedback_of, schedulers)):
            return set()
        fresh = self._fresh(trainer)
        for scheduler in schedulers:
            names = feedback_of(scheduler).metrics()
            values = {name: _on_host(fresh[name]) for name in names if name in fresh}
            if values and trainer.world_size > 1:
                values = trainer.strategy.broadcast(values)
            show(scheduler, values)
        if any(scheduler.finished for scheduler in schedulers):
            trainer.should_stop = True
        return set(fresh)

    def _fresh(self, trainer: Any) -> dict[str, Any]:
        """Return what was measured since the last call; the trainer keeps what is old."""
        found = {name: v for name, v in trainer.callback_metrics.items() if v is not None}
        old, self._latest = self._latest, found
        return {name: v for name, v in self._latest.items() if not _same(v, old.get(name))}


def _on_host(value: Any) -> Any:
    """Return a metric as a float; what is no number is for the schedule to refuse."""
    return float(value) if is_number(value) else value


def _same(new: Any, old: Any) -> bool:
    """Whether two values are one measurement; each that is made has memory of its own."""
    if not (isinstance(new, Tensor) and isinstance(old, Tensor)):
        return new is old
    return new.data_ptr() == old.data_ptr()
