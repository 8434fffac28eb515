"""One process of several: python distributed_worker.py FOLDER RANK WORLD PORT."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import accelerate
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import ratewise as rw
from ratewise.schedule import ScheduleError
from ratewise.torch import Scheduler
from tests.torch.carried_ranks import carried

LR, TOTAL = 3e-4, 10
PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
PLATEAU = rw.Warmup(2) >> rw.Plateau("loss", patience=0, factor=0.5)


class Recorder(torch.optim.SGD):
    """Keeps the rate of each update, read inside `step`, beside any hook."""

    used: list[float]

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        self.__dict__.setdefault("used", []).append(float(self.param_groups[0]["lr"]))
        return result


def made() -> tuple[Any, Recorder]:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    return model, Recorder(model.parameters(), lr=LR)


def plain(rank: int) -> list[float]:
    """DistributedDataParallel, each rank with data of its own."""
    model, optimizer = made()
    ranked = DistributedDataParallel(model)
    Scheduler(optimizer, PLAN, total=TOTAL)
    for t in range(TOTAL):
        ranked(torch.full((2, 2), float(rank + t))).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return optimizer.used


def accelerated(split: bool, accumulation: int, prepared: bool) -> list[float]:
    """Accelerate's loop; two epochs of five updates, the last window of an epoch short."""
    config = accelerate.DataLoaderConfiguration(split_batches=split)
    one = accelerate.Accelerator(
        cpu=True, dataloader_config=config, gradient_accumulation_steps=accumulation
    )
    model, inner = made()
    world = one.num_processes
    batches = 5 * accumulation - (accumulation > 1)
    size = world if split else 1
    rows = torch.ones(batches * world, 2)
    loader = torch.utils.data.DataLoader(rows, batch_size=size)
    own = Scheduler(inner, PLAN, total=TOTAL)
    model, optimizer, loader = one.prepare(model, inner, loader)
    scheduler = one.prepare(own) if prepared else own
    for _ in range(2):
        for x in loader:
            with one.accumulate(model):
                one.backward(model(x).sum())
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    return inner.used


def listening(rank: int) -> dict[str, Any]:
    """Ranks that measure different losses, and one that overflows."""
    _, optimizer = made()
    scheduler = Scheduler(optimizer, PLATEAU)
    for t in range(12):
        optimizer.step()
        loss = 1.0 + 0.1 * rank if t < 8 or rank else math.nan
        scheduler.observe(loss=torch.tensor(loss - 0.01 * t * (rank == 0)))
    plan = scheduler.replay()
    return {"used": optimizer.used, "plan": str(plan.lr)}


def refused(rank: int, world: int) -> dict[str, str]:
    """What each rank says when one of them is alone with what it measured."""
    _, optimizer = made()
    scheduler = Scheduler(optimizer, PLATEAU)
    said: dict[str, str] = {}
    last = rank == world - 1
    shown = {
        "missing": {} if last else {"loss": 1.0},
        "no number": {"loss": "much" if last else 1.0},
        "misspelt": {"los" if last else "loss": 1.0},
    }
    for what, metrics in shown.items():
        try:
            scheduler.observe(metrics)
            said[what] = "nothing"
        except ScheduleError as error:
            said[what] = str(error)
    if last:
        scheduler.seek(3)
    try:
        scheduler.observe(loss=1.0)
        said["another update"] = "nothing"
    except ScheduleError as error:
        said["another update"] = str(error)
    scheduler.seek(0)
    scheduler.observe({})  # missing everywhere is no observation
    said["level"] = str(scheduler.get_lr()[0])
    return said


def reduced(rank: int) -> dict[str, float]:
    """What the schedule hears of 1, 2, 3, …, as the best that it keeps."""
    heard: dict[str, float] = {}
    for how in ("mean", "sum", "min", "max"):
        _, optimizer = made()
        scheduler = Scheduler(optimizer, rw.Plateau("loss"))
        scheduler.observe({"loss": rank + 1}, reduce=how)
        (state,) = scheduler.state_dict()["listening"]["lr"]["moves"].values()
        heard[how] = state["best"]
    return heard


def rescaled(folder: Path) -> list[float]:
    """A run of ten updates, saved after four by one process, as one of as many times fewer."""
    world = dist.get_world_size()
    _, optimizer = made()
    path = folder / "alone.pt"
    if world == 1:
        scheduler = Scheduler(optimizer, rw.Linear(to=0), total=16)
        for _ in range(8):
            optimizer.step()
        torch.save(scheduler.state_dict(), path)
        return optimizer.used
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=16 // world, resume="rescale")
    scheduler.load_state_dict(torch.load(path, weights_only=True))
    for _ in range(8 // world):
        optimizer.step()
    return optimizer.used


def main() -> None:
    """Do everything once and write down what was seen."""
    folder, rank, world, port = Path(sys.argv[1]), *map(int, sys.argv[2:])
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    seen: dict[str, Any] = {"plain": plain(rank)}
    for split in (False, True):
        for accumulation in (1, 4):
            for prepared in (False, True):
                key = f"{split} {accumulation} {prepared}"
                seen[key] = accelerated(split, accumulation, prepared)
    seen["listening"] = listening(rank)
    seen["refused"] = refused(rank, world) if world > 1 else {}
    seen["reduced"] = reduced(rank)
    seen["rescaled"] = rescaled(folder)
    seen["carried"] = carried(folder, PLAN, TOTAL) if world == 2 else {}
    (folder / f"{world}-{rank}.json").write_text(json.dumps(seen))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
