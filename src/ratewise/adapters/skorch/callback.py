"""A schedule on a net of skorch: bound where the length of an epoch is known, shown its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skorch.callbacks import Callback

from ratewise.adapters.torch.scheduler import Scheduler, announce, recall, rewind
from ratewise.adapters.torch.trainers import RunSettings, hear
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.strict import strict

WHO = "SkorchCallback"


class SkorchCallback(Callback):
    """A callback that makes the optimizer of a net follow a schedule.

        NeuralNet(module, criterion, max_epochs=10, callbacks=[SkorchCallback("Cosine(to=0)")])

    Each `fit` or `partial_fit` is a run of `max_epochs` epochs, unless `total` is given: then all
    of them together are one. The history has the rate of every update, in its batches, and that of
    the last update of each epoch, as `event_lr`, as with skorch's own `LRScheduler`.

    A schedule that listens hears the history of each epoch; one that finds its own length ends the
    run. Give it before the callbacks that save checkpoints.

    Args:
        schedule: A schedule (of the rate), a plan, or the text of either.
        optimizer: The name of the net's optimizer, for nets that have several.
        total: Updates in the run; needed where a run goes on from a checkpoint, since skorch makes
            `max_epochs` epochs more.
        epoch: Updates in an epoch, in place of the net's.
        samples: Samples in an update, in place of the net's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that somebody else sets, as of `Scheduler`.
        updates: Updates that were made before, as of `Scheduler`.
        event_name: Name of the rate in the history; None leaves it out.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Attributes:
        scheduler_: The scheduler of the run; None until the first epoch begins.

    Raises:
        ScheduleError: no schedule, or an argument that does not exist; when an epoch begins,
            lengths that do not fit, or a checkpoint that needs a total; at its end, a metric that
            nothing measures.
    """

    @strict
    def __init__(
        self,
        schedule: Schedule | Plan | str,
        optimizer: str = "optimizer",
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        resume: str | None = None,
        by_hand: str = "warn",
        updates: int | None = None,
        event_name: str | None = "event_lr",
        **unknown: Any,
    ) -> None:
        """Keep the arguments as they are, as scikit-learn's copies want them; read them once."""
        self.schedule = schedule
        self.optimizer = optimizer
        self.total = total
        self.epoch = epoch
        self.samples = samples
        self.tokens = tokens
        self.resume = resume
        self.by_hand = by_hand
        self.updates = updates
        self.event_name = event_name
        read = self._settings(unknown).schedule
        if unknown:  # a name with what belongs to it is kept as what it means, for the copies
            self.schedule = read

    def _settings(self, unknown: Mapping[str, Any]) -> RunSettings:
        """Return what the arguments ask for; `set_params` may have changed them."""
        return RunSettings.read(
            WHO,
            self.schedule,
            unknown,
            example='SkorchCallback("Cosine(to=0)")',
            known=("event_name", "optimizer"),
            resume=self.resume,
            by_hand=self.by_hand,
            updates=self.updates,
            total=self.total,
            epoch=self.epoch,
            samples=self.samples,
            tokens=self.tokens,
        )

    def initialize(self) -> SkorchCallback:
        """Begin anew, with a new optimizer."""
        self.scheduler_: Scheduler | None = None
        self.loaded_: dict[str, Any] | None = None
        self.begun_ = False
        return self

    # State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, primitives only; also in what skorch saves."""
        if self.scheduler_ is None:
            return dict(self.loaded_ or {})
        return self.scheduler_.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a state was saved; before the first epoch, when it begins."""
        if self.scheduler_ is not None:
            self.scheduler_.load_state_dict(state_dict)
        else:
            self.loaded_ = dict(state_dict)

    # While it runs --------------------------------------------------------------------------

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **parts: Any) -> None:
        """A run begins; how long it is, its first epoch tells."""
        self.begun_ = False

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **parts: Any
    ) -> None:
        """Bind to the optimizer, in the first epoch of a run."""
        if not self.begun_:
            self.begun_ = True
            self._begin(net, dataset_train)

    def _begin(self, net: Any, data: Any) -> None:
        optimizer = getattr(net, f"{self.optimizer}_", None)
        if optimizer is None:
            rule = f"found no optimizer {self.optimizer!r} in this net"
            raise ScheduleError(WHO, rule, 'give the name that the net has for it, "optimizer"')
        self.seen_: set[str] = set()
        if self.scheduler_ is not None and self.scheduler_.optimizer is optimizer:
            if self.total is not None:
                return
            rewind(self.scheduler_)  # of a run that broke off: this one is its own
        settings, known = self._settings({}), _known(net, data)
        if self.loaded_ is None:
            fix = f"give SkorchCallback(total=…), {known['total']} for a run of max_epochs in all"
            settings.check_length(optimizer.param_groups, fix)
        self.scheduler_ = settings.bind(optimizer, **known)
        if self.loaded_:
            self.scheduler_.load_state_dict(self.loaded_)
            self.loaded_ = None

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool | None = None, **parts: Any
    ) -> None:
        """Let who looks at the start of a batch find the coming rates."""
        if training:
            announce(self._running())

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool | None = None, **parts: Any
    ) -> None:
        """Note the rate of the update, and end a run whose schedule has found its end."""
        if not training:
            return
        if self.event_name is not None:
            net.history.record_batch(self.event_name, self._rate())
        if self._running().finished:
            raise KeyboardInterrupt  # as skorch's own callbacks end a run

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **parts: Any
    ) -> None:
        """Show the schedule what was measured in the epoch."""
        row = net.history[-1]
        metrics = {name: value for name, value in row.items() if name != "batches"}
        over = hear(self._running(), metrics, self.seen_)
        if self.event_name is not None:
            net.history.record(self.event_name, self._rate())
        if over:
            raise KeyboardInterrupt  # as above

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **parts: Any) -> None:
        """Give the peaks back, unless all runs together are one."""
        if self.scheduler_ is None:
            return
        recall(self.scheduler_)
        if self.total is None:
            self.scheduler_.detach()
            self.scheduler_ = None

    def _running(self) -> Scheduler:
        if self.scheduler_ is None:
            rule = "was added while the net was training"
            raise ScheduleError(WHO, rule, "give it as one of callbacks=[…]")
        return self.scheduler_

    def _rate(self) -> float:
        return float(self._running().get_last_lr()[0])

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the state in the place of the scheduler."""
        kept = {**self.__dict__}
        if kept.get("scheduler_") is not None:
            kept["loaded_"], kept["scheduler_"] = self.state_dict(), None
        return kept


def _known(net: Any, data: Any) -> dict[str, Any]:
    """Return the horizon of a run of `max_epochs` epochs."""
    loader = net.get_iterator(data, training=True)
    try:
        batches = len(loader)
    except TypeError:  # a stream
        return {"total": None}
    size = getattr(loader, "batch_size", None)
    return {"total": net.max_epochs * batches, "epoch": batches, "samples": size}
