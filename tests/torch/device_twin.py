"""What stands for a card on the CPU: a mode in which nothing may be read, and a tape for graphs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ratewise.adapters.torch import device

READS = ("_local_scalar_dense", "is_nonzero", "item", "equal", "nonzero", "lift_fresh")
"""What would wait for a card, or copy to it from the host: `torch.tensor(…)` is `lift_fresh`."""


class NoReads(TorchDispatchMode):
    """Raises where the host would read a tensor, or make one of its own values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        self.seen.append(name)
        if name in READS:
            raise AssertionError(f"the host read a tensor: {name}")
        return func(*args, **(kwargs or {}))


class Tape(TorchDispatchMode):
    """Records what is done with tensors, and does it again without the host, as a graph would.

    As in a graph, every tensor keeps its place: a replay writes its results over the recorded ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        assert name.partition("::")[2] not in READS, f"not to be captured: {name}"
        out = func(*args, **(kwargs or {}))
        if not name.startswith("profiler::"):
            self.calls.append((func, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, out in self.calls:
            aliases = [one.alias_info for one in func._schema.returns]
            views = [alias for alias in aliases if alias is not None]
            if views and not any(alias.is_write for alias in views):
                continue  # a view is where it was
            new = func(*args, **kwargs)
            if not views:
                for there, value in zip(tree_leaves(out), tree_leaves(new), strict=True):
                    if isinstance(there, torch.Tensor):
                        there.copy_(value)


@contextmanager
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tape]:
    """Let what is done be captured; that a stream captures is simulated, and the tape is real."""
    tape = Tape()
    with monkeypatch.context() as patch:
        patch.setattr(device, "is_captured", lambda: True)
        with tape:
            yield tape


class Plain(torch.optim.Optimizer):
    """Plain descent with a rate that may be a tensor; PyTorch's own breaks compiled graphs."""

    def __init__(self, params: Any, lr: Any) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(weight.grad * group["lr"])


class Still(torch.optim.Optimizer):
    """Steps that change nothing, for what the clock alone does."""

    def __init__(self, params: Any, lr: Any) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        return None


def rounded(values: Any, dtype: torch.dtype = torch.float32) -> list[float]:
    """float64 values as a tensor of the dtype holds them."""
    return torch.tensor([float(value) for value in values], dtype=dtype).tolist()


def rates(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]
