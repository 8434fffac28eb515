"""Accelerate steps a prepared scheduler once for each process, so the rate falls too fast.

With two processes `AcceleratedScheduler` steps the scheduler inside it twice for every update, as
batches are taken to be counted over all processes. A schedule written in updates is over half-way.
Two real processes train for ten updates each.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from _side_by_side import show
from accelerate import Accelerator

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

TOTAL = 10


def rates(make) -> list[float]:
    """Train for ten updates under Accelerate, everything prepared; return the rates used."""
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(torch.ones(TOTAL * accelerator.num_processes, 1))
    parts = accelerator.prepare(model, optimizer, loader, make(optimizer))
    model, optimizer, loader, scheduler = parts
    with trace(optimizer) as run:
        for x in loader:
            accelerator.backward(model(x).sum())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return run.group().tolist()


def worker(folder: Path) -> None:
    """Run as one of two processes."""
    linear = torch.optim.lr_scheduler.LinearLR
    theirs = rates(lambda o: linear(o, start_factor=1.0, end_factor=0.0, total_iters=TOTAL))
    torch.distributed.barrier()
    ours = rates(lambda o: Scheduler(o, rw.Linear(to=0), total=TOTAL))
    if os.environ["RANK"] == "0":
        (folder / "used.json").write_text(json.dumps([theirs, ours]))
    torch.distributed.destroy_process_group()


def main() -> None:
    """Start two processes and compare."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, __file__, "--worker", folder]
        two = [
            subprocess.Popen(
                command, env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            )
            for rank in range(2)
        ]
        if any(one.wait() for one in two):
            sys.exit("a process failed")
        theirs, ours = json.loads((Path(folder) / "used.json").read_text())
    meant = (1e-3 * rw.Linear(to=0).resolve(TOTAL).values()).tolist()
    show(
        "Two processes, ten updates, linear to zero over ten updates",
        {"LinearLR, prepared": theirs},
        {"Scheduler, prepared": ours},
        lesson="Theirs is at zero after five of ten updates; ours counts updates.",
        right=ours == meant,
        bitten=abs(theirs[5]) < 1e-12,
    )


if __name__ == "__main__":
    if "--worker" in sys.argv:
        worker(Path(sys.argv[-1]))
    else:
        main()
