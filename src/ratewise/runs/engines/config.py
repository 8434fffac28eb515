"""Which engine a comparison is trained by."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.runs.engines import Engine
from ratewise.runs.engines.worker import States
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest
from ratewise.tasks.protocols import Task

ENGINES = ("serial", "processes", "ray")


@dataclass(frozen=True)
class EngineConfig:
    """What trains: one of the engines, and how many workers or which cluster.

    Args:
        engine: "serial", "processes" or "ray"; None for processes if there are workers.
        workers: Worker processes, at least 1; "auto" for one per device, or per core without any.
        address: Of a cluster, for Ray.

    Raises:
        ScheduleError: these do not go together.
    """

    engine: str | None = None
    workers: int | str = 0
    address: str | None = None

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

    @property
    def alone(self) -> bool:
        """Whether everything is trained in this process."""
        return self.engine == "serial" or (self.engine is None and not self.workers)

    def open(self, tasks: Mapping[str | None, Task], states: States) -> Engine:
        """Return the engine, ready to train.

        Raises:
            ScheduleError: the task cannot be sent to others.
        """
        if self.engine == "ray":
            from ratewise.runs.engines.ray import Ray

            return Ray(tasks, states, self.address)
        from ratewise.runs.engines.processes import Processes

        devices = _devices()
        count = len(devices) or _cores() if self.workers in ("auto", 0) else int(self.workers)
        return Processes(tasks, states, count, devices)


def _devices() -> list[str]:
    """Return the GPUs, as CUDA_VISIBLE_DEVICES names them; none where PyTorch is not in use."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [] if visible is None else [name.strip() for name in visible.split(",")]
    return names or [str(device) for device in range(torch.cuda.device_count())]


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
