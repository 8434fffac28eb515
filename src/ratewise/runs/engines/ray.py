"""The engine of a cluster: every segment a task of Ray, where its parent's state is warm."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ratewise._extras import require
from ratewise.runs.engines.jobs import Done, Event, Fatal, Job, WorkerDied
from ratewise.runs.engines.processes import packed, unpacked, unready
from ratewise.runs.engines.threads import threads
from ratewise.runs.engines.worker import States, Worker
from ratewise.schedule import ScheduleError
from ratewise.tasks.failures import TaskError, name_of
from ratewise.tasks.protocols import Task

FRESH = 1.0
"""Seconds for which the size of the cluster is believed."""


class Ray:
    """Trains as many jobs at once as the cluster has room for.

    Each job asks for the resources that the task names in `resources`, such as
    `{"num_cpus": 2, "num_gpus": 1}`. A job goes, if there is room, to the node that saved the state
    it begins from. States have to be where every node reads and writes.

    Args:
        tasks: The task, and with other optimizers by name.
        states: Where states are kept.
        address: Of a cluster, as `ray.init` takes it; without one, what Ray is connected to, or a
            cluster of this machine that ends with the comparison.

    Raises:
        ImportError: Ray is not installed.
        ScheduleError: the task cannot be sent, or this machine has not what it asks for.
    """

    ordered = False

    def __init__(
        self, tasks: Mapping[str | None, Task], states: States, address: str | None = None
    ) -> None:
        self._ray = ray = require("ray", extra="ray")
        self._sent: Any = packed(
            dict(tasks), states, dumps=require("ray.cloudpickle", extra="ray").dumps
        )
        self._own = not ray.is_initialized()
        if self._own:
            local: dict[str, Any] = {} if address else {"include_dashboard": False}
            ray.init(address, log_to_driver=False, logging_level="ERROR", **local)
        self._sent = ray.put(self._sent)
        asked = dict(getattr(tasks[None], "resources", None) or {"num_cpus": 1})
        self._needs = {_RAY.get(name, name): amount for name, amount in asked.items()}
        self._options = _options(asked)
        self._running: dict[Any, Job] = {}
        self._places: dict[str, str] = {}
        self._room, self._asked_at = 0, 0.0
        if self._own and address is None and not self._size():
            self.close()
            rule = f"asks for {asked}, which this machine has not"
            fix = "ask for less, or give the address of a cluster"
            raise ScheduleError(name_of(tasks[None]), rule, fix)

    def free(self) -> int:
        """Return how many jobs can be begun now; one may always wait for a node to come."""
        if time.monotonic() - self._asked_at > FRESH:
            self._room, self._asked_at = self._size(), time.monotonic()
        return max(self._room, 1) - len(self._running)

    def _size(self) -> int:
        """Return how many jobs fit into the cluster as it is."""
        fits = [
            sum(int(node["Resources"].get(name, 0) // amount) for node in self._alive())
            for name, amount in self._needs.items()
            if amount
        ]
        return min(fits, default=1)

    def _alive(self) -> list[Any]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def start(self, job: Job) -> None:
        options = dict(self._options)
        node = self._places.get(job.name(job.start))
        if node is not None:
            strategies = require("ray.util.scheduling_strategies", extra="ray")
            there = strategies.NodeAffinitySchedulingStrategy(node, soft=True)
            options["scheduling_strategy"] = there
        remote = self._ray.remote(**options)(train)
        self._running[remote.remote(self._sent, threads(), job)] = job

    def wait(self) -> Iterator[Event]:
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=FRESH)
        for stream in ready:
            event = self._hear(stream)
            if event is not None:
                yield event

    def _hear(self, stream: Any) -> Event | None:
        job = self._running[stream]
        errors: Any = self._ray.exceptions
        try:
            where, event = self._ray.get(next(stream))
        except StopIteration:
            del self._running[stream]
            return None
        except errors.RayTaskError as error:
            del self._running[stream]
            said = TaskError.of("", getattr(error, "cause", error)).rule
            rule = f"cannot train on this cluster: what it sent there {said}"
            return Fatal(job.index, rule, "make the task and ratewise importable on every node")
        except errors.RayError as error:
            del self._running[stream]
            return WorkerDied(job.index, f"a worker of Ray died: {str(error).splitlines()[0]}")
        if isinstance(event, Done | Fatal):
            del self._running[stream]
            if isinstance(event, Done) and event.kept is not None:
                self._places[job.name(len(job.way.rates))] = where
        return event

    def close(self) -> None:
        """End what runs, and the cluster if it was begun here."""
        for stream in self._running:
            self._ray.cancel(stream, force=True)
        self._running = {}
        if self._own:
            self._ray.shutdown()


_RAY = {"num_cpus": "CPU", "num_gpus": "GPU"}


def _options(asked: Mapping[str, float]) -> dict[str, Any]:
    """Return the options of a task of Ray: what it needs, and how it computes."""
    own = {name: amount for name, amount in asked.items() if name in _RAY}
    rest = {name: amount for name, amount in asked.items() if name not in _RAY}
    count = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {"OMP_NUM_THREADS": count, "PYTHONPATH": paths}
    return {
        **own,
        "resources": rest,
        "max_retries": 0,
        "num_returns": "streaming",
        "runtime_env": {"env_vars": environment},
    }


@functools.lru_cache(maxsize=1)
def _worker(sent: bytes, count: int | None) -> Worker:
    """Return the worker of this process: it stands where the job before has left it."""
    return unpacked(sent, count)


def train(sent: bytes, count: int | None, job: Job) -> Iterator[tuple[str, Event]]:
    """Train a job on some node; yield where, and what happens."""
    where = require("ray", extra="ray").get_runtime_context().get_node_id()
    try:
        worker = _worker(sent, count)
    except (Exception, SystemExit) as error:
        yield where, unready(job.index, TaskError.of("Task", error))
        return
    for event in worker.work(job):
        yield where, event
