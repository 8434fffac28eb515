"""What it costs to resume at update 1,000,000, against stepping a scheduler there.

    python benchmarks/resume.py

Nothing is random. `load_state_dict` is timed together with the first update after it, which
computes the levels that it needs; the peer is stepped for a part of the way, and the time for the
whole way follows from it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from typing import Any

import torch

import ratewise as rw
from ratewise.torch import Scheduler

WHERE = 1_000_000
TOTAL = 2 * WHERE
PART = 20_000


def optimizer() -> Any:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)


def scheduler() -> Scheduler:
    return Scheduler(optimizer(), rw.Warmup(500) >> rw.Cosine(to=0.1), total=TOTAL)


def resume_seconds(state: dict[str, Any]) -> float:
    there = scheduler()
    begin = time.perf_counter()
    there.load_state_dict(state)
    rate = there.get_lr()
    seconds = time.perf_counter() - begin
    assert there.committed == WHERE
    assert rate == [3e-4 * float(rw.parse("Warmup(500) >> Cosine(to=0.1)").resolve(TOTAL)(WHERE))]
    begin = time.perf_counter()
    there.optimizer.step()
    return seconds + time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=31)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")
    source = scheduler()
    source.seek(WHERE)
    state = source.state_dict()
    resume_seconds(state)
    ours = statistics.median(resume_seconds(state) for _ in range(repeats))
    theirs = optimizer()
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=TOTAL)
    theirs.step()
    begin = time.perf_counter()
    for _ in range(PART):
        peer.step()
    stepped = (time.perf_counter() - begin) * WHERE / PART
    print(f"resume and first update: {ours * 1e3:.3f} ms (limit 1 ms)")
    print(f"stepping the peer there: {stepped * 1e3:,.0f} ms, {stepped / ours:,.0f}x")


if __name__ == "__main__":
    main()
