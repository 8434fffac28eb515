"""What the tests share: optimizers that write down, in their own `step`, the rates they use."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest

import ratewise as rw

try:
    import torch
    from torch.optim import Optimizer
except ImportError:
    collect_ignore_glob = ["test_*.py"]


def recording(kind: type[Optimizer]) -> type[Any]:
    """A subclass that keeps the rates of each update it commits, in `used`."""

    class Recording(kind):  # type: ignore[misc, valid-type]
        used: list[list[float]]

        def step(self, closure: Any = None) -> Any:
            result = super().step(closure)
            skipped = getattr(self, "found_inf", None)
            if skipped is None or not float(skipped):
                self.__dict__.setdefault("used", []).append(
                    [float(group["lr"]) for group in self.param_groups]
                )
            return result

    Recording.__name__ = f"Recording{kind.__name__}"
    return Recording


def parameter(size: int = 2) -> torch.nn.Parameter:
    weight = torch.nn.Parameter(torch.ones(size))
    weight.grad = torch.full((size,), 1e-3)
    return weight


def make(lr: Any = 3e-4, groups: int = 1, kind: Any = None, **options: Any) -> Any:
    """An optimizer whose groups have the rates lr, lr/2, lr/3, …"""
    parts = [{"params": [parameter(i + 1)], "lr": lr / (i + 1)} for i in range(groups)]
    return (kind or recording(torch.optim.SGD))(parts, lr=lr, **options)


def saved(*things: Any) -> list[Any]:
    """States as they come back from a file that may hold primitives and tensors only."""
    file = io.BytesIO()
    torch.save([thing.state_dict() for thing in things], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


class Tools:
    """The harness: one trace, however the updates come about."""

    recording = staticmethod(recording)
    parameter = staticmethod(parameter)
    make = staticmethod(make)
    saved = staticmethod(saved)
    plan = rw.Warmup(4) >> rw.Cosine(to=0.1)

    @staticmethod
    def SGD(*args: Any, **options: Any) -> Any:
        return recording(torch.optim.SGD)(*args, **options)

    @staticmethod
    def trace(optimizer: Any, group: int = 0) -> list[float]:
        """The rates that a group's committed updates used."""
        return [rates[group] for rates in optimizer.__dict__.get("used", [])]

    @staticmethod
    def expected(schedule: Any, total: int, lr: float = 3e-4, start: int = 0) -> list[float]:
        """lr × level for every update of a run, from `start`."""
        return [lr * level for level in schedule.resolve(total=total).values()[start:].tolist()]

    @staticmethod
    def run(optimizer: Any, updates: int) -> None:
        for _ in range(updates):
            optimizer.step()

    @staticmethod
    def copy_of(value: Any) -> Any:
        return copy.deepcopy(value)


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    return Tools


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
