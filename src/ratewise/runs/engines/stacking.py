"""Whether runs are stacked: tried once with each optimizer, measured, and told."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ratewise.runs.engines import Engine
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.engines.worker import States, Worker
from ratewise.runs.journal import found_once
from ratewise.tasks.protocols import Task
from ratewise.tasks.stack_plan import StackPlan

MARK = " stacked"
"""What stands behind the fingerprint of a task in the names of what was trained in a stack."""


class Stacks:
    """What is known of how runs of a task are stacked.

    Args:
        size: Runs in a stack, if the user says it; then they are stacked whether it pays or not.
        journal: The journal that remembers what was measured, so that a comparison that goes on
            decides as it did before; or None.

    Attributes:
        notes: Why runs are not stacked, or how many are, each a sentence.
    """

    def __init__(self, size: int | None, journal: str | os.PathLike[str] | None) -> None:
        self._size, self._journal = size, journal
        self._known: dict[str | None, dict[str, Any]] = {}
        self.notes: list[str] = []

    def decide(self, tasks: Mapping[str | None, Task], seed: int) -> bool:
        """Find out which runs can be stacked, and return whether any of these are.

        Args:
            tasks: The task, and with other optimizers, by their names.
            seed: A seed.
        """
        for name, task in tasks.items():
            if name not in self._known:
                self._known[name] = found = self._looked_up(name, task, seed)
                if found["why"]:
                    self._note(name, found["why"])
        return any(not self._known[name]["why"] for name in tasks)

    def stacked(self, optimizer: str | None) -> bool:
        """Tell whether runs with an optimizer are stacked."""
        return not self._known[optimizer]["why"]

    def plan(self, task: Task, seed: int) -> StackPlan | None:
        """Return how runs with the task's own optimizer are stacked; None if they are not."""
        if not self.decide({None: task}, seed):
            return None
        from ratewise.tasks.torch.stacked import Stacking

        found = self._known[None]
        return StackPlan(_read(Stacking, found["how"]), self._size or found["room"])

    def open(self, tasks: Mapping[str | None, Task], states: States, worker: Worker) -> Engine:
        """Return the engine."""
        from ratewise.runs.engines.stacked import Stacked

        size = self._size or self._room(tasks)
        engine = Stacked(tasks, self._how(tasks), states, worker, size)
        engine.notes = self.notes
        return engine

    def hire(
        self, tasks: Mapping[str | None, Task], states: States, config: EngineConfig
    ) -> Engine:
        """Return the engine with a stack in each of some worker processes.

        Those that share a device, or this machine where there is none, share what memory is free.
        """
        from ratewise.runs.engines.stacked_processes import StackedProcesses

        workers, devices = config.workers_for(tasks)
        together = -(-workers // max(len(set(devices)), 1))
        size = self._size or max(1, self._room(tasks) // together)
        told = tasks, self._how(tasks), states, size, workers, devices
        engine = StackedProcesses(*told)
        engine.notes = self.notes
        return engine

    def _how(self, tasks: Mapping[str | None, Task]) -> dict[str | None, Any]:
        from ratewise.tasks.torch.stacked import Stacking

        known = {name: self._known[name] for name in tasks if name in self._known}
        return {n: _read(Stacking, found["how"]) for n, found in known.items() if not found["why"]}

    def _room(self, tasks: Mapping[str | None, Task]) -> int:
        known = (self._known[name] for name in tasks if name in self._known)
        return min(found["room"] for found in known if not found["why"])

    def _note(self, name: str | None, why: str) -> None:
        told = "" if name is None else f" with {name}"
        self.notes.append(f"Runs{told} were trained one by one, and not stacked, as {why}.")

    def _looked_up(self, name: str | None, task: Task, seed: int) -> dict[str, Any]:
        if self._size is not None or self._journal is None:
            return _tried(task, seed, self._size)
        what = f"stack with {name} and seed {seed}"
        return found_once(self._journal, task, what, lambda: _tried(task, seed, None), _fits)


def _tried(task: Task, seed: int, size: int | None) -> dict[str, Any]:
    """Return what a trial says, as JSON types; `why` is why runs are not stacked, or ""."""
    if importlib.util.find_spec("torch") is None:
        return _not("PyTorch is not installed")
    from ratewise.tasks.torch import stacked_parts as parts
    from ratewise.tasks.torch import stacked_trial as trial

    try:
        found = trial.try_stack(task, seed)
    except parts.Unstackable as error:
        return _not(str(error))
    except Exception as error:  # of the task's own, which its runs are going to tell, too
        short = parts.is_out_of_memory(error)
        return _not("memory has no room for two runs" if short else parts.why_not(error))
    if size is None and found.gain < trial.PAYS:
        return _not(f"it does not pay: {found.gain:.2f} times as many updates a second")
    return {"why": "", "how": asdict(found.stacking), "gain": found.gain, "room": found.room}


def _not(why: str) -> dict[str, Any]:
    return {"why": why, "how": {}, "gain": 0.0, "room": 1}


def _read(kind: Any, told: Mapping[str, Any]) -> Any:
    return kind(**{**told, "still": tuple(told["still"])})


def _fits(told: Any) -> bool:
    """Tell whether this can have been found."""
    if not isinstance(told, dict) or set(told) != {"why", "how", "gain", "room"}:  # pyright: ignore[reportUnknownArgumentType]
        return False
    how: Any = told["how"]
    sound = isinstance(told["why"], str) and type(told["room"]) is int and told["room"] >= 1
    if not sound or not isinstance(how, dict):
        return False
    if told["why"]:
        return not how
    return (
        set(how) == {"randomness", "own_steps", "still"}  # pyright: ignore[reportUnknownArgumentType]
        and how["randomness"] in ("none", "same", "different")
        and isinstance(how["own_steps"], bool)
        and isinstance(how["still"], list)
        and all(isinstance(one, str) for one in how["still"])  # pyright: ignore[reportUnknownVariableType]
    )
