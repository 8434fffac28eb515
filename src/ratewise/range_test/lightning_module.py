"""A Lightning module as something that climbs a ladder of rates."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from ratewise.range_test.ladder import Sweep
from ratewise.range_test.sources import Climb
from ratewise.range_test.torch_kept import check_batches, kept
from ratewise.range_test.torch_loop import Clock, ratios_of
from ratewise.schedule import ScheduleError
from ratewise.tasks.lightning.trainer import SILENT, library, quiet
from ratewise.tasks.torch.random_stream import RandomStream

_WHO = "find(module)"


@contextmanager
def module_fits(module: Any, batches: Any, trainer: Any) -> Generator[Climb]:
    """Fit the module with a trainer of our own for every sweep; put all back at the end.

    The user's trainer is read, not run: its loggers, checkpoints and callbacks see nothing.
    """
    pl = library(module, _WHO)
    settings = _settings(trainer)
    if not module.automatic_optimization:
        rule = "optimizes by hand, so its loss is not known"
        raise ScheduleError(_WHO, rule, "give step=, model=, optimizer= and batches=")
    loader = not isinstance(batches, pl.LightningDataModule) and batches is not None
    if loader:
        check_batches(batches)
    holder = batches if loader else None
    with kept([module], None, holder) as aside, _attached(module, batches), quiet():

        def climb(sweep: Sweep) -> None:
            aside.back()
            aside.reseed(sweep.seed)
            with RandomStream(sweep.seed, settings=True):
                climber = _climber(pl, sweep)
                data = {"datamodule": batches} if not loader else {"train_dataloaders": batches}
                try:
                    fit = _fitter(pl, settings, sweep, climber)
                    fit.fit(module, **({} if batches is None else data))
                finally:
                    if climber.interrupted:  # which a trainer makes something else of
                        raise KeyboardInterrupt

        yield climb


def _fitter(pl: Any, settings: dict[str, Any], sweep: Sweep, climber: Any) -> Any:
    """Return a trainer that fits one sweep and leaves nothing behind."""
    return pl.Trainer(
        **SILENT,
        **settings,
        max_steps=len(sweep.ladder.all_rates),
        max_epochs=-1,
        callbacks=[climber],
        logger=False,
    )


def _climber(pl: Any, sweep: Sweep) -> Any:
    """Return a callback that sets the rate of every update, and stops when the sweep is over."""

    class Climber(pl.Callback):
        """Sets rates through the optimizer's hooks, after whatever scheduler there is."""

        def __init__(self) -> None:
            self.stack = ExitStack()
            self.clock: Any = None
            self.made = 0
            self.interrupted = False
            self.waiting: list[float] = []

        def on_train_start(self, trainer: Any, module: Any) -> None:
            if len(trainer.optimizers) != 1:
                rule = f"has {len(trainer.optimizers)} optimizers"
                raise ScheduleError(_WHO, rule, "let configure_optimizers return one")
            optimizer = trainer.optimizers[0]
            self.clock = Clock(optimizer, ratios_of(optimizer), sweep)
            self.stack.enter_context(self.clock)

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
            if outputs is None:  # the module skipped this batch
                return
            loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
            self.waiting.append(loss * trainer.accumulate_grad_batches)
            over = self.waiting[-1] - self.waiting[-1] != 0  # not finite
            if self.clock.made > self.made or over:
                self.made = self.clock.made
                mean = sum(self.waiting) / len(self.waiting)
                self.waiting.clear()
                trainer.should_stop = sweep.tell(mean) or trainer.should_stop

        def teardown(self, trainer: Any, module: Any, stage: str) -> None:
            self.stack.close()

        def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
            self.interrupted = isinstance(exception, KeyboardInterrupt)
            self.stack.close()

    return Climber()


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
