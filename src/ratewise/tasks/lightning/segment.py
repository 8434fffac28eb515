"""A piece of a fit with Lightning: it goes on where another stopped, and stops after an update."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.schedule import ScheduleError
from ratewise.tasks.lightning.trainer import (
    DATA,
    MODULE,
    NO_LOSS,
    loss_of,
    nothing,
    optimizer_of,
    quiet,
    quiet_trainer,
    silenced,
)
from ratewise.tasks.protocols import Losses
from ratewise.tasks.torch.batches import copied
from ratewise.tasks.torch.groups import HookedRates, RateSetter
from ratewise.tasks.torch.loader_state import StatefulLoader
from ratewise.tasks.torch.measuring import on_host
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.snapshot import restore_training

torch = require("torch", extra="lightning")

_FIRST = ("prepare_data", "setup", "on_fit_start", "on_train_start")
"""Hooks of the module that run in the first piece alone."""
_LAST = ("teardown", "on_fit_end", "on_train_end")
"""Hooks of the module that run in no piece, as there is always another."""


class _Stopped(Exception):
    """Ends a fit from within, before it does anything more."""


class FitSegment:
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
        self,
        library: Any,
        module: Any,
        feed: StatefulLoader,
        own: TorchRandomStream,
        state: Any,
        ahead: list[Any],
    ) -> None:
        self.ahead = ahead
        self.device: Any = None
        self.groups: Any = None
        self.loops: dict[str, Any] = {}
        self.random: Any = None
        self._library, self._module, self._feed, self._own = library, module, feed, own
        self._state = state
        self._trainer: Any = None
        self._hooks: Any = None
        self._rates: list[float] = []
        self._waiting: list[Any] = []
        self._losses: list[Any] = []
        self._running = self._interrupted = False
        self._last: Any = None

    def losses(self) -> Losses:
        """Return the losses of the updates, each the mean over its batches."""
        return on_host(self._losses)

    @property
    def _made(self) -> int:
        return 0 if self._hooks is None else self._hooks.made

    def fit(self, options: dict[str, Any], rates: list[float]) -> None:
        """Make one update per rate."""
        self._rates = rates
        silent = _LAST if self._state is None else (*_LAST, *_FIRST)
        with quiet(), silenced(self._module, silent):
            self._trainer = trainer = quiet_trainer(self._library, options, self._callback())
            if self._state is not None:
                trainer.fit_loop.load_state_dict(copy.deepcopy(self._state["loops"]))
            try:
                trainer.fit(self._module, _Loader(self, self._feed.loader))
            except _Stopped:
                return
            finally:
                if self._interrupted:  # which a trainer makes something else of
                    raise KeyboardInterrupt
        if self._last is None and not self._made:
            raise ScheduleError(DATA, "gave no batch", "return at least one")
        rule = f"ended the fit {self._made} updates on, of {len(rates)}"
        raise ScheduleError(MODULE, rule, "do not set trainer.should_stop in it")

    # What the trainer meets on its way ------------------------------------------------------

    def resume(self) -> None:
        """Put everything back, when the trainer has set up its optimizer and asks for data."""
        if self.groups is not None:
            return
        self.device = self._trainer.strategy.root_device
        optimizer = unwrap(MODULE, optimizer_of(self._trainer))
        self.groups = RateSetter(MODULE, optimizer, keys=("initial_lr",))
        self._trainer.strategy.lr_scheduler_configs = []
        self._hooks = HookedRates(self.groups, self._rates).__enter__()
        if self._state is None:
            self._feed.begin()  # as a fit does, before `on_train_start`
        else:
            restore_training(self._module, optimizer, self._state)
            self._own.go_to(self._state["random"])

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
        self.random = self._own.note()
        raise _Stopped

    def _callback(self) -> Any:
        piece = self

        class FollowSegment(self._library.Callback):
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

        return FollowSegment()

    def _hear(self, outputs: Any) -> None:
        """Take note of the loss of a batch, and of an update if there was one."""
        loss = loss_of(outputs)
        if loss is not None:
            several = self._trainer.accumulate_grad_batches
            self._waiting.append(loss.detach().reshape(()).to(torch.float64) * several)
        if self._made > len(self._losses):
            if not self._waiting:
                rule = f"made update {len(self._losses)} without a loss"
                raise ScheduleError(MODULE, rule, NO_LOSS)
            self._losses.append(torch.stack(self._waiting).mean())
            self._waiting.clear()


class _Loader:
    """What the trainer takes for its loader: it hands out the batches of the feed."""

    def __init__(self, piece: FitSegment, loader: Any) -> None:
        self._piece = piece
        self._copies = not isinstance(loader, torch.utils.data.DataLoader)
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)  # a stream has none, and says so by itself

    def __iter__(self) -> Iterator[Any]:
        self._piece.resume()
        return self

    def __next__(self) -> Any:
        batch = self._piece.next()
        return copied(batch) if self._copies else batch

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the feed is saved by itself."""
        return {}

    load_state_dict = nothing
