"""What a range test can climb with: told apart by class, without importing any framework."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, shorten
from ratewise.tasks.calls import opened
from ratewise.tasks.protocols import Opener

Source = AbstractContextManager[Opener]
"""Gives what opens runs, each from the same start; when it is left, everything is as it was."""

_LOOP = ("step", "model", "optimizer", "batches")
_THINGS = "a task, a Trainer, a Lightning module or a compiled Keras model"
_GIVES = Fix(
    f"name {_THINGS}",
    alone=f"give {_THINGS}, or step=, model=, optimizer= and batches=",
)
_TAKES = {"step": (*_LOOP, "also"), "lightning": ("batches", "trainer"), "keras": ("batches",)}
"""The parts that go with each kind of thing; a trainer and a task take none."""


def choose_source(task: Any, **parts: Any) -> Source:
    """Return the source for what was given to `find`.

    Raises:
        ScheduleError: it is nothing that can be trained, or parts are missing or too many.
    """
    kind = kind_of(task)
    _check_parts(kind, parts)
    if kind == "step":
        from ratewise.tasks.torch.in_place import loop_in_place

        return loop_in_place(**{name: parts[name] for name in _TAKES["step"]})
    if kind == "trainer":
        from ratewise.tasks.transformers.in_place import trainer_in_place

        return trainer_in_place(task)
    if kind == "lightning":
        from ratewise.tasks.lightning.in_place import module_in_place

        return module_in_place(task, parts["batches"], parts["trainer"])
    if kind == "keras":
        from ratewise.tasks.keras.in_place import model_in_place

        return model_in_place(task, parts["batches"])
    return nullcontext(partial(opened, task, needs=("train", "save", "restore")))


def kind_of(task: Any) -> str:
    """Return what kind of thing was given, by the names of its classes; a loop's step is none."""
    if task is None:
        return "step"
    for one in type(task).__mro__:
        room = one.__module__.partition(".")[0]
        if one.__name__ == "Trainer" and room == "transformers":
            return "trainer"
        if one.__name__ == "LightningModule" and room in ("lightning", "pytorch_lightning"):
            return "lightning"
        if one.__name__ == "Model" and room == "keras":
            return "keras"
    if not callable(getattr(task, "open", None)):
        raise ScheduleError(Call("find"), f"cannot train {shorten(task)}", _GIVES)
    return "task"


def _check_parts(kind: str, parts: dict[str, Any]) -> None:
    given = [name for name, value in parts.items() if value is not None and value != ()]
    strange = [name for name in given if name not in _TAKES.get(kind, ())]
    if strange:
        what = "a loop of your own" if kind == "step" else f"a {kind}"
        rule = f"takes no {strange[0]}= for {what}"
        raise ScheduleError(f"find({strange[0]}=…)", rule, f"leave {strange[0]}= out")
    missing = [name for name in _LOOP if name not in given]
    if kind == "step" and missing:
        raise ScheduleError("find", f"got no {missing[0]}=", _GIVES)
