"""What happens in a process that `ratewise run` started: known loops get the schedule.

Nothing is imported that the script does not import. Where it imports one of the modules below, a
public method of its trainer is wrapped as soon as the module is there: it attaches, then does what
it always did. The schedule is attached once to each trainer, and a script that attaches one itself
is left alone.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ratewise.launch.request import LaunchRequest

Attach = Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]
"""Given an object and the arguments of its method, attaches; returns the arguments to use."""


def install(request: LaunchRequest | None = None) -> None:
    """Watch for the loops, if something is asked of this process."""
    request = request or LaunchRequest.found(os.environ)
    if request is not None:
        sys.meta_path.insert(0, _Watch(_Launch(request)))


class _Watch(MetaPathFinder):
    """Finds the modules that have a loop as they would be found, and wraps what they hold."""

    def __init__(self, launch: _Launch) -> None:
        self._loops: dict[str, tuple[str, str, Attach]] = {
            "transformers.trainer": ("Trainer", "train", launch.to_trainer),
            "lightning.pytorch.trainer.trainer": ("Trainer", "fit", launch.to_lightning),
            "pytorch_lightning.trainer.trainer": ("Trainer", "fit", launch.to_lightning),
            "accelerate.accelerator": ("Accelerator", "prepare", launch.to_accelerate),
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module with a loop, None of any other."""
        loop = self._loops.pop(fullname, None)
        spec = None if loop is None else importlib.util.find_spec(fullname)
        if loop is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _wrap(getattr(module, loop[0]), loop[1], loop[2])

        spec.loader.exec_module = exec_module  # the loader is this module's own
        return spec


def _wrap(owner: type, name: str, attach: Attach) -> None:
    method = getattr(owner, name)

    @functools.wraps(method)
    def attached(self: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "fit" and not args:  # Lightning's model may be given by its name
            attach(self, (kwargs.get("model"),))
            return method(self, *args, **kwargs)
        return method(self, *attach(self, args), **kwargs)

    setattr(owner, name, attached)


class _Launch:
    """Attaches what was asked for to what was found."""

    def __init__(self, request: LaunchRequest) -> None:
        self._request = request
        self._seen: list[Any] = []
        self._inside = False  # a trainer that is attached prepares its optimizer by Accelerate
        self._ours: dict[int, Any] = {}

    def to_trainer(self, trainer: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Attach to a Trainer of Transformers before it trains."""
        from ratewise.adapters.transformers.attachment import is_attached
        from ratewise.transformers import attach

        self._inside = True
        if not self._knows(trainer) and not is_attached(trainer):
            self._attach(trainer, lambda plan, asked: attach(trainer, plan, **asked))
        return args

    def to_lightning(self, trainer: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Attach to the module that Lightning is about to fit."""
        from ratewise.adapters.lightning.attachment import is_attached
        from ratewise.lightning import attach

        module = args[0] if args else None
        self._inside = True
        if module is not None and not self._knows(module) and not is_attached(module):
            self._attach(module, lambda plan, asked: attach(module, plan, **asked))
        return args

    def to_accelerate(self, accelerator: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Attach to the optimizers that a loop prepares; its own schedulers make way for ours."""
        from torch.optim import Optimizer
        from torch.optim.lr_scheduler import LRScheduler

        from ratewise.torch import Scheduler

        ours = self._ours  # a loop may prepare its scheduler apart, behind the optimizer
        if self._inside or any(isinstance(each, Scheduler) for each in args):
            return args
        for optimizer in args:
            if isinstance(optimizer, Optimizer) and not self._knows(optimizer):
                self._attach(
                    optimizer,
                    lambda plan, asked, of=optimizer: ours.update(
                        {id(of): Scheduler(of, plan, **asked)}
                    ),
                )
        return tuple(
            ours.get(id(getattr(each.optimizer, "optimizer", each.optimizer)), each)
            if isinstance(each, LRScheduler)
            else each
            for each in args
        )

    def _knows(self, found: Any) -> bool:
        """Tell whether something was attached to before; it is remembered."""
        if any(each is found for each in self._seen):
            return True
        self._seen.append(found)
        return False

    def _attach(self, found: Any, attach: Callable[[Any, dict[str, Any]], Any]) -> None:
        from ratewise.schedule import ScheduleError, from_dict
        from ratewise.schedule.errors import speaking

        request = self._request
        try:
            with speaking(_typed()):
                attach(from_dict(request.plan), request.options)
        except ScheduleError as error:
            raise SystemExit(f"error: {error}") from None
        said = f"attached {request.text} to {type(found).__name__}"
        with open(request.said, "a", encoding="utf-8") as lines:
            lines.write(f"{said}\n")
        if os.environ.get("RANK", "0") == "0":
            sys.stderr.write(f"ratewise run: {said}\n")


def _typed() -> Any:
    """Return how the one who typed `ratewise run` gives what an error asks for."""
    from ratewise.adapters.arguments import HORIZON
    from ratewise.schedule.errors import Context

    class Typed(Context):
        def argument(self, name: str, example: str) -> str:
            written = super().argument(name, example)
            return f"--{name} N" if name in HORIZON else written

    return Typed(called="ratewise run")
