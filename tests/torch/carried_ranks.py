"""What each of two processes sees when a run goes on from the optimizer's checkpoint alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import checkpoint
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

from ratewise.schedule import Schedule
from ratewise.torch import Scheduler

LR, HALF = 3e-4, 4

Made = tuple[Any, torch.optim.Optimizer]


def sharded() -> Made:
    """FSDP2, with two groups."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    for layer in model:
        fully_shard(layer)
    fully_shard(model)
    groups = [
        {"params": list(layer.parameters()), "lr": LR * (1 + i)} for i, layer in enumerate(model)
    ]
    return model, torch.optim.AdamW(groups, lr=LR)


def parallel(kind: Callable[[Any], torch.optim.Optimizer]) -> Made:
    """DistributedDataParallel."""
    torch.manual_seed(0)
    model = DistributedDataParallel(
        torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    )
    groups = [
        {"params": list(layer.parameters()), "lr": LR * (1 + i)}
        for i, layer in enumerate(model.module)
    ]
    return model, kind(groups)


def zero(groups: Any) -> torch.optim.Optimizer:
    """ZeRO, whose states are gathered on the first rank."""
    return ZeroRedundancyOptimizer(groups, torch.optim.Adam, lr=LR)


def train(made: Made, updates: int) -> list[list[float]]:
    """Make updates; return the rates that they used, as a hook behind ours sees them."""
    model, optimizer = made
    used: list[list[float]] = []

    def look(one: Any, *_: Any) -> None:
        used.append([float(group["lr"]) for group in one.param_groups])

    hook = optimizer.register_step_pre_hook(look)
    for _ in range(updates):
        model(torch.full((2, 4), 1.0 + dist.get_rank())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    hook.remove()
    return used


def in_memory(options: Any) -> tuple[Callable[[Made], Any], Callable[[Made, Any], None]]:
    """`get_state_dict` and `set_state_dict`; they step a fresh optimizer at rate 0."""

    def save(made: Made) -> Any:
        return copy.deepcopy(states.get_state_dict(*made, options=options))

    def load(made: Made, saved: Any) -> None:
        model, optimizer = copy.deepcopy(saved)
        parts = {"model_state_dict": model, "optim_state_dict": optimizer}
        states.set_state_dict(*made, **parts, options=options)

    return save, load


def on_disk(folder: Path) -> tuple[Callable[[Made], Any], Callable[[Made, Any], None]]:
    """`torch.distributed.checkpoint` on disk, which fills what the fresh optimizer asks for."""
    options = states.StateDictOptions(flatten_optimizer_state_dict=True)

    def save(made: Made) -> Any:
        parts = dict(
            zip(("model", "optimizer"), states.get_state_dict(*made, options=options), strict=True)
        )
        checkpoint.save(parts, checkpoint_id=folder)

    def load(made: Made, saved: Any) -> None:
        parts = dict(
            zip(("model", "optimizer"), states.get_state_dict(*made, options=options), strict=True)
        )
        checkpoint.load(parts, checkpoint_id=folder)
        names = {"model_state_dict": parts["model"], "optim_state_dict": parts["optimizer"]}
        states.set_state_dict(*made, **names, options=options)

    return save, load


def gathered() -> tuple[Callable[[Made], Any], Callable[[Made, Any], None]]:
    """The states of all ranks, on the first one, and from there to all."""

    def save(made: Made) -> Any:
        optimizer: Any = made[1]
        optimizer.consolidate_state_dict(to=0)
        parts = [(made[0].state_dict(), optimizer.state_dict()) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(parts, src=0)
        return parts[0]

    def load(made: Made, saved: Any) -> None:
        model, optimizer = copy.deepcopy(saved)
        made[0].load_state_dict(model)
        made[1].load_state_dict(optimizer)

    return save, load


def ways(folder: Path) -> Iterator[tuple[str, Callable[[], Made], Any, bool]]:
    """(name, how a run is made, how it is saved and loaded, whether the scheduler comes first)."""
    adam = lambda: parallel(lambda groups: torch.optim.Adam(groups, lr=LR))  # noqa: E731
    sgd = lambda: parallel(lambda groups: torch.optim.SGD(groups, lr=LR))  # noqa: E731
    plain = states.StateDictOptions()
    flat = states.StateDictOptions(flatten_optimizer_state_dict=True)
    for first in (True, False):
        yield f"fsdp2, {first}", sharded, in_memory(plain), first
        yield f"ddp and adam, {first}", adam, in_memory(plain), first
        yield f"ddp and sgd, {first}", sgd, in_memory(plain), first
        yield f"zero, {first}", lambda: parallel(zero), gathered(), first
    yield "fsdp2 and flat", sharded, in_memory(flat), True
    yield "fsdp2 on disk", sharded, on_disk(folder / "sharded"), True
    yield "ddp on disk", adam, on_disk(folder / "parallel"), True


def carried(folder: Path, plan: Schedule, total: int) -> dict[str, Any]:
    """The rates of whole runs, each half of them from a checkpoint of model and optimizer."""
    seen: dict[str, Any] = {}
    for name, make, (save, load), first in ways(folder):
        made = make()
        Scheduler(made[1], plan, total=total)
        save(made)  # a fresh one too: it is no update
        used = train(made, HALF)
        saved = save(made)
        fresh = make()
        if first:
            Scheduler(fresh[1], plan, total=total)
        load(fresh, saved)
        if not first:
            Scheduler(fresh[1], plan, total=total)
        seen[name] = [used + train(fresh, total - HALF), Scheduler.of(fresh[1]).committed]
    return seen
