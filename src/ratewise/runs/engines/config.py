"""Which engine a comparison is trained by."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratewise.runs.engines import Engine
from ratewise.runs.engines.worker import States
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, whole
from ratewise.tasks.protocols import Task

ENGINES = ("serial", "processes", "ray", "stacked")


@dataclass(frozen=True)
class EngineConfig:
    """What trains: one of the engines, and how many workers or which cluster.

    Args:
        engine: "serial", "processes", "ray" or "stacked"; None for processes if there are workers.
        workers: Worker processes, at least 1; "auto" for one per device, or per core without any.
        address: Of a cluster, for Ray.
        stack: Runs in one call of the model at most, at least 1; None for as many as the memory has
            room for, if that pays.

    Raises:
        ScheduleError: these do not go together.
    """

    engine: str | None = None
    workers: int | str = 0
    address: str | None = None
    stack: int | None = None

    def __post_init__(self) -> None:
        engine, who = self.engine, Call("compare", "engine", self.engine)
        if engine is not None and engine not in ENGINES:
            rule = f"is no engine; those are {', '.join(ENGINES)}"
            raise ScheduleError(who, rule, nearest(engine, ENGINES))
        count = self.workers
        if count != "auto" and (
            isinstance(count, bool | str) or not isinstance(count, int) or count < 0
        ):
            fix = Fix('give {workers}, or "auto" for one per device or core', workers="2")
            who = Call("compare", "workers", count)
            raise ScheduleError(who, "needs a number of workers", fix)
        if self.address is not None and engine != "ray":
            fix = Fix("give {engine} with an address", engine='"ray"')
            who, rule = Call("compare", "address", self.address), "is for a cluster of Ray"
            raise ScheduleError(who, rule, fix)
        if count and engine in ("serial", "ray"):
            fix = "leave workers out; Ray takes what the task asks for in `resources`"
            raise ScheduleError(who, "takes no workers", fix, given=count)
        if self.stack is not None:
            who = Call("compare", "stack", self.stack)
            whole(who, "the runs in a stack", self.stack, low=1)
            if engine != "stacked":
                fix = Fix("give {engine} with it", engine='"stacked"')
                raise ScheduleError(who, "is for runs that are stacked", fix)

    @property
    def alone(self) -> bool:
        """Whether everything is trained in this process."""
        return self.engine == "serial" or (self.engine in (None, "stacked") and not self.workers)

    def open(self, tasks: Mapping[str | None, Task], states: States) -> Engine:
        """Return the engine, ready to train.

        Raises:
            ScheduleError: the task cannot be sent to others.
        """
        if self.engine == "ray":
            from ratewise.runs.engines.ray import Ray

            return Ray(tasks, states, self.address)
        from ratewise.runs.engines.processes import Processes

        return Processes(tasks, states, *self.workers_for(tasks))

    def workers_for(self, tasks: Mapping[str | None, Task]) -> tuple[int, list[str]]:
        """Return how many workers there are, and what each sees of the devices, in turn."""
        small = all(getattr(task, "small", False) is True for task in tasks.values())
        devices = places(_devices(), small=small)
        count = len(devices) or _cores() if self.workers in ("auto", 0) else int(self.workers)
        return count, devices


def places(devices: Sequence[str], *, small: bool) -> list[str]:
    """Return what each worker sees of the devices, in turn: one worker on each, or two.

    Args:
        devices: The devices that this process sees.
        small: Whether the task says that two of its runs fit on a device, and leave it idle alone.

    >>> places(["0", "1"], small=True)
    ['0', '1', '0', '1']
    """
    return [*devices, *devices] if small else list(devices)


def _devices() -> list[str]:
    """Return the GPUs, as CUDA_VISIBLE_DEVICES names them; none where PyTorch is not in use."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return device_names(torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def device_names(count: int, visible: str | None) -> list[str]:
    """Return what to set CUDA_VISIBLE_DEVICES to for each device that this process sees.

    Args:
        count: How many there are.
        visible: What that says here, or None; numbers or identifiers, the first `count` count.

    >>> device_names(2, None), device_names(2, "3, 5"), device_names(1, "GPU-8f6a,-1,0")
    (['0', '1'], ['3', '5'], ['GPU-8f6a'])
    """
    if visible is None or not visible.strip():
        return [str(device) for device in range(count)]
    return [name.strip() for name in visible.split(",")][:count]


def _cores() -> int:
    """Return how many processes the cores have room for, as many threads as each computes with."""
    torch: Any = sys.modules.get("torch")
    own = torch.get_num_threads() if torch is not None else 1
    return max(1, count_cores() // own)


def count_cores() -> int:
    """Return how many cores this process may use, or all there are where no system says that."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    count = getattr(os, "process_cpu_count", os.cpu_count)
    return count() or 1
