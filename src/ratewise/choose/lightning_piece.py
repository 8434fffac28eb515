"""A piece of a fit with Lightning: it goes on where another stopped, and stops after an update."""

from __future__ import annotations

import copy
import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.choose.protocols import Losses
from ratewise.choose.torch_batches import copied
from ratewise.choose.torch_feed import Feed, standing
from ratewise.choose.torch_groups import Groups
from ratewise.choose.torch_own import Own
from ratewise.choose.torch_state import restore_model, restore_optimizer
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.torch import Scheduler

torch = require("torch", extra="lightning")

_MODULE = "LightningTask(module=…)"
_LONG = 10**9
"""Updates that a fit is told to make, which is stopped long before."""
_FIRST = ("prepare_data", "setup", "on_fit_start", "on_train_start")
"""Hooks of the module that run in the first piece alone."""
_LAST = ("teardown", "on_fit_end", "on_train_end")
"""Hooks of the module that run in no piece, as there is always another."""


class _Stopped(Exception):
    """Ends a fit from within, before it does anything more."""


class Piece:
    """Some updates of a fit, by a trainer of its own.

    Args:
        library: The package that the module's class is from.
        module: The module.
        feed: The batches, where the last piece left them.
        own: The random numbers, entered.
        state: The state to go on from; None for the first piece, in which nothing is trained.
        ahead: A batch that was drawn and not trained on.

    Attributes:
        ahead: A batch that was drawn and not trained on.
        device: Where the module was trained.
        groups: The optimizer's groups.
        loops: Lightning's counters at the end.
        random: The random numbers at the end.
    """

    def __init__(
        self, library: Any, module: Any, feed: Feed, own: Own, state: Any, ahead: list[Any]
    ) -> None:
        self.ahead = ahead
        self.device: Any = None
        self.groups: Any = None
        self.loops: dict[str, Any] = {}
        self.random: Any = None
        self._library, self._module, self._feed, self._own = library, module, feed, own
        self._state = state
        self._trainer: Any = None
        self._made = 0
        self._rates: list[float] = []
        self._waiting: list[Any] = []
        self._losses: list[Any] = []
        self._running = self._interrupted = False
        self._last: Any = None

    def losses(self) -> Losses:
        """Return the losses of the updates, each the mean over its batches."""
        if not self._losses:
            return np.empty(0)
        return np.asarray(torch.stack(self._losses).to(torch.float64).cpu().numpy())

    def fit(self, options: dict[str, Any], rates: list[float]) -> None:
        """Make one update per rate."""
        self._rates = rates
        silent = _LAST if self._state is None else (*_LAST, *_FIRST)
        with _quiet(), _silenced(self._module, silent):
            self._trainer = trainer = _trainer(self._library, options, self._callback())
            if self._state is not None:
                trainer.fit_loop.load_state_dict(copy.deepcopy(self._state["loops"]))
            try:
                trainer.fit(self._module, _Loader(self, self._feed.loader))
            except _Stopped:
                return
            finally:
                if self._interrupted:  # which a trainer makes something else of
                    raise KeyboardInterrupt
        raise ScheduleError("LightningTask(data=…)", "gave no batch", "return at least one")

    # What the trainer meets on its way ------------------------------------------------------

    def resume(self) -> None:
        """Put everything back, when the trainer has set up its optimizer and asks for data."""
        if self.groups is not None:
            return
        self.device = self._trainer.strategy.root_device
        self.groups = Groups(_MODULE, _optimizer(self._trainer))
        self._trainer.strategy.lr_scheduler_configs = []
        self.groups.optimizer.register_step_pre_hook(self._before)
        self.groups.optimizer.register_step_post_hook(self._after)
        if self._state is not None:
            restore_model(self._module, self._state["model"])
            restore_optimizer(self.groups.optimizer, self._state["optimizer"])
            self._own.__exit__()
            self._own.state = self._state["random"]
            self._own.__enter__()

    def _before(self, *_: Any) -> None:
        if self._made < len(self._rates):
            self.groups.set(self._rates[self._made])

    def _after(self, *_: Any) -> None:
        self._made += 1

    def next(self) -> Any:
        """Return the next batch, or stop here if all updates are made."""
        if self._running and self._made >= len(self._rates):
            self._stop()
        self._last = self.ahead.pop() if self.ahead else next(self._feed)
        return self._last

    def _stop(self) -> None:
        """Note where everything stands, and leave."""
        loop = self._trainer.fit_loop
        batches = loop.epoch_loop.batch_progress
        if not self._feed.drawn:
            batches.reset_on_run()
            loop.epoch_loop.scheduler_progress.reset_on_run()
            loop.epoch_loop.automatic_optimization.optim_progress.reset_on_run()
        self.ahead = [self._last] if self._feed.drawn > batches.current.ready else []
        self.loops = loop.state_dict()
        self.random = standing(self._own)
        raise _Stopped

    def _callback(self) -> Any:
        piece = self

        class Follow(self._library.Callback):
            """Follows a fit, and stops it where an epoch would begin."""

            def on_train_start(self, trainer: Any, pl_module: Any) -> None:
                piece._running = True

            def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
                if trainer.current_epoch > piece._feed.epoch:
                    piece._feed.end()
                if piece._made >= len(piece._rates):
                    piece._stop()

            def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
                piece._hear(outputs)

            def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
                piece._interrupted = isinstance(exception, KeyboardInterrupt)

        return Follow()

    def _hear(self, outputs: Any) -> None:
        """Take note of the loss of a batch, and of an update if there was one."""
        if outputs is not None:  # else the module skipped this batch
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            several = self._trainer.accumulate_grad_batches
            self._waiting.append(loss.detach().reshape(()).to(torch.float64) * several)
        if self._made > len(self._losses):
            nothing = torch.full((), torch.nan, dtype=torch.float64)
            mean = torch.stack(self._waiting).mean() if self._waiting else nothing
            self._losses.append(mean)
            self._waiting.clear()


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


class _Loader:
    """What the trainer takes for its loader: it hands out the batches of the feed."""

    def __init__(self, piece: Piece, loader: Any) -> None:
        self._piece = piece
        self._copies = not isinstance(loader, torch.utils.data.DataLoader)
        self._length = _length(loader)

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("the length is not known")
        return self._length

    def __iter__(self) -> Iterator[Any]:
        self._piece.resume()
        return self

    def __next__(self) -> Any:
        batch = self._piece.next()
        return copied(batch) if self._copies else batch

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the feed is saved by itself."""
        return {}

    load_state_dict = _nothing


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:  # a stream
        return None


# The trainer and the module ----------------------------------------------------------------------


def _trainer(library: Any, options: dict[str, Any], callback: Any) -> Any:
    """Return a trainer that leaves nothing behind."""
    ours = {
        "devices": 1,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **options,
        "callbacks": [callback],
        "logger": False,
        "max_steps": _LONG,
        "max_epochs": -1,
    }
    trainer = library.Trainer(**ours)
    if trainer.world_size > 1:
        fix = 'write trainer={"devices": 1}'
        raise ScheduleError("LightningTask(trainer=…)", "trains in several processes", fix)
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        fix = 'write trainer={"precision": "bf16-mixed"}'
        raise ScheduleError("LightningTask(trainer=…)", "scales its losses (fp16)", fix)
    return trainer


def _optimizer(trainer: Any) -> Any:
    """Return the trainer's optimizer, if there is one and nobody else sets its rate."""
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, Scheduler):
            rule, fix = "follows a schedule already", "leave attach out, the rates are set"
            raise ScheduleError(_MODULE, rule, fix)
    if not trainer.optimizers or not trainer.optimizers[0].param_groups:
        raise ScheduleError(_MODULE, "has no optimizer", "let configure_optimizers return one")
    return trainer.optimizers[0]


def check_module(module: Any) -> None:
    """Refuse what is no module, and one that optimizes by hand."""
    library(module)
    if not module.automatic_optimization:
        rule, fix = "optimizes by hand, so its loss is not known", "write a TorchTask"
        raise ScheduleError(_MODULE, rule, fix)


def library(module: Any) -> Any:
    """Return the package that the module's class is from: there are two of the same."""
    for one in type(module).__mro__:
        if one.__name__ == "LightningModule":
            name = "lightning.pytorch" if one.__module__.startswith("lightning.") else None
            return require(name or "pytorch_lightning", extra="lightning")
    rule = f"returned no Lightning module, got {shorten(module)}"
    raise ScheduleError(_MODULE, rule, "return a LightningModule")


@contextmanager
def _silenced(module: Any, names: tuple[str, ...]) -> Generator[None]:
    """Let hooks of a module do nothing for a while."""
    own = {name: vars(module)[name] for name in names if name in vars(module)}
    for name in names:
        vars(module)[name] = _nothing
    try:
        yield
    finally:
        for name in names:
            del vars(module)[name]
        vars(module).update(own)


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the trainers of a task from reporting on themselves."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning")]
    levels = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
