"""What a range test can climb with: told apart by class, without importing any framework."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ratewise.range_test.ladder import Sweep
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

Climb = Callable[[Sweep], None]
"""Trains one sweep, from the same start each time."""

Source = AbstractContextManager[Climb]
"""Gives what climbs; when it is left, everything is as it was."""

_GIVES = (
    "give a task, a Trainer, a Lightning module or a compiled Keras model, "
    "or step=, model=, optimizer= and batches="
)


def choose_source(task: Any, **parts: Any) -> Source:
    """Return the source for what was given to `find`.

    Raises:
        ScheduleError: it is nothing that can be trained, or parts are missing or too many.
    """
    kind = "step" if task is None else kind_of(task)
    takes = {
        "step": ("step", "model", "optimizer", "batches", "also"),
        "lightning": ("batches", "trainer"),
        "keras": ("batches",),
    }
    _check_parts(kind, takes.get(kind, ()), parts)
    if kind == "step":
        from ratewise.range_test.torch_loop import plain_loop

        return plain_loop(**{name: parts[name] for name in takes["step"]})
    if kind == "trainer":
        from ratewise.range_test.transformers_trainer import trainer_loop

        return trainer_loop(task)
    if kind == "lightning":
        from ratewise.range_test.lightning_module import module_fits

        return module_fits(task, parts["batches"], parts["trainer"])
    if kind == "keras":
        from ratewise.range_test.keras_model import model_batches

        return model_batches(task, parts["batches"])
    return task_runs(task)


def kind_of(task: Any) -> str:
    """Return what kind of thing was given, by the names of its classes."""
    for one in type(task).__mro__:
        room = one.__module__.partition(".")[0]
        if one.__name__ == "Trainer" and room == "transformers":
            return "trainer"
        if one.__name__ == "LightningModule" and room in ("lightning", "pytorch_lightning"):
            return "lightning"
        if one.__name__ == "Model" and room == "keras":
            return "keras"
    if not callable(getattr(task, "open", None)):
        raise ScheduleError("find", f"cannot train {shorten(task)}", _GIVES)
    return "task"


def _check_parts(kind: str, takes: tuple[str, ...], parts: dict[str, Any]) -> None:
    given = [name for name, value in parts.items() if value is not None and value != ()]
    strange = [name for name in given if name not in takes]
    if strange:
        what = "a loop of your own" if kind == "step" else f"a {kind}"
        rule = f"takes no {strange[0]}= for {what}"
        raise ScheduleError(f"find({strange[0]}=…)", rule, f"leave {strange[0]}= out")
    needed = ("step", "model", "optimizer", "batches") if kind == "step" else ()
    missing = [name for name in needed if name not in given]
    if missing:
        raise ScheduleError("find", f"got no {missing[0]}=", _GIVES)


@contextlib.contextmanager
def task_runs(task: Any) -> Generator[Climb]:
    """Open a run of the task for every sweep, and put it back when the sweep is over."""

    def climb(sweep: Sweep) -> None:
        run = task.open(sweep.seed)
        start = run.save()  # a task may share a model between its runs
        try:
            _train(run, sweep)
        finally:
            run.restore(start)

    yield climb


def _train(run: Any, sweep: Sweep) -> None:
    """Train a rung at a time: one loss is seen one update late, so the first rung has one more."""
    rates, k = sweep.ladder.all_rates, sweep.ladder.updates
    for first in range(0, len(rates), k):
        for loss in np.asarray(run.train(rates[first : first + k]), np.float64).tolist():
            if sweep.tell(loss):
                return
