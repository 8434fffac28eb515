"""A Lightning module as a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.schedule.strict import strict
from ratewise.tasks.calls import as_metrics
from ratewise.tasks.lightning.segment import FitSegment
from ratewise.tasks.lightning.trainer import (
    DATA,
    configured,
    first_of,
    library,
    quiet,
    quiet_trainer,
)
from ratewise.tasks.protocols import Losses, OwnSchedule, Parts, Rates, length_of, sizes_of
from ratewise.tasks.ready import ReadyTask
from ratewise.tasks.torch.groups import shares_of
from ratewise.tasks.torch.loader_state import StatefulLoader
from ratewise.tasks.torch.measuring import measuring
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.snapshot import restore_training, save_training

torch = require("torch", extra="lightning")

_METRIC = "LightningTask(metric=…)"
_OURS = frozenset(
    ("callbacks", "logger", "max_epochs", "max_steps", "max_time", "min_epochs", "min_steps")
)


@strict
@dataclass(frozen=True)
class LightningTask(ReadyTask):
    """Train a Lightning module with a `lightning.Trainer`; the rates come from `compare`.

    An update is Lightning's own, with all hooks of the module, its precision, accumulation and
    clipping. The weights are those of `trainer.fit(module)` with the same rates, bit for bit, also
    with dropout; only what a dataset draws at random from an epoch's second batch on differs.

    A run may be trained in pieces and go back; the module sees a single fit. `prepare_data`,
    `setup`, `on_fit_start` and `on_train_start` run once, at `open`, and `configure_optimizers` in
    every segment; schedulers that it returns are left aside. No hook says that the fit is over, or
    an epoch that was not finished. Nothing is validated, logged or saved.

    What learns must live in the module: a run is saved as its parameters, buffers and plain
    attributes, the optimizer, the random numbers, Lightning's counters, and the place in the data
    with the generators that loader, sampler and dataset have. Going back means to read the epoch
    again up to there.

    Args:
        module: Returns a new module, after `torch.manual_seed(seed)`.
        data: Returns the loader, or any iterable of batches, for a seed.
        metric: Returns a float, then called "metric", or a dict of floats, of the module. It is
            called in evaluation mode and without gradients; whatever it changes is put back.
        trainer: Arguments of `lightning.Trainer`: `{"accumulate_grad_batches": 4}`. Its length,
            callbacks and loggers are the task's.
        optimizer: Returns the optimizer of a module, in place of `configure_optimizers`.
        higher_is_better: Names of the metrics of which more is better; of all others less is.
        small: Whether two of its runs fit on a device, and one alone leaves it idle: then workers
            are two for each.

    Raises:
        ScheduleError: an argument is not what it should be; at `open`, what was made is no
            module, optimizes by hand, has no optimizer or follows a schedule of ratewise, the loss
            is scaled (fp16), the data can be read only once, or there is no batch.
    """

    module: Callable[[], Any]
    data: Callable[[int], Any]
    metric: Callable[[Any], Any]
    trainer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    optimizer: Callable[[Any], Any] | None = None
    higher_is_better: tuple[str, ...] = ()

    _functions: ClassVar = ("module", "data", "metric", "optimizer")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.trainer, Mapping):
            rule, fix = "is no dict", "give the trainer's arguments"
            raise ScheduleError("LightningTask(trainer=…)", rule, fix, given=self.trainer)
        for name in sorted(_OURS & set(self.trainer)):
            who = f"LightningTask(trainer={{{name!r}: …}})"
            raise ScheduleError(who, "is for the comparison to say", "leave it out")

    def open(self, seed: int) -> LightningRun:
        """Return a run before its first update."""
        return LightningRun(self, seed)

    def parts(self) -> Parts:
        """Return the module, the optimizer that it configures, and what the data say."""
        with TorchRandomStream(0, settings=True), quiet():
            module = self.module()
            module.trainer = quiet_trainer(library(module), dict(self.trainer))  # it may be asked
            optimizer = (self.optimizer or configured)(module)
            batch, examples = sizes_of(self.data(0))
        every = int(self.trainer.get("accumulate_grad_batches", 1))
        groups = () if optimizer is None else shares_of(optimizer, keys=("initial_lr",))
        sizes = batch * every if batch else None, examples
        return Parts(module, optimizer, *sizes, groups, "lightning")

    def own_schedule(self, total: int) -> OwnSchedule | None:
        """Return the scheduler that the module configures, in a fit of so many updates."""
        with TorchRandomStream(0, settings=True), quiet():
            module = self.module()
            # A module may ask its trainer how long the fit is.
            module.trainer = quiet_trainer(library(module), dict(self.trainer), total=total)
            make = self.optimizer
            made = module.configure_optimizers() if make is None else make(module)
            scheduler, batches = first_of(made)[1], length_of(self.data(0))
        given = scheduler if isinstance(scheduler, dict) else {"scheduler": scheduler}
        if given["scheduler"] is None:
            return None
        every = float(given.get("frequency", 1))
        if given.get("interval", "epoch") == "epoch":
            several = int(self.trainer.get("accumulate_grad_batches", 1))
            every = None if batches is None else every * -(-batches // several)
        return OwnSchedule(given["scheduler"], every)


class LightningRun:
    """One training run of a `LightningTask`.

    Attributes:
        module: The module.
        optimizer: Its optimizer, of the last piece of the fit.
        peak: The largest learning rate among the optimizer's groups, as it was made.
    """

    def __init__(self, task: LightningTask, seed: int) -> None:
        self._task, self._seed = task, seed
        self._own = TorchRandomStream(seed, settings=True)
        with self._own, torch.inference_mode(False), torch.enable_grad():
            self.module = task.module()
            self._library = library(self.module)
            if task.optimizer is not None:
                make = task.optimizer
                self.module.configure_optimizers = lambda: make(self.module)
            self._loader = task.data(seed)
        if hasattr(self._loader, "__next__") or not hasattr(self._loader, "__iter__"):
            fix = "return a loader, or a list"
            raise ScheduleError(DATA, "cannot be read again", fix, given=self._loader)
        self._feed = StatefulLoader(self._loader, self._own, seed)
        self._loops: dict[str, Any] | None = None
        self._moments: dict[str, Any] = {}
        self._ahead: list[Any] = []
        self.optimizer: Any = None
        self.peak = 0.0
        self.train(np.empty(0))

    def train(self, rates: Rates) -> Losses:
        """Make one update per rate, in a fit that goes on where the last one was left."""
        if self._loops is not None and not len(rates):
            return np.empty(0)
        state = None if self._loops is None else {**self._still(), "loops": self._loops}
        segment = FitSegment(self._library, self.module, self._feed, self._own, state, self._ahead)
        with self._own, torch.inference_mode(False), torch.enable_grad():
            segment.fit(dict(self._task.trainer), rates.tolist())
        self._own.state = segment.random
        self._loops, self._ahead = segment.loops, segment.ahead
        self.optimizer = segment.groups.optimizer
        if state is None:
            self.peak = segment.groups.reference
        self.module.to(segment.device)
        return segment.losses()

    def measure(self) -> Mapping[str, float]:
        """Return the metrics, in evaluation mode and with random numbers that no update sees."""
        back = partial(restore_training, self.module, self.optimizer, self._still())
        with measuring(self.module, self.optimizer, self._own, self._seed, back):
            return as_metrics(_METRIC, self._task.metric(self.module))

    def _still(self) -> dict[str, Any]:
        return {**save_training(self.module, self.optimizer), "random": self._own.state}

    def save(self) -> dict[str, Any]:
        """Return the state, in main memory."""
        data = self._feed.save(unread=bool(self._ahead))
        return {**self._still(), "loops": self._loops, "data": data}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a saved state; the data follow when the next batch is asked for."""
        restore_training(self.module, self.optimizer, state)
        self._own.state, self._loops = state["random"], state["loops"]
        self._feed.restore(state["data"])
        self._ahead = []
