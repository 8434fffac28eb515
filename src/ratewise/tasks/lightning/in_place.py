"""A Lightning module, run in place: fitted by trainers of our own, with its own data."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix
from ratewise.tasks.lightning.trainer import NO_LOSS, SILENT, library, loss_of, quiet
from ratewise.tasks.protocols import Opener, Over, Rates
from ratewise.tasks.torch.groups import HookedRates
from ratewise.tasks.torch.in_place import check_batches, groups_in_place
from ratewise.tasks.torch.snapshot import Snapshot
from ratewise.tasks.updates import UpdateLosses

_WHO = "The module"
_INSTEAD = Fix("write a TorchTask", alone="give step=, model=, optimizer= and batches=")


@contextmanager
def module_in_place(module: Any, batches: Any, trainer: Any) -> Generator[Opener]:
    """Open fits of the module, each by a trainer of its own; put all back at the end.

    The user's trainer is read, not run: its loggers, checkpoints and callbacks see nothing.
    """
    pl = library(module, _WHO, _INSTEAD)
    settings = _settings(trainer)
    data: dict[str, Any] = {}
    loader = None
    if isinstance(batches, pl.LightningDataModule):
        data = {"datamodule": batches}
    elif batches is not None:
        check_batches(batches)
        loader, data = batches, {"train_dataloaders": batches}
    with Snapshot([module], None, loader) as snapshot, _attached(module, batches), quiet():
        yield snapshot.opener(partial(_fit_until, pl, module, data, settings))


def _fit_until(
    pl: Any,
    module: Any,
    data: dict[str, Any],
    settings: dict[str, Any],
    rates: Rates,
    over: Over,
) -> None:
    """Fit the module by a trainer of its own, which is stopped from a callback."""
    follow = _follow(pl, rates.tolist(), over)
    options = {**SILENT, **settings, "max_steps": len(rates), "max_epochs": -1, "logger": False}
    try:
        pl.Trainer(**options, callbacks=[follow]).fit(module, **data)
    finally:
        if follow.interrupted:  # which a trainer makes something else of
            raise KeyboardInterrupt
    if not follow.losses.told:
        raise ScheduleError(_WHO, "made its updates without a loss", NO_LOSS)


def _follow(pl: Any, rates: list[float], over: Over) -> Any:
    """Return a callback that sets the rate of every update, and stops when it is over."""

    class FollowFit(pl.Callback):
        """Sets rates through the optimizer's hooks, after whatever scheduler there is."""

        def __init__(self) -> None:
            self.stack = ExitStack()
            self.hooks: Any = None
            self.losses = UpdateLosses(over, _WHO, "look at its optimizer", skips=True)
            self.interrupted = False

        def on_train_start(self, trainer: Any, module: Any) -> None:
            if len(trainer.optimizers) != 1:
                rule = f"has {len(trainer.optimizers)} optimizers"
                raise ScheduleError(_WHO, rule, "let configure_optimizers return one")
            hooks = HookedRates(groups_in_place(trainer.optimizers[0]), rates)
            self.hooks = self.stack.enter_context(hooks)

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            loss = loss_of(outputs)
            if loss is None:
                return
            several = trainer.accumulate_grad_batches
            stop = self.losses.take(float(loss) * several, self.hooks.made)
            trainer.should_stop = stop or trainer.should_stop

        def teardown(self, trainer: Any, module: Any, stage: str) -> None:
            self.stack.close()

        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            self.interrupted = isinstance(exception, KeyboardInterrupt)
            self.stack.close()

    return FollowFit()


def _settings(trainer: Any) -> dict[str, Any]:
    """Return what of the user's trainer decides about an update."""
    if trainer is None:
        return {"devices": 1}
    if trainer.world_size > 1:
        rule, fix = "trains in several processes", "look for the rate with devices=1"
        raise ScheduleError("find(trainer=…)", rule, fix)
    kind = trainer.strategy.root_device.type
    return {
        "devices": 1,
        "accelerator": "gpu" if kind == "cuda" else kind,
        "precision": trainer.precision,
        "gradient_clip_val": trainer.gradient_clip_val,
        "gradient_clip_algorithm": trainer.gradient_clip_algorithm,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
    }


@contextmanager
def _attached(*things: Any) -> Generator[None]:
    """Put back which trainer the module, and the data module, belong to."""
    before: list[tuple[Any, Any]] = []
    for thing in things:
        if hasattr(type(thing), "trainer") or hasattr(thing, "trainer"):
            try:
                before.append((thing, thing.trainer))
            except RuntimeError:  # a module says so, if it belongs to none
                before.append((thing, None))
    try:
        yield
    finally:
        for thing, trainer in before:
            thing.trainer = trainer
