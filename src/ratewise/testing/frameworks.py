"""Where to listen in the trainers of frameworks, none of which is imported before it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from ratewise._extras import require
from ratewise.schedule import Hold, Plan, ScheduleError

LIGHTNING = ("lightning.pytorch", "pytorch_lightning")
"""The two names of one package."""

Listen = Callable[[Any, ExitStack], None]


def is_trainer(source: Any, package: str) -> bool:
    """Whether something is the `Trainer` of a package, or of a kind of it."""
    return any(
        kind.__name__ == "Trainer" and kind.__module__.startswith(package)
        for kind in type(source).__mro__
    )


def listen_to_transformers(trainer: Any, listen: Listen, stack: ExitStack) -> None:
    """Listen to the optimizer of a Trainer, from where it is made on."""
    transformers = sys.modules["transformers"]
    current = stack.enter_context(ExitStack())

    class Watch(transformers.TrainerCallback):
        def on_train_begin(
            self, args: Any, state: Any, control: Any, optimizer: Any = None, **rest: Any
        ) -> None:
            current.close()
            listen(innermost(optimizer), current)

    watch = Watch()
    trainer.add_callback(watch)
    stack.callback(trainer.remove_callback, watch)


def listen_to_lightning(trainer: Any, listen: Listen, stack: ExitStack) -> None:
    """Listen to the optimizer of a Trainer of Lightning, from where it is made on."""
    package = next(n for n in LIGHTNING if n in sys.modules)
    current = stack.enter_context(ExitStack())

    class Watch(sys.modules[package].Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            current.close()
            listen(only_optimizer("trace", trainer), current)

    watch = Watch()
    trainer.callbacks.append(watch)
    stack.callback(lambda: trainer.callbacks.remove(watch))


def innermost(optimizer: Any) -> Any:
    """Return the optimizer inside wrappers of Accelerate and Lightning."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


class OptimizerWatcher(Protocol):
    """What watches an optimizer of PyTorch, and may stop to."""

    def watch(self, optimizer: Any, start: int | None = None) -> None:
        """Watch one that has made so many updates."""
        ...

    def close(self) -> None:
        """Stop watching."""
        ...


def guard_of_transformers(guard: OptimizerWatcher) -> Any:
    """Return a callback for a Trainer that lets a guard watch its optimizer."""
    transformers = require("transformers", extra="transformers")

    class Callback(transformers.TrainerCallback):
        """Watches from the first update of a run on, or from where it goes on."""

        def on_train_begin(
            self, args: Any, state: Any, control: Any, optimizer: Any = None, **rest: Any
        ) -> None:
            guard.watch(innermost(optimizer), state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            guard.close()

    return Callback()


def guard_of_lightning(guard: OptimizerWatcher) -> Any:
    """Return a callback for a Trainer of Lightning that lets a guard watch its optimizer."""
    found = next((n for n in LIGHTNING if n in sys.modules), None)
    package = require("lightning.pytorch", extra="lightning") if found is None else (
        sys.modules[found])  # fmt: skip

    class Callback(package.Callback):
        """Watches from the first update of a run on, or from where it goes on."""

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            guard.watch(only_optimizer("RateGuard", trainer), trainer.global_step)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            guard.close()

    return Callback()


def only_optimizer(who: str, trainer: Any) -> Any:
    """Return the optimizer of a Trainer of Lightning.

    Raises:
        ScheduleError: it has several.
    """
    if len(trainer.optimizers) != 1:
        rule = f"found {len(trainer.optimizers)} optimizers in this trainer"
        raise ScheduleError(who, rule, "give it the one that you mean")
    return innermost(trainer.optimizers[0])


def keras_callback(
    record: Callable[[float], None], key: str, begin: Callable[[int], None] | None = None
) -> Any:
    """Return a callback for `fit` that records what each committed update used.

    `begin` is told how many updates the optimizer had made before.
    """
    keras = require("keras", extra="keras")
    from ratewise.adapters.keras.drive import attached, committed, innermost
    from ratewise.adapters.keras.keys import attributes

    class Record(keras.callbacks.Callback):
        """Reads the number before and after each batch; which of them was used, is known."""

        def on_train_begin(self, logs: Any = None) -> None:
            own: Any = {key: Hold()}
            named = key in ("lr", "momentum", "weight_decay")
            plan = Plan(**own) if named else Plan(keys=own)
            model: Any = self.model
            self.optimizer = innermost(model.optimizer)
            (self.name,) = attributes(plan, self.optimizer).values()
            if begin is not None:
                begin(committed(self.optimizer))

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.t, self.before = committed(self.optimizer), self._value()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            made = committed(self.optimizer) - self.t
            if made > 1:
                rule = f"saw {made} updates in one execution"
                raise ScheduleError("trace", rule, "compile with steps_per_execution=1 to trace")
            if made:
                drive = attached(self.optimizer)
                driven = drive is not None and self.name in drive.values
                record(self._value() if driven else self.before)

        def _value(self) -> float:
            drive = attached(self.optimizer)
            if drive is not None and self.name != "learning_rate" and self.name in drive.values:
                return drive.values[self.name].host(max(committed(self.optimizer) - 1, 0))
            value: Any = keras.ops.add(getattr(self.optimizer, self.name), 0.0)
            return float(value)

    return Record()
